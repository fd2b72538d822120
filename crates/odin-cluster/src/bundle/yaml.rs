//! YAML in, YAML out. Only the edge of the crate knows the text form.

use serde_json::Value;

/// Reads every document of a file that holds objects.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("it is not text: byte {} is not UTF-8", error.valid_up_to()))?;
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(place) = text.find('\0') {
        return Err(format!("it is not text: byte {place} is zero"));
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| one_line(&error.to_string()))?;
    let documents: Vec<Value> = documents.into_iter().filter(|value| !value.is_null()).collect();
    if documents.is_empty() {
        return Err("it holds no object".to_owned());
    }
    if let Some(wrong) = documents.iter().find(|value| !value.is_object()) {
        let found = match wrong {
            Value::Array(_) => "a list",
            _ => "a plain value",
        };
        return Err(format!("it holds {found} where an object belongs"));
    }
    Ok(documents)
}

/// Writes one object with sorted keys.
pub(super) fn render(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(&sorted(value)).map_err(|error| error.to_string())
}

/// Two renders are byte-equal whatever map serde_json was compiled with.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        scalar => scalar.clone(),
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it is not YAML").to_owned()
}

fn options() -> serde_saphyr::Options {
    // The budget guards against documents made to exhaust memory; a CRD or a
    // dashboard of some MiB is honest.
    let budget = serde_saphyr::budget! {
        max_events: 4_000_000,
        max_nodes: 2_000_000,
        max_total_scalar_bytes: 64 * 1024 * 1024,
    };
    serde_saphyr::options! { budget: budget, with_snippet: false }
}
