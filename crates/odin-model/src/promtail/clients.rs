//! `clients`: where the lines go.

use serde_json::{Map, Value, json};

use super::section::{Notes, Section};
use super::{Collector, literal};

/// Path of Promtail's pushes; Loki takes OTLP beside it.
const PUSH: &str = "/loki/api/v1/push";

pub(super) fn convert(top: &mut Section, collector: &mut Collector, notes: &mut Notes) {
    let mut clients = top.list("clients", notes);
    // The older form, with one client.
    let place = top.place_of("client");
    clients.extend(top.take("client").map(|client| (place, client)));
    let several = clients.len() > 1;
    for (index, (place, value)) in clients.into_iter().enumerate() {
        let client = Section::of(place, value, notes);
        let name = if several { format!("loki_{}", index + 1) } else { "loki".to_owned() };
        one(client, &name, several, collector, notes);
    }
    if collector.exporters.is_empty() {
        notes.add("clients", "there is none with a url, so the collector would send nothing");
    }
}

fn one(mut client: Section, name: &str, several: bool, collector: &mut Collector, notes: &mut Notes) {
    let Some(url) = client.text("url", notes) else {
        notes.add(client.place_of("url"), "it is missing");
        return;
    };
    let Some(base) = url.strip_suffix(PUSH) else {
        notes.add(
            client.place_of("url"),
            format!("it does not end with {PUSH}, so where OTLP is taken is not known"),
        );
        return;
    };
    let mut exporter = Map::new();
    exporter.insert("endpoint".to_owned(), literal(&format!("{base}/otlp")).into());
    if let Some(timeout) = client.text("timeout", notes) {
        exporter.insert("timeout".to_owned(), timeout.into());
    }
    if let Some(proxy) = client.text("proxy_url", notes) {
        exporter.insert("proxy_url".to_owned(), literal(&proxy).into());
    }
    let mut headers = Map::new();
    if let Some(mut given) = client.section("headers", notes) {
        headers.extend(given.scalars(notes).into_iter().map(|(key, value)| (key, literal(&value).into())));
    }
    if let Some(tenant) = client.text("tenant_id", notes) {
        headers.insert("X-Scope-OrgID".to_owned(), literal(&tenant).into());
    }
    if !headers.is_empty() {
        exporter.insert("headers".to_owned(), headers.into());
    }
    if let Some(tls) = tls(&mut client, notes) {
        exporter.insert("tls".to_owned(), tls);
    }
    if let Some(authenticator) = authenticator(&mut client, name, collector, notes) {
        exporter.insert("auth".to_owned(), json!({ "authenticator": authenticator }));
    }
    // Batches and retries: the collector's own are by size and without end.
    client.ignore(&["batchwait", "batchsize", "name"]);
    exporter.insert("retry_on_failure".to_owned(), retry(&mut client, notes));
    labels(&mut client, several, collector, notes);
    client.finish(notes, "the exporter otlphttp has no such setting");
    collector.exporters.insert(format!("otlphttp/{name}"), exporter.into());
}

/// Promtail gives up a batch after `max_retries`; nothing is given up here.
fn retry(client: &mut Section, notes: &mut Notes) -> Value {
    let mut retry = json!({ "enabled": true, "max_elapsed_time": "0s" });
    if let (Some(mut backoff), Some(retry)) = (client.section("backoff_config", notes), retry.as_object_mut())
    {
        for (from, to) in [("min_period", "initial_interval"), ("max_period", "max_interval")] {
            if let Some(period) = backoff.text(from, notes) {
                retry.insert(to.to_owned(), period.into());
            }
        }
        backoff.ignore(&["max_retries"]);
        backoff.finish(notes, "retry_on_failure has no such setting");
    }
    retry
}

fn tls(client: &mut Section, notes: &mut Notes) -> Option<Value> {
    let mut given = client.section("tls_config", notes)?;
    let mut tls = Map::new();
    for (from, to) in [
        ("ca_file", "ca_file"),
        ("cert_file", "cert_file"),
        ("key_file", "key_file"),
        ("server_name", "server_name_override"),
    ] {
        if let Some(value) = given.text(from, notes) {
            tls.insert(to.to_owned(), literal(&value).into());
        }
    }
    if let Some(skip) = given.take("insecure_skip_verify") {
        tls.insert("insecure_skip_verify".to_owned(), skip);
    }
    given.finish(notes, "the exporter's tls has no such setting");
    Some(tls.into())
}

/// The extension that proves who sends.
fn authenticator(
    client: &mut Section,
    name: &str,
    collector: &mut Collector,
    notes: &mut Notes,
) -> Option<String> {
    if let Some(mut basic) = client.section("basic_auth", notes) {
        let mut client_auth = Map::new();
        for key in ["username", "password", "username_file", "password_file"] {
            if let Some(value) = basic.text(key, notes) {
                client_auth.insert(key.to_owned(), literal(&value).into());
            }
        }
        basic.finish(notes, "the extension basicauth has no such setting");
        let extension = format!("basicauth/{name}");
        collector.extensions.insert(extension.clone(), json!({ "client_auth": client_auth }));
        return Some(extension);
    }
    for (from, to) in [("bearer_token", "token"), ("bearer_token_file", "filename")] {
        if let Some(value) = client.text(from, notes) {
            let extension = format!("bearertokenauth/{name}");
            collector.extensions.insert(extension.clone(), json!({ to: literal(&value) }));
            return Some(extension);
        }
    }
    None
}

/// Labels of all lines of a client.
fn labels(client: &mut Section, several: bool, collector: &mut Collector, notes: &mut Notes) {
    let place = client.place_of("external_labels");
    let Some(mut given) = client.section("external_labels", notes) else { return };
    if several {
        notes.add(place, "all exporters get the same lines here; with one client it could be converted");
        return;
    }
    let attributes: Vec<Value> = given
        .scalars(notes)
        .into_iter()
        .map(|(key, value)| json!({ "key": key, "value": literal(&value), "action": "upsert" }))
        .collect();
    let name = "resource/external_labels".to_owned();
    collector.processors.insert(name.clone(), json!({ "attributes": attributes }));
    collector.common.push(name);
}
