//! Who may read what.

use super::*;

#[tokio::test]
async fn each_scope_opens_its_own_doors_and_no_other() {
    let server = Server::start(Limits::default()).await;
    let (read, metrics) = (server.token("reader", Scope::Read), server.token("scraper", Scope::Metrics));
    for (path, token, status) in [
        ("/healthz", None, 200),
        ("/readyz", None, 503),
        ("/metrics", None, 401),
        ("/metrics", Some(&metrics), 200),
        ("/metrics", Some(&read), 403),
        ("/api/v1/history", None, 401),
        ("/api/v1/history", Some(&metrics), 403),
        ("/api/v1/history", Some(&read), 200),
        ("/api/v1/openapi.json", Some(&read), 200),
        ("/api/v1/history?limit=5", Some(&read), 200),
        ("/api/v1/history?limit=-5", Some(&read), 400),
        ("/api/v1/history?limt=5", Some(&read), 400),
        ("/api/v1/nothing", Some(&read), 404),
    ] {
        let answer = server.client.get(path, &token.map(|token| bearer(token)).unwrap_or_default()).await;
        assert_eq!(answer.status, status, "{path} {token:?}: {}", answer.body);
        if status >= 400 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
            let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(problem["status"], status, "{path}");
        }
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"odin\""));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_seen_is_a_problem_with_a_hint() {
    let server = Server::start(Limits::default()).await;
    let token = bearer(&server.token("reader", Scope::Read));
    for path in ["/api/v1/components", "/api/v1/alerts"] {
        let answer = server.client.get(path, &token).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert!(problem["detail"].is_string() && problem["hint"].is_string(), "{path}: {problem}");
    }
}

#[tokio::test]
async fn a_revoked_and_an_expired_token_are_refused_without_a_restart() {
    let server = Server::start(Limits::default()).await;
    let token = server.token("reader", Scope::Read);
    let ask = async |token: &str| server.client.get("/api/v1/runbooks", &bearer(token)).await;
    assert_eq!(ask(&token).await.status, 200);
    server.tokens.revoke("reader").expect("revoked");
    let refused = ask(&token).await;
    assert_eq!(refused.status, 401);

    let long_ago = Timestamp::now() - DAY * 2;
    let (_, old) = server.tokens.create("old", Scope::Read, DAY, long_ago).expect("a token");
    let expired = ask(&old).await;
    assert_eq!(expired.status, 401);
    assert!(expired.body.contains("expired"), "{}", expired.body);
    // Who guesses learns nothing of which names or tokens there were.
    assert_eq!(ask("odin_0000").await.body, refused.body);
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let server = Server::start(Limits::default()).await;
    let token = server.token("reader", Scope::Read);
    for headers in [
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer{token}\r\n"),
        "Authorization: Bearer \r\n".to_owned(),
        "Authorization: Bearer \u{ff}\r\n".to_owned(),
        // A wrong header is not made good by a cookie.
        format!("Authorization: Bearer wrong\r\nCookie: __Host-odin={token}\r\n"),
        format!("Cookie: odin={token}; x__Host-odin={token}\r\n"),
    ] {
        assert_eq!(server.client.get("/api/v1/runbooks", &headers).await.status, 401, "{headers:?}");
    }
    let in_the_address = server.client.get(&format!("/api/v1/runbooks?token={token}"), "").await;
    assert_eq!(in_the_address.status, 401);
}

#[tokio::test]
async fn refusals_are_counted_and_those_of_known_tokens_kept() {
    let server = Server::start(Limits::default()).await;
    let (read, metrics) = (server.token("reader", Scope::Read), server.token("scraper", Scope::Metrics));
    for token in [&read, &read, &"odin_wrong".to_owned()] {
        server.client.get("/metrics", &bearer(token)).await;
    }
    let page = server.client.get("/metrics", &bearer(&metrics)).await.body;
    assert!(page.contains("odin_api_refused_tokens_total{reason=\"scope\"} 2"), "{page}");
    assert!(page.contains("odin_api_refused_tokens_total{reason=\"unknown\"} 1"), "{page}");
    assert!(page.contains("odin_api_requests_total{code=\"403\"} 2"), "{page}");
    let file = server.appliance.history_dir().join(crate::operations::token::FILE);
    let kept = std::fs::read_to_string(file).expect("the audit");
    assert_eq!(kept.matches("refused-scope").count(), 1, "once a minute: {kept}");
    assert!(kept.contains("\"name\":\"reader\"") && !kept.contains("odin_"), "{kept}");
}
