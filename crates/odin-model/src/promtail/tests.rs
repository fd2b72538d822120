use super::*;

const KUBERNETES: &str = include_str!("../../tests/fixtures/promtail/kubernetes.yaml");
const HOST: &str = include_str!("../../tests/fixtures/promtail/host.yaml");

fn converted(text: &str) -> (Value, Vec<String>) {
    let conversion = convert(text).expect("a configuration");
    let value = serde_saphyr::from_str(&conversion.yaml).expect("YAML");
    (value, conversion.left.into_iter().map(|left| left.place).collect())
}

/// The operators and the places left out of some stages of a static target.
fn stages(stages: &str) -> (Vec<Value>, Vec<Left>) {
    let indented: String = stages.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "clients: [{{url: 'http://loki:3100/loki/api/v1/push'}}]\nscrape_configs:\n  - job_name: one\n    \
         static_configs: [{{labels: {{__path__: /a.log}}}}]\n    pipeline_stages:\n{indented}"
    );
    let conversion = convert(&text).expect(&text);
    let value: Value = serde_saphyr::from_str(&conversion.yaml).expect("YAML");
    let operators = value["receivers"]["filelog/one"]["operators"].as_array().cloned().unwrap_or_default();
    (operators, conversion.left)
}

#[test]
fn the_chart_of_promtail_is_converted_but_for_what_is_named() {
    let (collector, left) = converted(KUBERNETES);
    // A label from the API is known only after the receiver.
    assert_eq!(left, ["scrape_configs[0].pipeline_stages[2].match.selector"]);
    let exporter = &collector["exporters"]["otlphttp/loki"];
    assert_eq!(exporter["endpoint"], "http://loki-gateway.monitoring/otlp");
    assert_eq!(exporter["headers"]["X-Scope-OrgID"], "cluster-1");
    assert_eq!(exporter["retry_on_failure"]["max_interval"], "5m");
    let pipeline = &collector["service"]["pipelines"]["logs/kubernetes_pods"];
    assert_eq!(pipeline["receivers"], json!(["filelog/kubernetes_pods"]));
    assert_eq!(
        pipeline["processors"],
        json!(["k8sattributes/kubernetes_pods", "filter/kubernetes_pods", "resource/external_labels"])
    );
    let extract = &collector["processors"]["k8sattributes/kubernetes_pods"]["extract"]["labels"];
    assert_eq!(
        extract[0],
        json!({ "tag_name": "app", "from": "pod",
                "key_regex": "^app[^A-Za-z0-9]kubernetes[^A-Za-z0-9]io[^A-Za-z0-9]name$$" })
    );
    assert_eq!(extract[2]["tag_name"], "$$1");
    let external = &collector["processors"]["resource/external_labels"]["attributes"][0];
    assert_eq!(external["value"], "${env:CLUSTER}");
    let operators =
        collector["receivers"]["filelog/kubernetes_pods"]["operators"].as_array().expect("a list");
    assert_eq!(operators[0], json!({ "type": "container" }));
    assert!(operators.iter().filter(|operator| operator["type"] == "container").count() == 1);
    assert!(operators.iter().any(|operator| operator["type"] == "filter"
        && operator["expr"] == "(resource[\"k8s.namespace.name\"] ?? \"\") matches \"^(?:kube-.*)$$\""));
    let time = operators.iter().find(|operator| operator["type"] == "time_parser").expect("a time");
    assert_eq!(time["layout"], "2006-01-02T15:04:05.999999999Z07:00");
    assert_eq!(
        time["if"],
        "((resource.namespace ?? \"\") matches \"^(?:shop|cart)$$\") and (attributes.time != nil)"
    );
    // What was extracted goes, but for structured metadata.
    let removed: Vec<&str> = operators
        .iter()
        .filter(|operator| operator["type"] == "remove")
        .filter_map(|operator| operator["field"].as_str())
        .collect();
    assert!(removed.contains(&"attributes.level") && removed.contains(&"attributes.time"), "{removed:?}");
    assert!(!removed.contains(&"attributes.request"), "{removed:?}");
}

