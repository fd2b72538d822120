//! `pipeline_stages`, each as operators of the filelog receiver.
//!
//! What Promtail extracts lives in `attributes` until the end, where all of it
//! goes that did not become a label or structured metadata. Labels are
//! attributes of the resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::section::{Notes, Section, scalar};
use super::{is_identifier, literal, match_stage, member, quoted, template};

/// Where a parser puts what is then chosen from.
const PARSED: &str = "attributes.promtail";

/// The stages of one scrape configuration.
#[derive(Debug, Default)]
pub(super) struct Stages {
    pub(super) operators: Vec<Value>,
    /// Where a label is, for selectors.
    pub(super) labels: BTreeMap<String, String>,
    /// Conditions of the `match` stages around the present one.
    pub(super) conditions: Vec<String>,
    /// Labels that the API gives, after the receiver.
    pub(super) late: BTreeSet<String>,
    /// Whether the API gives labels of any name.
    pub(super) any_late: bool,
    /// Tenant of all its lines, and the place that says so.
    pub(super) tenant: Option<(String, String)>,
    extracted: BTreeSet<String>,
    kept: BTreeSet<String>,
}

impl Stages {
    /// Adds an operator that works where `condition` and all around it hold.
    pub(super) fn push(&mut self, operator: Value, condition: Option<String>) {
        let mut operator = operator;
        let all: Vec<&String> = self.conditions.iter().chain(condition.as_ref()).collect();
        if let (false, Some(operator)) = (all.is_empty(), operator.as_object_mut()) {
            let joined = match all.as_slice() {
                [one] => (*one).clone(),
                all => all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" and "),
            };
            operator.insert("if".to_owned(), joined.into());
        }
        self.operators.push(operator);
    }

    /// Where a label is while the stages run.
    pub(super) fn place_of(&self, label: &str) -> Result<String, String> {
        if let Some(place) = self.labels.get(label) {
            return Ok(place.clone());
        }
        if self.late.contains(label) || self.any_late {
            return Err(format!(
                "the label {label} comes from the API, after the receiver: use the processor filter or transform"
            ));
        }
        Ok(member("resource", label))
    }

    /// Converts a list of stages.
    pub(super) fn convert(&mut self, stages: Vec<(String, Value)>, notes: &mut Notes) {
        for (place, stage) in stages {
            let mut stage = Section::of(place, stage, notes);
            let Some((name, value)) = stage.only() else {
                notes.add(stage.place(), "a stage has exactly one name");
                continue;
            };
            let place = stage.place_of(&name);
            self.one(&name, place, value, notes);
        }
    }

    fn one(&mut self, name: &str, place: String, value: Value, notes: &mut Notes) {
        match name {
            "docker" | "cri" => self.container(name),
            "labeldrop" | "labelallow" => self.choose_labels(name, place, &value, notes),
            "metrics" => {
                notes.add(place, "the collector makes no metrics of lines; a recording rule of Loki does")
            }
            "limit" => notes.add(place, "Loki's limits_config limits each stream and tenant"),
            _ => {
                let mut stage = Section::of(place, value, notes);
                match name {
                    "regex" => self.regex(&mut stage, notes),
                    "json" => self.json(&mut stage, notes),
                    "logfmt" => self.logfmt(&mut stage, notes),
                    "timestamp" => self.timestamp(&mut stage, notes),
                    "labels" => self.labels(&mut stage, notes),
                    "structured_metadata" => self.structured_metadata(&mut stage, notes),
                    "static_labels" => self.static_labels(&mut stage, notes),
                    "output" => self.output(&mut stage, notes),
                    "drop" => self.drop_lines(&mut stage, notes),
                    "match" => match_stage::convert(self, &mut stage, notes),
                    "multiline" => self.multiline(&mut stage, notes),
                    "replace" => self.replace(&mut stage, notes),
                    "template" => self.template(&mut stage, notes),
                    "tenant" => self.set_tenant(&mut stage, notes),
                    "decolorize" => self.push(
                        json!({ "type": "regex_replace", "field": "body", "regex_name": "ansi_control_sequences" }),
                        None,
                    ),
                    _ => {
                        notes.add(stage.place(), "no operator of the collector does what this stage does");
                        return;
                    }
                }
                stage.finish(notes, "the collector's operator has no such setting");
            }
        }
    }

    /// The place that a stage reads, and a condition that something is there.
    fn source(&self, stage: &mut Section, notes: &mut Notes) -> (String, Option<String>) {
        match stage.text("source", notes) {
            None => ("body".to_owned(), None),
            Some(name) => {
                let place = member("attributes", &name);
                (place.clone(), Some(format!("{place} != nil")))
            }
        }
    }

    fn container(&mut self, name: &str) {
        // Where files are those of pods, the operator is there already.
        if self.operators.iter().any(|operator| operator.get("type") == Some(&json!("container"))) {
            return;
        }
        let format = if name == "docker" { "docker" } else { "containerd" };
        self.push(
            json!({ "type": "container", "format": format, "add_metadata_from_filepath": false }),
            None,
        );
    }

    fn regex(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (from, there) = self.source(stage, notes);
        let Some(expression) = stage.text("expression", notes) else {
            return notes.add(stage.place_of("expression"), "it is missing");
        };
        let names = group_names(&expression);
        if names.is_empty() {
            return notes.add(stage.place_of("expression"), "it has no named group, so it extracts nothing");
        }
        self.extracted.extend(names);
        self.push(
            json!({ "type": "regex_parser", "regex": literal(&expression), "parse_from": from, "on_error": "send_quiet" }),
            there,
        );
    }

    fn json(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (from, there) = self.source(stage, notes);
        if stage.take("drop_malformed") == Some(true.into()) {
            notes.add(stage.place_of("drop_malformed"), "a line that is no JSON stays as it is");
        }
        let Some(mut expressions) = stage.section("expressions", notes) else {
            return notes.add(stage.place_of("expressions"), "it is missing");
        };
        self.push(json!({ "type": "json_parser", "parse_from": from, "parse_to": PARSED, "on_error": "send_quiet" }), there);
        for (name, path) in expressions.scalars(notes) {
            let path = if path.is_empty() { name.clone() } else { path };
            match json_path(&path) {
                Some(path) => self.choose(&path, &name),
                None => notes.add(
                    expressions.place_of(&name),
                    format!("only names with dots between them are understood, not {path}"),
                ),
            }
        }
        self.forget_parsed();
    }

    fn logfmt(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (from, there) = self.source(stage, notes);
        let Some(mut mapping) = stage.section("mapping", notes) else {
            return notes.add(stage.place_of("mapping"), "it is missing");
        };
        self.push(
            json!({ "type": "key_value_parser", "parse_from": from, "parse_to": PARSED, "on_error": "send_quiet" }),
            there,
        );
        for (name, key) in mapping.scalars(notes) {
            let key = if key.is_empty() { name.clone() } else { key };
            self.choose(&[key], &name);
        }
        self.forget_parsed();
    }

    /// Takes one value out of what was parsed.
    fn choose(&mut self, path: &[String], name: &str) {
        let mut place = PARSED.to_owned();
        let mut there = vec![format!("{place} != nil")];
        for part in path {
            place = member(&place, part);
            there.push(format!("{place} != nil"));
        }
        self.extracted.insert(name.to_owned());
        self.push(
            json!({ "type": "copy", "from": place, "to": member("attributes", name) }),
            Some(there.join(" and ")),
        );
    }

    fn forget_parsed(&mut self) {
        self.push(json!({ "type": "remove", "field": PARSED }), Some(format!("{PARSED} != nil")));
    }

    fn timestamp(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (from, there) = self.source(stage, notes);
        // A time that cannot be read leaves the one of reading.
        stage.ignore(&["action_on_failure"]);
        let Some(format) = stage.text("format", notes) else {
            return notes.add(stage.place_of("format"), "it is missing");
        };
        let mut operator = Map::new();
        operator.insert("type".to_owned(), "time_parser".into());
        operator.insert("parse_from".to_owned(), from.into());
        operator.insert("on_error".to_owned(), "send_quiet".into());
        let (kind, layout) = layout(&format);
        operator.insert("layout_type".to_owned(), kind.into());
        operator.insert("layout".to_owned(), literal(layout).into());
        if let Some(location) = stage.text("location", notes) {
            operator.insert("location".to_owned(), literal(&location).into());
        }
        self.push(operator.into(), there);
    }

    fn labels(&mut self, stage: &mut Section, notes: &mut Notes) {
        for (label, source) in stage.scalars(notes) {
            let from = member("attributes", if source.is_empty() { &label } else { &source });
            let to = member("resource", &label);
            self.push(json!({ "type": "copy", "from": from, "to": to }), Some(format!("{from} != nil")));
            self.labels.insert(label, to);
        }
    }

    fn structured_metadata(&mut self, stage: &mut Section, notes: &mut Notes) {
        for (name, source) in stage.scalars(notes) {
            let from = member("attributes", if source.is_empty() { &name } else { &source });
            let to = member("attributes", &name);
            if from != to {
                self.push(json!({ "type": "copy", "from": from, "to": to }), Some(format!("{from} != nil")));
            }
            self.kept.insert(name);
        }
    }

    fn static_labels(&mut self, stage: &mut Section, notes: &mut Notes) {
        for (label, value) in stage.scalars(notes) {
            self.add_label(label, &value);
        }
    }

    /// Gives all lines a label.
    pub(super) fn add_label(&mut self, label: String, value: &str) {
        let field = member("resource", &label);
        self.push(json!({ "type": "add", "field": field, "value": literal(value) }), None);
        self.labels.insert(label, field);
    }

    fn choose_labels(&mut self, name: &str, place: String, value: &Value, notes: &mut Notes) {
        let Some(labels) =
            value.as_array().map(|labels| labels.iter().filter_map(scalar).collect::<Vec<_>>())
        else {
            return notes.add(place, "it should be a list of labels");
        };
        let mut fields = Vec::new();
        for label in labels {
            match self.place_of(&label) {
                Ok(field) => fields.push(field),
                // Promtail has it on every line; there is no such label here.
                Err(_) if label == "filename" => {}
                Err(reason) => notes.add(place.as_str(), reason),
            }
        }
        if name == "labelallow" {
            return self.push(json!({ "type": "retain", "fields": fields }), None);
        }
        for field in fields {
            self.push(json!({ "type": "remove", "field": field }), Some(format!("{field} != nil")));
        }
    }

    fn output(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (from, there) = self.source(stage, notes);
        if from == "body" {
            return notes.add(stage.place_of("source"), "it is missing");
        }
        self.push(json!({ "type": "copy", "from": from, "to": "body" }), there);
    }

    fn drop_lines(&mut self, stage: &mut Section, notes: &mut Notes) {
        stage.ignore(&["drop_counter_reason"]);
        // Several sources are joined in Promtail.
        let source = stage.take("source");
        let place = match source.as_ref().map(scalar) {
            None => "body".to_owned(),
            Some(Some(name)) => format!("({} ?? \"\")", member("attributes", &name)),
            Some(None) => return notes.add(stage.place_of("source"), "only one source is understood"),
        };
        let mut when = Vec::new();
        let value = stage.text("value", notes);
        let expression = stage.text("expression", notes);
        match (&source, &value, &expression) {
            (_, Some(value), _) => when.push(format!("{place} == {}", quoted(value))),
            (_, None, Some(expression)) => when.push(format!("{place} matches {}", quoted(expression))),
            (Some(Value::String(name)), None, None) => {
                when.push(format!("{} != nil", member("attributes", name)))
            }
            _ => {}
        }
        if let Some(longer) = stage.text("longer_than", notes) {
            match longer.parse::<bytesize::ByteSize>() {
                Ok(size) => when.push(format!("len(body) > {}", size.as_u64())),
                Err(_) => return notes.add(stage.place_of("longer_than"), "it is no size"),
            }
        }
        if stage.take("older_than").is_some() {
            return notes
                .add(stage.place_of("older_than"), "Loki's reject_old_samples_max_age refuses old lines");
        }
        if when.is_empty() {
            return notes.add(stage.place(), "it says nothing about which lines go");
        }
        self.drop_when(&when.join(" and "));
    }

    /// Leaves out the lines for which an expression is true.
    pub(super) fn drop_when(&mut self, expression: &str) {
        self.push(json!({ "type": "filter", "expr": expression }), None);
    }

    fn multiline(&mut self, stage: &mut Section, notes: &mut Notes) {
        let Some(first) = stage.text("firstline", notes) else {
            return notes.add(stage.place_of("firstline"), "it is missing");
        };
        let lines = stage.take("max_lines").unwrap_or_else(|| 128.into());
        let patience = stage.text("max_wait_time", notes).unwrap_or_else(|| "3s".to_owned());
        self.push(
            json!({
                "type": "recombine", "combine_field": "body",
                "is_first_entry": format!("body matches {}", quoted(&first)),
                "source_identifier": "attributes[\"log.file.path\"]",
                "max_batch_size": lines, "force_flush_period": patience,
            }),
            None,
        );
    }

    fn replace(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (field, there) = self.source(stage, notes);
        let expression = stage.text("expression", notes).unwrap_or_default();
        let with = stage.text("replace", notes).unwrap_or_default();
        let Some((before, group, after)) = one_group(&expression).filter(|_| !with.contains("{{")) else {
            return notes.add(
                stage.place(),
                "only an expression with one group, and a replacement without a template, are understood",
            );
        };
        // Promtail replaces what the group holds, the collector what all matches.
        let regex = format!("({before}){group}({after})");
        let with = format!("$${{1}}{}$${{2}}", literal(&with.replace('$', "$$")));
        self.push(
            json!({ "type": "regex_replace", "field": field, "regex": literal(&regex), "replace_with": with }),
            there,
        );
    }

    fn template(&mut self, stage: &mut Section, notes: &mut Notes) {
        let (Some(source), Some(text)) = (stage.text("source", notes), stage.text("template", notes)) else {
            return notes.add(stage.place(), "source or template is missing");
        };
        match template::expression(&text, &source) {
            Ok(expression) => {
                let field = member("attributes", &source);
                self.push(
                    json!({ "type": "add", "field": field, "value": format!("EXPR({expression})") }),
                    None,
                );
                self.extracted.insert(source);
            }
            Err(reason) => notes.add(stage.place_of("template"), reason),
        }
    }

    fn set_tenant(&mut self, stage: &mut Section, notes: &mut Notes) {
        match stage.text("value", notes) {
            Some(tenant) if self.conditions.is_empty() => {
                self.tenant = Some((tenant, stage.place().to_owned()))
            }
            _ => {
                stage.ignore(&["source", "label"]);
                notes.add(
                    stage.place(),
                    "an exporter has one tenant; a tenant of single lines is not converted",
                );
            }
        }
    }

    /// Takes away what was extracted and is wanted nowhere.
    pub(super) fn finish(mut self) -> Vec<Value> {
        self.conditions.clear();
        for name in std::mem::take(&mut self.extracted) {
            if !self.kept.contains(&name) {
                let field = member("attributes", &name);
                self.push(json!({ "type": "remove", "field": field }), Some(format!("{field} != nil")));
            }
        }
        self.operators
    }
}

