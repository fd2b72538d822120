use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

#[test]
fn it_answers_when_its_database_does() {
    assert_eq!(answers(&json!({"database": "ok", "version": "12"})), Ok("version 12".to_owned()));
    for health in [json!({"database": "failing"}), json!({}), json!(null)] {
        assert!(answers(&health).is_err(), "{health}");
    }
}

fn source(name: &str, kind: &str) -> Source {
    Source { name: name.to_owned(), uid: name.to_owned(), kind: kind.to_owned() }
}

#[test]
fn every_source_that_can_tell_is_healthy() {
    let both = [source("Metrics", "prometheus"), source("Alerts", "alertmanager")];
    let health = |status: &str| [("Metrics".to_owned(), json!({"status": status, "message": "no route"}))];
    let told = "healthy: Metrics; without a health of their own: Alerts";
    assert_eq!(judge(&both, &health("OK")), Ok(told.to_owned()));
    assert_eq!(judge(&both, &health("ERROR")), Err("Metrics: no route".to_owned()));
    assert!(judge(&both, &[("Metrics".to_owned(), json!(null))]).is_err());
    assert!(judge(&both[1..], &[]).is_err());
}

/// Answers each connection with the next of the pages; returns the requests.
async fn grafana(pages: Vec<(&'static str, Value)>) -> (Door, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for (status, page) in pages {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.expect("a request"));
            }
            requests.push(String::from_utf8(request).expect("text"));
            let body = page.to_string();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.expect("an answer");
        }
        requests
    });
    (Door { address, password: "word".to_owned() }, server)
}

#[tokio::test]
async fn it_is_asked_with_a_password_for_each_source() {
    let list = json!([
        {"name": "M", "uid": "m", "type": "prometheus"}, {"name": "A", "uid": "a", "type": "alertmanager"},
    ]);
    let (door, server) = grafana(vec![("200 OK", list), ("200 OK", json!({"status": "OK"}))]).await;
    assert!(sources(&door).await.is_ok());
    let requests = server.await.expect("requests");
    assert!(requests[0].starts_with("GET /api/datasources HTTP/1.1"), "{}", requests[0]);
    assert!(requests[1].starts_with("GET /api/datasources/uid/m/health "), "{}", requests[1]);
    // admin:word
    assert!(requests.iter().all(|request| request.contains("authorization: Basic YWRtaW46d29yZA==")));
}

#[tokio::test]
async fn a_refusal_and_an_unhealthy_source_are_told() {
    let list = || json!([{"name": "M", "uid": "m", "type": "prometheus"}]);
    let ill = json!({"status": "ERROR", "message": "connection refused"});
    let (door, _server) = grafana(vec![("200 OK", list()), ("400 Bad Request", ill)]).await;
    assert_eq!(sources(&door).await, Err("M: connection refused".to_owned()));
    let (door, _server) = grafana(vec![("401 Unauthorized", json!({}))]).await;
    let refused = sources(&door).await.expect_err("a refusal");
    assert!(refused.contains("401") && !refused.contains("word"), "{refused}");
    let (door, _server) = grafana(vec![("200 OK", json!({"message": "no"}))]).await;
    assert!(sources(&door).await.is_err());
}
