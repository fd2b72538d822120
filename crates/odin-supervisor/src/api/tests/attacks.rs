//! Attacks: each ends, and the next request of somebody else is answered.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{DEADLINE, read};
use super::*;

async fn is_alive(server: &Server) -> bool {
    server.client.get("/healthz", "").await.status == 200
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_a_browser_safe() {
    let server = Server::start(Limits::default()).await;
    let token = bearer(&server.token("reader", Scope::Read));
    for (path, headers) in [
        ("/healthz", ""),
        ("/metrics", ""),
        ("/api/v1/history", token.as_str()),
        ("/api/v1/alerts", token.as_str()),
        ("/nothing", ""),
        ("/login", ""),
        ("/runbooks/TargetDown", ""),
        ("/assets/page.js", ""),
        ("/", token.as_str()),
    ] {
        let answer = server.client.get(path, headers).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(answer.header("cache-control").is_some_and(|value| value.starts_with("no-")), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.header("server"), None, "{path}");
    }
}

#[tokio::test]
async fn nothing_is_changed_over_tcp() {
    let server = Server::start(Limits { rate: 1000.0, burst: 1000.0, ..Limits::default() }).await;
    let token = bearer(&server.token("reader", Scope::Read));
    let paths = routes::api().into_iter().map(|(path, _)| path).chain([
        "/healthz",
        "/readyz",
        "/metrics",
        "/",
        "/gpus",
        "/backups",
        "/runbooks",
        "/runbooks/TargetDown",
        "/assets/page.css",
    ]);
    for path in paths {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"] {
            let answer = server.client.ask(method, path, &format!("{token}Content-Length: 0\r\n")).await;
            assert!([400, 401, 404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    // The socket's way to carry out operations does not exist here.
    let answer = server.client.ask("POST", "/v1/operations", &format!("{token}Content-Length: 0\r\n")).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_let_go() {
    let limits = Limits {
        handshake: Duration::from_millis(300),
        head: Duration::from_millis(300),
        answer: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let token = server.token("reader", Scope::Read);
    // No handshake; half a head; one head and then nothing; a body that never comes.
    let mut silent = TcpStream::connect(server.client.address).await.expect("a connection");
    let mut half = server.client.connect().await.expect("a connection");
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: odin\r\nX-Slow: ").await.expect("sent");
    let mut idle = server.client.connect().await.expect("a connection");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: odin\r\n\r\n").await.expect("sent");
    let mut body = server.client.connect().await.expect("a connection");
    body.write_all(
        b"POST /login HTTP/1.1\r\nHost: odin\r\nContent-Length: 99\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=",
    )
    .await
    .expect("sent");
    let ends = async {
        assert_eq!(read(&mut silent).await, "");
        assert!(!read(&mut half).await.contains(" 200 "));
        assert!(read(&mut idle).await.contains(" 200 "));
        let answer = read(&mut body).await;
        assert!(answer.contains(" 503 ") && !answer.contains("Set-Cookie"), "{answer}");
    };
    tokio::time::timeout(DEADLINE, ends).await.expect("every connection ends");
    assert_eq!(server.client.get("/api/v1/runbooks", &bearer(&token)).await.status, 200);
}

#[tokio::test]
async fn a_connection_ends_whatever_it_does() {
    let server = Server::start(Limits { life: Duration::from_millis(300), ..Limits::default() }).await;
    let mut stream = server.client.connect().await.expect("a connection");
    let asking = async {
        // Until the other side has closed.
        while stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: odin\r\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("an end");
    assert!(is_alive(&server).await);
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let server = Server::start(Limits { connections_of_one: 2, ..Limits::default() }).await;
    let first = server.client.connect().await.expect("the first");
    let second = server.client.connect().await.expect("the second");
    assert!(server.client.connect().await.is_err(), "the third");
    drop((first, second));
    let again = async {
        // The server sees the end of a connection a moment later.
        while server.client.connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, again).await.expect("a slot is free again");
}

#[tokio::test]
async fn who_asks_too_often_is_told_so() {
    let server = Server::start(Limits { rate: 0.1, burst: 3.0, ..Limits::default() }).await;
    let token = bearer(&server.token("reader", Scope::Read));
    let mut found = Vec::new();
    for _ in 0..5 {
        found.push(server.client.get("/api/v1/runbooks", &token).await);
    }
    let codes: Vec<u16> = found.iter().map(|answer| answer.status).collect();
    assert_eq!(codes, [200, 200, 200, 429, 429]);
    assert!(found[4].header("retry-after").is_some());
    assert_eq!(found[4].header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn large_and_many_headers_and_large_bodies_are_refused() {
    let server = Server::start(Limits::default()).await;
    let large = server.client.get("/healthz", &format!("X-Large: {}\r\n", "a".repeat(64 << 10))).await;
    assert_eq!(large.status, 431);
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    assert_eq!(server.client.get("/healthz", &many).await.status, 431);
    let address = server.client.get(&format!("/{}", "a".repeat(64 << 10)), "").await;
    assert!([414, 431].contains(&address.status), "{}", address.status);
    let body = server.client.post("/login", &format!("token={}", "a".repeat(64 << 10)), "").await;
    assert!([400, 413].contains(&body.status), "{}", body.status);
    assert!(is_alive(&server).await);
}

#[tokio::test]
async fn no_path_leads_out_of_the_runbooks() {
    let server = Server::start(Limits::default()).await;
    for path in [
        "/runbooks/../../../../etc/passwd",
        "/runbooks/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/runbooks/%2e%2e/%2e%2e/etc/passwd",
        "/runbooks/%00",
        "/runbooks/%ff",
        "/runbooks//etc/passwd",
        "/runbooks/..\\..\\etc\\passwd",
        "/runbooks/TargetDown.md",
        "/runbooks/TargetDown%00.html",
        "/runbooks/<script>alert(1)</script>",
        "/assets/../../etc/passwd",
        "/assets/%2e%2e/tokens",
    ] {
        let answer = server.client.get(path, "").await;
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(
            !answer.body.contains("root:") && !answer.body.contains("<script>"),
            "{path}: {}",
            answer.body
        );
    }
    assert_eq!(server.client.get("/runbooks/TargetDown", "").await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_and_no_tls_ends() {
    let server = Server::start(Limits::default()).await;
    for request in [
        &b"\0\xff\0\xff\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: odin\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: odin\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = server.client.connect().await.expect("a connection");
        stream.write_all(request).await.expect("sent");
        // A second request behind the first must not be taken for its own.
        drop(stream.write_all(b"GET /smuggled HTTP/1.1\r\nHost: odin\r\nConnection: close\r\n\r\n").await);
        let answer = tokio::time::timeout(DEADLINE, read(&mut stream)).await.expect("an end");
        assert!(answer.matches("HTTP/1.1 2").count() <= 1, "{answer}");
    }
    let mut plain = TcpStream::connect(server.client.address).await.expect("a connection");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: odin\r\n\r\n").await.expect("sent");
    let answer = tokio::time::timeout(DEADLINE, read(&mut plain)).await.expect("an end");
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    assert!(is_alive(&server).await);
}