/// Kind and layout of a time format of Promtail, which are those of Go's
/// package `time`, and of numbers.
fn layout(format: &str) -> (&'static str, &str) {
    match format {
        "Unix" => ("epoch", "s"),
        "UnixMs" => ("epoch", "ms"),
        "UnixUs" => ("epoch", "us"),
        "UnixNs" => ("epoch", "ns"),
        "ANSIC" => ("gotime", "Mon Jan _2 15:04:05 2006"),
        "UnixDate" => ("gotime", "Mon Jan _2 15:04:05 MST 2006"),
        "RubyDate" => ("gotime", "Mon Jan 02 15:04:05 -0700 2006"),
        "RFC822" => ("gotime", "02 Jan 06 15:04 MST"),
        "RFC822Z" => ("gotime", "02 Jan 06 15:04 -0700"),
        "RFC850" => ("gotime", "Monday, 02-Jan-06 15:04:05 MST"),
        "RFC1123" => ("gotime", "Mon, 02 Jan 2006 15:04:05 MST"),
        "RFC1123Z" => ("gotime", "Mon, 02 Jan 2006 15:04:05 -0700"),
        "RFC3339" => ("gotime", "2006-01-02T15:04:05Z07:00"),
        "RFC3339Nano" => ("gotime", "2006-01-02T15:04:05.999999999Z07:00"),
        format => ("gotime", format),
    }
}

