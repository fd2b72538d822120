//! `scrape_configs`: which files are read, as filelog receivers.

use serde_json::{Map, Value, json};

use super::kubernetes::{self, Relabelled};
use super::section::{Notes, Section};
use super::stages::Stages;
use super::{Collector, literal};

/// Files of the containers of a node, as the kubelet lays them out.
const POD_LOGS: &str = "/var/log/pods/*/*/*.log";
/// Where odin-journal.service writes the journal's entries.
const JOURNAL: &str = "/var/log/odin/journal/current.jsonl*";
/// Where an entry of the journal is while its fields are chosen from.
const ENTRY: &str = "attributes.journal";
/// Ways to get lines that Promtail has and this has not.
const ELSEWHERE: [(&str, &str); 8] = [
    ("syslog", "use the receiver syslog of the collector"),
    ("gcplog", "use the receiver googlecloudpubsub of the collector"),
    ("kafka", "use the receiver kafka of the collector"),
    ("windows_events", "use the receiver windowseventlog of the collector"),
    ("loki_push_api", "use the receiver loki of the collector"),
    ("docker_sd_configs", "name the containers' files with __path__"),
    ("consul_sd_configs", "name the files with __path__"),
    ("file_sd_configs", "name the files with __path__"),
];

pub(super) fn convert(top: &mut Section, collector: &mut Collector, notes: &mut Notes) {
    let mut names: Vec<String> = Vec::new();
    let scrapes = top.list("scrape_configs", notes);
    let alone = scrapes.len() == 1;
    for (place, value) in scrapes {
        let mut scrape = Section::of(place, value, notes);
        let job = scrape.text("job_name", notes).unwrap_or_else(|| "job".to_owned());
        let mut name: String =
            job.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '_' }).collect();
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name.clone());
        one(&mut scrape, &name, alone, collector, notes);
        scrape.finish(notes, "the collector's receiver has no such setting");
    }
}

/// One way to get lines: what the receiver reads, and what is done first.
struct Input {
    files: Map<String, Value>,
    stages: Stages,
    relabelled: Relabelled,
}

fn one(scrape: &mut Section, name: &str, alone: bool, collector: &mut Collector, notes: &mut Notes) {
    // In Promtail it only says that lines are read as a container wrote them.
    scrape.ignore(&["entry_parser"]);
    let stages = scrape.list("pipeline_stages", notes);
    let relabel = scrape.list("relabel_configs", notes);
    let mut inputs = Vec::new();
    let statics = scrape.list("static_configs", notes);
    let discovered = scrape.list("kubernetes_sd_configs", notes);
    let place = scrape.place_of("journal");
    if let Some(journal) = scrape.take("journal") {
        inputs.push(journal_input(Section::of(place, journal, notes), relabel, notes));
    } else if discovered.is_empty() {
        for (place, value) in statics {
            inputs.extend(static_input(Section::of(place, value, notes), notes));
        }
        for (place, _) in relabel {
            notes
                .add(place, "labels of static targets are not relabelled here: write them as they are to be");
        }
    } else {
        for (place, value) in discovered {
            let mut config = Section::of(place, value, notes);
            if config.text("role", notes).as_deref() != Some("pod") {
                notes.add(config.place_of("role"), "only pods have files of lines");
            }
            config.ignore(&["namespaces", "selectors"]);
        }
        inputs.push(pods_input(relabel, notes));
    }
    for (key, instead) in ELSEWHERE {
        let place = scrape.place_of(key);
        if scrape.take(key).is_some() {
            notes.add(place, instead);
        }
    }
    for (index, input) in inputs.into_iter().enumerate() {
        let name = if index == 0 { name.to_owned() } else { format!("{name}_{}", index + 1) };
        // What cannot be converted is named once, not for each target.
        let mut again = Notes::default();
        input.build(
            &name,
            stages.clone(),
            alone,
            collector,
            if index == 0 { &mut *notes } else { &mut again },
        );
    }
}

impl Input {
    fn build(
        mut self,
        name: &str,
        stages: Vec<(String, Value)>,
        alone: bool,
        collector: &mut Collector,
        notes: &mut Notes,
    ) {
        self.stages.convert(stages, notes);
        let mut processors = Vec::new();
        for (processor, value) in self.relabelled.processors(name) {
            collector.processors.insert(processor.clone(), value);
            processors.push(processor);
        }
        if let Some((tenant, place)) = self.stages.tenant.take() {
            if alone {
                set_tenant(&tenant, collector);
            } else {
                notes.add(place, "the exporter is that of all scrape configurations, and has one tenant");
            }
        }
        self.files.insert("start_at".to_owned(), "beginning".into());
        self.files.insert("include_file_path".to_owned(), true.into());
        self.files.insert("storage".to_owned(), "file_storage/positions".into());
        let operators = self.stages.finish();
        if !operators.is_empty() {
            self.files.insert("operators".to_owned(), operators.into());
        }
        collector.add_pipeline(name, self.files.into(), processors);
    }

