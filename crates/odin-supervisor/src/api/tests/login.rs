//! The page's login.

use super::*;

#[tokio::test]
async fn a_token_gives_a_cookie_that_opens_the_page_alone() {
    let server = Server::start(Limits::default()).await;
    let token = server.token("laptop", Scope::Read);
    let away = server.client.get("/", "").await;
    assert_eq!((away.status, away.header("location")), (303, Some("/login")));
    let done = server.client.post("/login", &format!("token={token}"), "Origin: https://odin\r\n").await;
    assert_eq!((done.status, done.header("location")), (303, Some("/")), "{}", done.body);
    let cookie = done.header("set-cookie").expect("a cookie");
    for word in ["__Host-odin=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=28800"]
    {
        assert!(cookie.contains(word), "{word} in {cookie}");
    }
    let cookie = format!("Cookie: theme=dark; {}\r\n", cookie.split(';').next().expect("a pair"));
    for (path, status) in [("/history", 200), ("/backups", 200), ("/api/v1/drills", 200), ("/metrics", 401)] {
        assert_eq!(server.client.get(path, &cookie).await.status, status, "{path}");
    }
    let file = server.appliance.history_dir().join(crate::operations::token::FILE);
    let kept = std::fs::read_to_string(file).expect("the audit");
    assert!(kept.contains("\"event\":\"login\"") && kept.contains("\"name\":\"laptop\""), "{kept}");
    // Who logs in again and again fills no disk.
    for _ in 0..3 {
        let again = server.client.post("/login", &format!("token={token}"), "").await;
        assert_eq!(again.status, 303);
    }
    let file = server.appliance.history_dir().join(crate::operations::token::FILE);
    assert_eq!(std::fs::read_to_string(file).expect("the audit"), kept);
    server.tokens.revoke("laptop").expect("revoked");
    let revoked = server.client.get("/history", &cookie).await;
    assert_eq!(revoked.status, 401, "revoked");
    assert!(revoked.body.contains("or it was revoked"), "{}", revoked.body);
}

#[tokio::test]
async fn the_page_says_what_it_cannot_see() {
    let server = Server::start(Limits::default()).await;
    let cookie = format!("Cookie: __Host-odin={}\r\n", server.token("laptop", Scope::Read));
    for (path, words) in [("/", "no-kubeconfig"), ("/components", "SHA256SUMS"), ("/alerts", "no-kubeconfig")]
    {
        let page = server.client.get(path, &cookie).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains(words), "{path}: {}", page.body);
    }
    assert!(server.client.get("/gpus", &cookie).await.body.contains("No GPUs are declared"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_in_words_and_gives_no_cookie() {
    let server = Server::start(Limits::default()).await;
    let metrics = server.token("scraper", Scope::Metrics);
    for form in ["token=wrong", "token=", &format!("token={metrics}"), "token=%0d%0aSet-Cookie:%20a=b"] {
        let answer = server.client.post("/login", form, "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{form}");
        assert!(answer.body.contains("role=\"alert\""), "{form}");
    }
    for form in ["", "x=y", "token=a&token=b"] {
        let answer = server.client.post("/login", form, "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (400, None), "{form}");
    }
}

#[tokio::test]
async fn another_site_cannot_log_anybody_in_or_out() {
    let server = Server::start(Limits::default()).await;
    let form = format!("token={}", server.token("laptop", Scope::Read));
    for headers in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://odin\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        for path in ["/login", "/logout"] {
            let answer = server.client.post(path, &form, headers).await;
            assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{path} {headers}");
        }
    }
    let out = server.client.post("/logout", "", "Origin: https://odin\r\n").await;
    assert!(out.header("set-cookie").expect("a cookie").contains("Max-Age=0"));
}