#[test]
fn a_host_is_converted_but_for_what_is_named() {
    let (collector, left) = converted(HOST);
    assert_eq!(
        left,
        [
            "scrape_configs[0].journal.max_age",
            "scrape_configs[1].pipeline_stages[8].metrics",
            "scrape_configs[2].pipeline_stages[4].limit",
            // The exporter is that of all.
            "scrape_configs[2].pipeline_stages[3].tenant",
            "scrape_configs[3].syslog",
        ]
    );
    assert_eq!(
        collector["receivers"]["filelog/nginx"]["include"],
        json!(["/var/log/nginx/access.log", "/var/log/nginx/error.log"])
    );
    assert_eq!(collector["receivers"]["filelog/journal"]["include"], json!([sources_journal()]));
    assert_eq!(collector["exporters"]["otlphttp/loki"]["auth"]["authenticator"], "basicauth/loki");
    assert!(collector["exporters"]["otlphttp/loki"].get("headers").is_none());
    assert_eq!(
        collector["extensions"]["basicauth/loki"]["client_auth"],
        json!({ "username": "host", "password_file": "/etc/promtail/password" })
    );
    assert_eq!(collector["service"]["extensions"], json!(["basicauth/loki", "file_storage/positions"]));
    assert!(collector["receivers"].get("filelog/syslog").is_none());
}

fn sources_journal() -> &'static str {
    "/var/log/odin/journal/current.jsonl*"
}

#[test]
fn each_stage_becomes_its_operator() {
    let cases = [
        (
            "- cri: {}",
            json!({ "type": "container", "format": "containerd", "add_metadata_from_filepath": false }),
        ),
        (
            "- docker:",
            json!({ "type": "container", "format": "docker", "add_metadata_from_filepath": false }),
        ),
        (
            "- regex: {expression: '(?P<level>\\w+)$'}",
            json!({ "type": "regex_parser", "regex": "(?P<level>\\w+)$$", "parse_from": "body", "on_error": "send_quiet" }),
        ),
        ("- static_labels: {team: a}", json!({ "type": "add", "field": "resource.team", "value": "a" })),
        (
            "- labels: {level: lvl}",
            json!({ "type": "copy", "from": "attributes.lvl", "to": "resource.level", "if": "attributes.lvl != nil" }),
        ),
        (
            "- timestamp: {source: at, format: UnixMs}",
            json!({ "type": "time_parser", "parse_from": "attributes.at", "layout_type": "epoch", "layout": "ms",
                    "on_error": "send_quiet", "if": "attributes.at != nil" }),
        ),
        ("- labelallow: [job]", json!({ "type": "retain", "fields": ["resource.job"] })),
        (
            "- labeldrop: [job]",
            json!({ "type": "remove", "field": "resource.job", "if": "resource.job != nil" }),
        ),
        (
            "- output: {source: message}",
            json!({ "type": "copy", "from": "attributes.message", "to": "body", "if": "attributes.message != nil" }),
        ),
        ("- drop: {expression: 'a b'}", json!({ "type": "filter", "expr": "body matches \"a b\"" })),
        ("- drop: {longer_than: 1KiB}", json!({ "type": "filter", "expr": "len(body) > 1024" })),
        (
            "- drop: {source: level, value: debug}",
            json!({ "type": "filter", "expr": "(attributes.level ?? \"\") == \"debug\"" }),
        ),
        (
            "- match: {selector: '{job=\"a\"} |= \"b\"', action: drop}",
            json!({ "type": "filter", "expr": "((resource.job ?? \"\") == \"a\") and (body contains \"b\")" }),
        ),
        (
            "- replace: {expression: 'token=(\\S+)', replace: '***'}",
            json!({ "type": "regex_replace", "field": "body", "regex": "(token=)(?:\\S+)()", "replace_with": "$${1}***$${2}" }),
        ),
        (
            "- template: {source: x, template: 'a {{ .y | ToUpper }}'}",
            json!({ "type": "add", "field": "attributes.x", "value": "EXPR(\"a \" + upper(string(attributes.y ?? \"\")))" }),
        ),
        (
            "- multiline: {firstline: '^\\[', max_lines: 50}",
            json!({ "type": "recombine", "combine_field": "body", "is_first_entry": "body matches \"^\\\\[\"",
                    "source_identifier": "attributes[\"log.file.path\"]", "max_batch_size": 50, "force_flush_period": "3s" }),
        ),
    ];
    for (stage, operator) in cases {
        let (operators, left) = stages(stage);
        assert_eq!(left, [], "{stage}");
        assert_eq!(operators.first(), Some(&operator), "{stage}");
    }
}

