//! A Promtail configuration becomes one of the OpenTelemetry Collector.
//!
//! A pure function of the text: each scrape configuration becomes a filelog
//! receiver whose operators are its stages, in their order; each client an
//! OTLP exporter. What has no counterpart is named with its place and left
//! out, so what is printed means what it meant. Shapes are those of Promtail's
//! reference (grafana.com/docs/loki, "Configure Promtail") and of the
//! collector's components (opentelemetry-collector-contrib).

mod clients;
mod kubernetes;
mod match_stage;
mod section;
mod selector;
mod sources;
mod stages;
mod template;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use section::{Notes, Section};

/// Where the collector keeps the positions of files.
const POSITIONS: &str = "/var/lib/otelcol/positions";

/// What a configuration became.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// The collector's configuration, as YAML.
    pub yaml: String,
    /// What is not in it.
    pub left: Vec<Left>,
}

/// A part of a configuration that could not be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Path in the file, for example `scrape_configs[0].pipeline_stages[2]`.
    pub place: String,
    /// Why it could not, and what does its work.
    pub reason: String,
}

/// What the parts of the collector's configuration are collected in.
#[derive(Debug, Default)]
struct Collector {
    extensions: BTreeMap<String, Value>,
    receivers: BTreeMap<String, Value>,
    processors: BTreeMap<String, Value>,
    exporters: BTreeMap<String, Value>,
    pipelines: BTreeMap<String, Value>,
    /// Processors that every pipeline has at its end.
    common: Vec<String>,
}

/// Converts a Promtail configuration.
///
/// # Errors
/// When `text` is no YAML, or nothing in it is a Promtail configuration; the
/// text says why.
pub fn convert(text: &str) -> Result<Conversion, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let document: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    let Value::Object(top) = document else { return Err("it is no mapping of keys to values".to_owned()) };
    if !top.contains_key("scrape_configs") {
        return Err("it has no scrape_configs, so it is no configuration of Promtail".to_owned());
    }
    let mut notes = Notes::default();
    let mut top = Section::new(String::new(), top);
    let mut collector = Collector::default();
    collector.extensions.insert(
        "file_storage/positions".to_owned(),
        json!({ "directory": POSITIONS, "create_directory": true }),
    );
    // Promtail's own port, and its file of positions: the collector has its
    // own ways, which docs/guides/promtail.md shows.
    top.ignore(&["server", "positions"]);
    clients::convert(&mut top, &mut collector, &mut notes);
    sources::convert(&mut top, &mut collector, &mut notes);
    top.finish(&mut notes, "the collector has no such setting here");
    if collector.receivers.is_empty() {
        notes.add("scrape_configs", "none of them could be converted, so the collector would have no work");
    }
    let yaml = serde_saphyr::to_string(&collector.finish()).map_err(|error| error.to_string())?;
    Ok(Conversion { yaml, left: notes.into_left() })
}

impl Collector {
    /// Makes a pipeline of a receiver and the processors of its own.
    fn add_pipeline(&mut self, name: &str, receiver: Value, processors: Vec<String>) {
        self.receivers.insert(format!("filelog/{name}"), receiver);
        self.pipelines.insert(
            format!("logs/{name}"),
            json!({ "receivers": [format!("filelog/{name}")], "processors": processors }),
        );
    }

    fn finish(self) -> Value {
        let exporters: Vec<&String> = self.exporters.keys().collect();
        let mut pipelines = Map::new();
        for (name, mut pipeline) in self.pipelines {
            if let Some(Value::Array(processors)) = pipeline.get_mut("processors") {
                processors.extend(self.common.iter().cloned().map(Value::from));
            }
            if let Some(pipeline) = pipeline.as_object_mut() {
                pipeline.insert("exporters".to_owned(), json!(exporters));
            }
            pipelines.insert(name, pipeline);
        }
        let extensions: Vec<&String> = self.extensions.keys().collect();
        let mut whole = json!({
            "service": { "extensions": extensions, "pipelines": pipelines },
            "extensions": self.extensions,
            "receivers": self.receivers,
            "exporters": self.exporters,
        });
        if let (false, Some(whole)) = (self.processors.is_empty(), whole.as_object_mut()) {
            whole.insert("processors".to_owned(), json!(self.processors));
        }
        whole
    }
}

/// A text as the collector must find it: there `$` begins a reference, and a
/// reference to the environment is written otherwise than in Promtail.
fn literal(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        written.push_str(before);
        let name = from.strip_prefix("${").and_then(|inside| inside.split_once('}')).map(|(name, _)| name);
        match name.filter(|name| is_identifier(name)) {
            Some(name) => {
                written.push_str(&format!("${{env:{name}}}"));
                rest = from.get(name.len() + 3..).unwrap_or_default();
            }
            None => {
                written.push_str("$$");
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    written + rest
}

/// A text as an expression of the collector's operators has it.
fn quoted(text: &str) -> String {
    Value::from(literal(text)).to_string()
}

fn is_identifier(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How operators and expressions name `root`'s member: `resource["a.b"]`.
fn member(root: &str, name: &str) -> String {
    if is_identifier(name) { format!("{root}.{name}") } else { format!("{root}[{}]", quoted(name)) }
}

#[cfg(test)]
mod tests;
