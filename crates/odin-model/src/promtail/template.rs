//! Simple templates of Promtail's `template` stage, as an expression.

use super::{is_identifier, member, quoted};

/// Functions of Promtail's templates that an expression has, too.
const FUNCTIONS: [(&str, &str); 3] = [("ToLower", "lower"), ("ToUpper", "upper"), ("TrimSpace", "trim")];

/// The expression of a template; `source` is what `.Value` means.
pub(super) fn expression(template: &str, source: &str) -> Result<String, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        if !text.is_empty() {
            parts.push(quoted(text));
        }
        let (action, after) = after.split_once("}}").ok_or("an action has no end")?;
        parts.push(one(action.trim(), source)?);
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(quoted(rest));
    }
    Ok(parts.join(" + "))
}

fn one(action: &str, source: &str) -> Result<String, String> {
    let unknown = || format!("only values and {} are understood, not {{{{ {action} }}}}", names());
    // `.Value | ToUpper`, `ToUpper .Value`, `.Value`
    let words: Vec<&str> = match action.split_once('|') {
        Some((value, function)) => vec![function.trim(), value.trim()],
        None => action.split_whitespace().collect(),
    };
    let (function, value) = match words.as_slice() {
        [value] => (None, *value),
        [function, value] => {
            (Some(FUNCTIONS.iter().find(|(name, _)| name == function).ok_or_else(unknown)?.1), *value)
        }
        _ => return Err(unknown()),
    };
    let name = value.strip_prefix('.').filter(|name| is_identifier(name)).ok_or_else(unknown)?;
    let place = match name {
        "Value" => member("attributes", source),
        "Entry" => "body".to_owned(),
        name => member("attributes", name),
    };
    let text = format!("string({place} ?? \"\")");
    Ok(function.map_or(text.clone(), |function| format!("{function}({text})")))
}

fn names() -> String {
    FUNCTIONS.map(|(name, _)| name).join(", ")
}
