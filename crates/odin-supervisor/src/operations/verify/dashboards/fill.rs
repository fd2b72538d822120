//! Variables in queries, as Grafana fills them: `$name`, `${name}`,
//! `${name:format}`, `[[name]]`.

use std::collections::BTreeMap;

/// Values by the name of their variable.
pub(super) type Values = BTreeMap<String, String>;

/// Values that one variable takes at most: a query is sent in an address.
const MOST: usize = 20;

/// What Grafana knows without being told, for a dashboard of `span` seconds.
pub(super) fn builtin(now: i64, span: i64) -> Values {
    let rows = [
        ("__interval", "1m".to_owned()),
        ("__interval_ms", "60000".to_owned()),
        ("__rate_interval", "2m".to_owned()),
        ("__range", format!("{span}s")),
        ("__range_s", span.to_string()),
        ("__range_ms", (span * 1000).to_string()),
        ("__auto", "1m".to_owned()),
        ("__from", ((now - span) * 1000).to_string()),
        ("__to", (now * 1000).to_string()),
    ];
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An expression that matches any of the values; anything where there is none.
pub(super) fn several(values: &[String]) -> String {
    match values {
        [] => ".*".to_owned(),
        [one] => escape(one),
        many => {
            let escaped: Vec<String> = many.iter().take(MOST).map(|value| escape(value)).collect();
            format!("({})", escaped.join("|"))
        }
    }
}

/// A value inside a regular expression inside a quoted string.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for char in value.chars() {
        if "\\^$*+?.()|[]{}".contains(char) {
            escaped.push_str("\\\\");
        }
        if char == '"' {
            escaped.push('\\');
        }
        escaped.push(char);
        if char == '\\' {
            escaped.push('\\');
        }
    }
    escaped
}

/// Puts values in place of variables. A variable that the dashboard does not
/// have is an error: Grafana would send its name.
pub(super) fn fill(text: &str, values: &Values) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '[']) {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        match name(from) {
            None => {
                // `$` and `[` are one byte each.
                let (char, after) = from.split_at(1);
                filled.push_str(char);
                rest = after;
            }
            Some((name, after)) => {
                let value =
                    values.get(name).ok_or_else(|| format!("it uses the unknown variable ${name}"))?;
                filled.push_str(value);
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The variable that a text begins with, and what comes after it.
fn name(text: &str) -> Option<(&str, &str)> {
    let part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let (inner, after) = if let Some(from) = text.strip_prefix("${") {
        from.split_once('}')?
    } else if let Some(from) = text.strip_prefix("[[") {
        from.split_once("]]")?
    } else {
        let from = text.strip_prefix('$')?;
        from.split_at(from.find(|char: char| !part(char)).unwrap_or(from.len()))
    };
    let name = inner.split([':', '.']).next().unwrap_or(inner);
    // `$1` is a group of label_replace.
    let first = name.chars().next()?;
    (!first.is_ascii_digit() && name.chars().all(part)).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_every_form() {
        let values: Values = [("node", "a"), ("ns", "(b|c)")].map(|(k, v)| (k.into(), v.into())).into();
        let table = [
            ("up", "up"),
            ("up{i=\"$node\"}", "up{i=\"a\"}"),
            ("${node}${ns:regex}[[node]]$node", "a(b|c)aa"),
            (
                "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)$\")[5m]",
                "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)$\")[5m]",
            ),
            ("rate(x[$node])", "rate(x[a])"),
            ("ümläut $node ü", "ümläut a ü"),
        ];
        for (text, wanted) in table {
            assert_eq!(fill(text, &values).as_deref(), Ok(wanted), "{text}");
        }
        for unknown in ["$other", "${other}", "[[other]]", "$nodes"] {
            assert!(fill(unknown, &values).is_err(), "{unknown}");
        }
    }

    #[test]
    fn values_are_escaped_twice_once_for_the_expression_and_once_for_its_quotes() {
        let values = |list: &[&str]| several(&list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(values(&[]), ".*");
        assert_eq!(values(&["node-1.local"]), "node-1\\\\.local");
        assert_eq!(values(&["a", "b+"]), "(a|b\\\\+)");
        assert_eq!(values(&["a\\b"]), "a\\\\\\\\b");
        assert_eq!(values(&["x"; 30]).matches('x').count(), MOST);
    }
}
