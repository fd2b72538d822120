//! The selector of a `match` stage, as an expression of the collector.

use super::quoted;

/// Reads a selector: matchers of labels, and filters of the line after them.
/// Gives one condition for each; `place_of` says where a label is, or why it
/// is nowhere.
pub(super) fn conditions(
    selector: &str,
    place_of: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let mut rest = selector.trim();
    rest = rest.strip_prefix('{').ok_or("it does not begin with {")?.trim_start();
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        let end = rest
            .find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_')
            .ok_or("it has no } at the end of its labels")?;
        let (label, after) = rest.split_at(end);
        let (operator, after) = operator(after.trim_start(), &["=~", "!~", "!=", "="])?;
        let (value, after) = string(after.trim_start())?;
        let place = place_of(label)?;
        found.push(match operator {
            "=" => format!("({place} ?? \"\") == {}", quoted(&value)),
            "!=" => format!("({place} ?? \"\") != {}", quoted(&value)),
            "=~" => format!("({place} ?? \"\") matches {}", quoted(&anchored(&value))),
            _ => format!("not (({place} ?? \"\") matches {})", quoted(&anchored(&value))),
        });
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    rest = rest.get(1..).unwrap_or_default().trim_start();
    while !rest.is_empty() {
        let (operator, after) = operator(rest, &["|=", "|~", "!=", "!~"])
            .map_err(|_| format!("only filters of the line are understood after the labels, not {rest:?}"))?;
        let (value, after) = string(after.trim_start())?;
        found.push(match operator {
            "|=" => format!("body contains {}", quoted(&value)),
            "!=" => format!("not (body contains {})", quoted(&value)),
            "|~" => format!("body matches {}", quoted(&value)),
            _ => format!("not (body matches {})", quoted(&value)),
        });
        rest = after.trim_start();
    }
    Ok(found)
}

/// Matchers of labels are anchored on both sides, in Loki as in Prometheus.
pub(super) fn anchored(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

fn operator<'a>(text: &'a str, known: &[&'static str]) -> Result<(&'static str, &'a str), String> {
    known
        .iter()
        .find_map(|operator| text.strip_prefix(operator).map(|rest| (*operator, rest)))
        .ok_or_else(|| format!("an operator was expected at {text:?}"))
}

/// A string in double quotes, with Go's escapes, or in backquotes.
fn string(text: &str) -> Result<(String, &str), String> {
    if let Some(inside) = text.strip_prefix('`') {
        let (value, rest) = inside.split_once('`').ok_or("a string has no end")?;
        return Ok((value.to_owned(), rest));
    }
    let inside = text.strip_prefix('"').ok_or_else(|| format!("a string was expected at {text:?}"))?;
    let mut escaped = false;
    for (at, sign) in inside.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let (value, rest) = inside.split_at(at);
                // The escapes that both have; another is refused.
                let value = serde_json::from_str(&format!("\"{value}\""))
                    .map_err(|_| format!("the string {value:?} has an escape that is not understood"))?;
                return Ok((value, rest.get(1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    Err("a string has no end".to_owned())
}