/// Names of the groups of a regular expression.
fn group_names(expression: &str) -> Vec<String> {
    expression
        .split("(?P<")
        .skip(1)
        .chain(expression.split("(?<").skip(1))
        .filter_map(|rest| rest.split_once('>'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| is_identifier(name))
        .collect()
}

/// The parts of a path like `http.request.id` or `"a-b".c`.
fn json_path(path: &str) -> Option<Vec<String>> {
    path.split('.')
        .map(|part| {
            let quoted = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'));
            quoted.filter(|part| !part.contains('"')).or(Some(part).filter(|part| is_identifier(part)))
        })
        .map(|part| part.map(str::to_owned))
        .collect()
}

/// What is before, in and after the only group of an expression; nothing when
/// it has none or several.
fn one_group(expression: &str) -> Option<(&str, String, &str)> {
    let mut depth = 0_u32;
    let (mut class, mut escaped) = (false, false);
    let (mut open, mut close) = (None, None);
    for (at, sign) in expression.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' if !class => class = true,
            ']' => class = false,
            '(' if !class => {
                if depth > 0 || open.is_some() {
                    return None;
                }
                open = Some(at);
                depth += 1;
            }
            ')' if !class => {
                depth = depth.checked_sub(1)?;
                close = Some(at);
            }
            _ => {}
        }
    }
    let (open, close) = (open?, close?);
    let inside = expression.get(open + 1..close)?;
    let inside = match inside.strip_prefix("?P<").or(inside.strip_prefix("?<")) {
        Some(named) => named.split_once('>')?.1,
        None if inside.starts_with('?') => return None,
        None => inside,
    };
    Some((expression.get(..open)?, format!("(?:{inside})"), expression.get(close + 1..)?))
}
