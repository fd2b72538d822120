use serde_json::json;

use super::*;

fn parsed(panels: Value, variables: Value) -> Result<Dashboard, String> {
    let text = json!({"title": "Node", "panels": panels, "templating": {"list": variables}}).to_string();
    panels::parse(&text)
}

#[test]
fn queries_are_found_in_panels_and_folded_rows() {
    let panel = |title: &str, target: Value| json!({"title": title, "targets": [target]});
    let panels = json!([
        panel("A", json!({"expr": "up", "instant": true})),
        {"type": "row", "title": "R", "panels": [panel("B", json!({"expr": "{a=\"b\"}", "datasource": {"type": "loki"}}))]},
        panel("C", json!({"queryType": "randomWalk", "datasource": {"type": "grafana"}})),
        {"type": "text", "title": "D"},
    ]);
    let found = parsed(panels, json!([])).expect("a dashboard").queries;
    let names: Vec<_> =
        found.iter().map(|query| (query.panel.as_str(), query.language, query.instant)).collect();
    assert_eq!(names, [("A", Language::Prometheus, true), ("B", Language::Loki, false)]);
}

#[test]
fn variables_come_from_labels_or_from_the_dashboard() {
    let labels = |query: Value| json!({"name": "v", "type": "query", "query": query, "multi": true});
    let of = |series: Option<&str>, label: &str| Variable::Labels {
        series: series.map(str::to_owned),
        label: label.to_owned(),
        several: true,
    };
    let fixed = |value: &str| Variable::Fixed(value.to_owned());
    let table = [
        (labels(json!({"query": "label_values(up{a=~\"$b,c\"}, job)"})), of(Some("up{a=~\"$b,c\"}"), "job")),
        (labels(json!("label_values(job)")), of(None, "job")),
        (json!({"name": "v", "type": "constant", "query": "/runbooks"}), fixed("/runbooks")),
        (json!({"name": "v", "type": "custom", "query": "All : .*,b"}), fixed(".*")),
        (json!({"name": "v", "type": "custom", "query": "a,b", "current": {"value": "b"}}), fixed("b")),
        (json!({"name": "v", "type": "custom", "query": "a", "current": {"value": "$__all"}}), fixed("a")),
        (json!({"name": "v", "type": "textbox", "query": ""}), fixed("")),
        (json!({"name": "v", "type": "query", "datasource": {"type": "loki"}}), fixed(".+")),
    ];
    for (variable, wanted) in table {
        let found = parsed(json!([]), json!([variable])).expect("a dashboard").variables.remove(0);
        assert_eq!(found, ("v".to_owned(), wanted), "{variable}");
    }
}

#[test]
fn what_is_no_dashboard_is_refused() {
    for text in ["", "[]", "{}", r#"{"title": "x"}"#, r#"{"title": "x", "panels": {}}"#] {
        assert!(panels::parse(text).is_err(), "{text}");
    }
    let wrong_panels = [
        json!([{"title": "A", "targets": [{"expr": " "}]}]),
        json!([{"title": "A", "targets": [{}]}]),
        json!([{"title": "A", "targets": [{"expr": "x", "datasource": {"type": "mysql"}}]}]),
    ];
    for panels in wrong_panels {
        assert!(parsed(panels.clone(), json!([])).is_err(), "{panels}");
    }
    let wrong_variables = [
        json!({"type": "constant"}),
        json!({"name": "v", "type": "query"}),
        json!({"name": "v", "type": "query", "query": "query_result(up)"}),
        json!({"name": "v", "type": "query", "query": "label_values(up, )"}),
        json!({"name": "v", "type": "novel"}),
    ];
    for variable in wrong_variables {
        assert!(parsed(json!([]), json!([variable])).is_err(), "{variable}");
    }
}

fn seen(title: &str, seconds: u64, panels: Vec<(&str, Answered)>) -> Seen {
    let panels = panels.into_iter().map(|(panel, answered)| (panel.to_owned(), answered)).collect();
    Seen { title: title.to_owned(), took: Duration::from_secs(seconds), panels }
}

#[test]
fn an_error_fails_and_what_has_no_data_is_named() {
    use Answered::{Data, NotAsked, Nothing, Refused};
    let good = [
        seen("Node", 1, vec![("CPU", Data), ("Swap", Nothing)]),
        seen("GPU", 2, vec![("Heat", Nothing), ("Heat", Nothing)]),
        seen("Logs", 0, vec![("Lines", NotAsked)]),
    ];
    let told = "3 dashboards, 5 queries, the slowest in 2.0 s; \
                without data: Node (Swap), all of GPU; not asked: all of Logs";
    assert_eq!(judge(&good), Ok(told.to_owned()));
    let refused = [seen("Node", 1, vec![("CPU", Refused("parse error".to_owned()))])];
    assert_eq!(judge(&refused), Err("Node, CPU: parse error".to_owned()));
    assert!(judge(&[seen("Node", 6, vec![("CPU", Data)])]).expect_err("slow").contains("took 6.0 s"));
    assert!(judge(&[]).is_err());
}

#[test]
fn an_answer_without_a_result_is_none() {
    assert_eq!(has_data(&json!({"result": []})), Answered::Nothing);
    assert_eq!(has_data(&json!({"result": [1]})), Answered::Data);
    for wrong in [json!({}), json!(null), json!({"result": null})] {
        assert!(matches!(has_data(&wrong), Answered::Refused(_)), "{wrong}");
    }
}