    fn of(include: Value) -> Self {
        let mut files = Map::new();
        files.insert("include".to_owned(), include);
        Self { files, stages: Stages::default(), relabelled: Relabelled::default() }
    }
}

fn set_tenant(tenant: &str, collector: &mut Collector) {
    for exporter in collector.exporters.values_mut().filter_map(Value::as_object_mut) {
        let headers = exporter.entry("headers").or_insert_with(|| json!({}));
        if let Some(headers) = headers.as_object_mut() {
            headers.insert("X-Scope-OrgID".to_owned(), literal(tenant).into());
        }
    }
}

fn static_input(mut config: Section, notes: &mut Notes) -> Option<Input> {
    // Promtail asks for it and reads its own files whatever it says.
    config.ignore(&["targets"]);
    let mut labels = config.section("labels", notes)?;
    config.finish(notes, "a static target has no such setting");
    let Some(path) = labels.text("__path__", notes) else {
        notes.add(labels.place_of("__path__"), "it is missing, so there are no files to read");
        return None;
    };
    let mut input = Input::of(patterns(&path));
    if let Some(exclude) = labels.text("__path_exclude__", notes) {
        input.files.insert("exclude".to_owned(), patterns(&exclude));
    }
    for (label, value) in labels.scalars(notes) {
        input.stages.add_label(label, &value);
    }
    Some(input)
}

/// The patterns of a path: `{a,b}` are several, as in Promtail.
fn patterns(path: &str) -> Value {
    let expanded = match path
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(inside, after)| (before, inside, after)))
    {
        Some((before, inside, after)) if !before.ends_with('$') => {
            inside.split(',').map(|one| literal(&format!("{before}{one}{after}"))).collect()
        }
        _ => vec![literal(path)],
    };
    json!(expanded)
}

fn pods_input(relabel: Vec<(String, Value)>, notes: &mut Notes) -> Input {
    let mut input = Input::of(json!([POD_LOGS]));
    input.stages.push(json!({ "type": "container" }), None);
    input.relabelled = kubernetes::relabel(relabel, &mut input.stages, notes);
    input
}

/// The journal, from the files that ODIN makes of it.
fn journal_input(mut journal: Section, relabel: Vec<(String, Value)>, notes: &mut Notes) -> Input {
    let mut input = Input::of(json!([JOURNAL]));
    // The journal of the machine, in the place that ODIN knows.
    journal.ignore(&["path"]);
    let whole = journal.take("json") == Some(true.into());
    let stages = &mut input.stages;
    stages.push(
        json!({
            "type": "json_parser", "parse_to": ENTRY, "on_error": "send_quiet",
            "timestamp": {
                "parse_from": format!("{ENTRY}.__REALTIME_TIMESTAMP"),
                "layout_type": "epoch", "layout": "us", "on_error": "send_quiet",
            },
        }),
        None,
    );
    if let Some(mut labels) = journal.section("labels", notes) {
        for (label, value) in labels.scalars(notes) {
            stages.add_label(label, &value);
        }
    }
    for (place, config) in relabel {
        let mut config = Section::of(place, config, notes);
        let sources = config.take("source_labels");
        let source = sources.as_ref().and_then(Value::as_array).filter(|names| names.len() == 1);
        let field = source.and_then(|names| names.first()?.as_str()?.strip_prefix("__journal_"));
        match (field, config.text("target_label", notes)) {
            (Some(field), Some(target)) => {
                let from = format!("{ENTRY}.{}", field.to_uppercase());
                let to = super::member("resource", &target);
                stages.push(
                    json!({ "type": "copy", "from": from, "to": to }),
                    Some(format!("{ENTRY} != nil and {from} != nil")),
                );
                stages.labels.insert(target, to);
                config.finish(notes, "only a field's whole value is understood");
            }
            _ => notes.add(config.place(), "only one field of the journal as one label is understood"),
        }
    }
    if !whole {
        stages.push(
            json!({ "type": "copy", "from": format!("{ENTRY}.MESSAGE"), "to": "body" }),
            Some(format!("{ENTRY} != nil and {ENTRY}.MESSAGE != nil")),
        );
    }
    stages.push(json!({ "type": "remove", "field": ENTRY }), Some(format!("{ENTRY} != nil")));
    journal.finish(notes, "the journal's files hold all of it; drop what is not wanted by a stage");
    input
}