#[test]
fn values_of_json_and_logfmt_are_chosen_where_they_are_there() {
    let (operators, left) = stages(
        "- json: {expressions: {id: 'http.\"request-id\"', all: 'a[0]'}}\n- logfmt: {mapping: {level: }}",
    );
    assert_eq!(
        left.iter().map(|left| left.place.as_str()).collect::<Vec<_>>(),
        ["scrape_configs[0].pipeline_stages[0].json.expressions.all"]
    );
    assert_eq!(operators[0]["type"], "json_parser");
    assert_eq!(
        operators[1],
        json!({ "type": "copy", "from": "attributes.promtail.http[\"request-id\"]", "to": "attributes.id",
                "if": "attributes.promtail != nil and attributes.promtail.http != nil and \
                       attributes.promtail.http[\"request-id\"] != nil" })
    );
    assert_eq!(operators[3]["type"], "key_value_parser");
    assert_eq!(operators[4]["from"], "attributes.promtail.level");
}

#[test]
fn what_cannot_be_converted_is_named_with_its_place() {
    for (stage, key) in [
        ("- metrics: {}", "metrics"),
        ("- limit: {rate: 1}", "limit"),
        ("- pack: {labels: [a]}", "pack"),
        ("- geoip: {source: ip}", "geoip"),
        ("- tenant: {source: team}", "tenant"),
        ("- drop: {older_than: 24h}", "drop.older_than"),
        ("- drop: {}", "drop"),
        ("- regex: {expression: 'no group'}", "regex.expression"),
        ("- template: {source: a, template: '{{ if .Value }}'}", "template.template"),
        ("- replace: {expression: '(a)(b)', replace: c}", "replace"),
        ("- match: {selector: '{a=\"b\"} | json'}", "match.selector"),
        ("- timestamp: {source: t, format: Unix, fallback_formats: [UnixMs]}", "timestamp.fallback_formats"),
        ("- cri: {}\n  docker: {}", ""),
    ] {
        let (_, left) = stages(stage);
        let place =
            format!("scrape_configs[0].pipeline_stages[0]{}{key}", if key.is_empty() { "" } else { "." });
        assert_eq!(left.first().map(|left| left.place.as_str()), Some(place.as_str()), "{stage}");
        assert!(left.iter().all(|left| !left.reason.is_empty()), "{stage}");
    }
}

#[test]
fn selectors_become_conditions_or_say_why_not() {
    let labels = BTreeMap::from([("app".to_owned(), "resource[\"a.b\"]".to_owned())]);
    let place_of = |label: &str| Ok(labels.get(label).cloned().unwrap_or_else(|| member("resource", label)));
    let read = |text| selector::conditions(text, place_of);
    assert_eq!(
        read("{app!~\"x.*\", job = `y`} != \"it's\" !~ \"\\\\d\""),
        Ok(vec![
            "not ((resource[\"a.b\"] ?? \"\") matches \"^(?:x.*)$$\")".to_owned(),
            "(resource.job ?? \"\") == \"y\"".to_owned(),
            "not (body contains \"it's\")".to_owned(),
            "not (body matches \"\\\\d\")".to_owned(),
        ])
    );
    assert_eq!(read("{}"), Ok(Vec::new()));
    for bad in ["", "app=1", "{app", "{app=b}", "{app=\"b}", "{app=\"b\"} | line_format", "{app=\"\\q\"}"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_configuration_of_promtail_is_refused() {
    for (text, said) in [
        ("", "mapping"),
        ("- a", "mapping"),
        ("receivers: {}", "scrape_configs"),
        ("scrape_configs: [", "line"),
    ] {
        let reason = convert(text).expect_err(text);
        assert!(reason.contains(said), "{text:?}: {reason}");
    }
    let (_, left) = converted("scrape_configs: 5\nclients: {url: x}\nlimits_config: {}");
    assert_eq!(left, ["clients", "clients", "scrape_configs", "limits_config", "scrape_configs"]);
}

#[test]
fn dollars_are_doubled_and_references_to_the_environment_kept() {
    for (text, written) in [
        ("a$", "a$$"),
        ("${HOME}/x", "${env:HOME}/x"),
        ("${1}", "$${1}"),
        ("$1$$", "$$1$$$$"),
        ("é$ü", "é$$ü"),
    ] {
        assert_eq!(literal(text), written);
    }
}

#[test]
fn no_text_makes_it_panic() {
    use proptest::prelude::*;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let pieces = prop::sample::select(vec![
        "{{", "}}", "(", ")", "$", "${", "}", "\"", "`", "{", "é", "|", ".", "[", "a=",
    ]);
    runner
        .run(&prop::collection::vec(pieces, 0..12), |parts| {
            let text = parts.concat();
            drop(selector::conditions(&text, |label| Ok(label.to_owned())));
            drop(template::expression(&text, "x"));
            drop(literal(&text));
            Ok(())
        })
        .expect("no panic");
}
