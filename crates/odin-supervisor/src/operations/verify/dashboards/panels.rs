//! Dashboards as Grafana keeps them: which queries with which variables.
//!
//! Names are those of Grafana's dashboard JSON model.

use serde_json::Value;

/// What of a dashboard can be asked.
#[derive(Debug, PartialEq)]
pub(super) struct Dashboard {
    pub(super) title: String,
    /// In the order of the dashboard: one may use those before it.
    pub(super) variables: Vec<(String, Variable)>,
    pub(super) queries: Vec<Query>,
}

/// Where the value of a variable comes from.
#[derive(Debug, PartialEq)]
pub(super) enum Variable {
    /// It is in the dashboard.
    Fixed(String),
    /// Values of a label, of some series or of all.
    Labels { series: Option<String>, label: String, several: bool },
}

/// A query of a panel.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) panel: String,
    pub(super) expression: String,
    pub(super) instant: bool,
    pub(super) language: Language,
}

/// Whose language a query is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Prometheus,
    Loki,
}

/// Reads a dashboard.
pub(super) fn parse(text: &str) -> Result<Dashboard, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let title = value["title"].as_str().ok_or("it has no title")?.to_owned();
    let panels = value["panels"].as_array().ok_or("it has no panels")?;
    let mut queries = Vec::new();
    collect(panels, &mut queries)?;
    let list = value.pointer("/templating/list").and_then(Value::as_array);
    let variables = list.into_iter().flatten().map(variable).collect::<Result<_, String>>()?;
    Ok(Dashboard { title, variables, queries })
}

/// Queries of panels, and of panels in folded rows.
fn collect(panels: &[Value], queries: &mut Vec<Query>) -> Result<(), String> {
    for panel in panels {
        if let Some(inner) = panel["panels"].as_array() {
            collect(inner, queries)?;
        }
        let title =
            panel["title"].as_str().filter(|title| !title.is_empty()).unwrap_or("a panel without title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let Some(language) = language(target, panel)? else { continue };
            let expression = target["expr"].as_str().filter(|text| !text.trim().is_empty());
            let expression = expression.ok_or_else(|| format!("a query of {title} has no expression"))?;
            let instant = target["instant"] == true || target["queryType"] == "instant";
            let (panel, expression) = (title.to_owned(), expression.to_owned());
            queries.push(Query { panel, expression, instant, language });
        }
    }
    Ok(())
}

/// `None` for what Grafana answers itself and for lists of alerts.
fn language(target: &Value, panel: &Value) -> Result<Option<Language>, String> {
    let of = |value: &Value| value.pointer("/datasource/type").and_then(Value::as_str).map(str::to_owned);
    match of(target).or_else(|| of(panel)).as_deref() {
        // Grafana's default is the first data source, which is Prometheus here.
        Some("prometheus") | None => Ok(Some(Language::Prometheus)),
        Some("loki") => Ok(Some(Language::Loki)),
        Some("grafana" | "datasource" | "alertmanager") => Ok(None),
        Some(other) => Err(format!("a panel asks a data source of the unknown type {other}")),
    }
}

fn variable(value: &Value) -> Result<(String, Variable), String> {
    let name = value["name"].as_str().ok_or("a variable has no name")?.to_owned();
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let current = || text("/current/value").filter(|value| !value.starts_with('$'));
    let several = value["multi"] == true || value["includeAll"] == true;
    let loki = text("/datasource/type").as_deref() == Some("loki");
    let found = match value["type"].as_str() {
        Some("query") if loki => Variable::Fixed(".+".to_owned()),
        Some("query") => {
            let query = text("/query/query").or_else(|| text("/query")).or_else(|| text("/definition"));
            let query = query.ok_or_else(|| format!("variable {name} has no query"))?;
            labels(&query, several).ok_or_else(|| {
                format!("variable {name}: only label_values(...) is understood, not {query}")
            })?
        }
        Some("custom" | "interval") => {
            let first = |list: String| list.split(',').next().map(|first| first.trim().to_owned());
            // `name : value` is how a choice gets another name.
            let value = |choice: String| choice.rsplit(" : ").next().map(str::to_owned);
            let chosen = current().or_else(|| text("/query").and_then(first).and_then(value));
            Variable::Fixed(chosen.unwrap_or_default())
        }
        Some("textbox") => Variable::Fixed(current().or_else(|| text("/query")).unwrap_or_default()),
        Some("constant") => Variable::Fixed(text("/query").unwrap_or_default()),
        Some("datasource") => Variable::Fixed(text("/query").unwrap_or_default()),
        // Filters that a person adds; there are none at first.
        Some("adhoc") => Variable::Fixed(String::new()),
        other => return Err(format!("variable {name} is of the unknown type {}", other.unwrap_or("none"))),
    };
    Ok((name, found))
}

/// `label_values(series, label)` or `label_values(label)`.
fn labels(query: &str, several: bool) -> Option<Variable> {
    let inner = query.trim().strip_prefix("label_values(")?.strip_suffix(')')?;
    let (series, label) = match inner.rsplit_once(',') {
        Some((series, label)) => (Some(series.trim().to_owned()), label),
        None => (None, inner),
    };
    let label = label.trim().to_owned();
    let plain = !label.is_empty() && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    plain.then_some(Variable::Labels { series, label, several })
}
