//! An API server that is busy, restarts, answers nonsense or not at all.

use std::time::Duration;

use odin_cluster::Error;
use odin_cluster::cluster::{Cluster, Patience};
use odin_model::event::Verb;

use super::fixture::Corner;
use super::proxy::{Fault, Proxy};

/// Every kind of passing fault, again and again.
fn mixed(number: u64) -> Fault {
    match number % 16 {
        1 => Fault::Status(429),
        3 | 4 => Fault::Status(500),
        6 => Fault::Cut,
        9 => Fault::Status(503),
        11 | 12 => Fault::LoseAnswer,
        _ => Fault::Pass,
    }
}

#[tokio::test]
async fn passing_faults_are_survived() {
    let proxy = Proxy::start().await;
    let mut corner = Corner::new("faults").await;
    corner.cluster = proxy.cluster().await;
    let mut sources = corner.sources();
    for number in 0..5 {
        sources.config_map("base", &format!("map-{number}"), "one");
    }
    proxy.faults(|number, _| mixed(number));
    let changes = corner.apply(&sources).await;
    assert_eq!(changes.count(Verb::Failed), 0, "{changes}");
    sources.without("ConfigMap", "map-0").without("ConfigMap", "map-1");
    let changes = corner.apply(&sources).await;
    assert_eq!(changes.count(Verb::Deleted), 2, "{changes}");
    proxy.faults(|_, _| Fault::Pass);
    assert!(corner.plan(&corner.desired(&sources)).await.converged());
}

#[tokio::test]
async fn a_request_that_hangs_is_sent_again() {
    let proxy = Proxy::start().await;
    let mut corner = Corner::new("hangs").await;
    corner.cluster = proxy.cluster().await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one");
    let mut hung = false;
    proxy.faults(move |_, request| {
        let this = !hung && request.method() == "PATCH" && request.uri().path().ends_with("/map");
        hung |= this;
        if this { Fault::Hang } else { Fault::Pass }
    });
    corner.apply(&sources).await;
}

#[tokio::test]
async fn a_partition_longer_than_the_lease_is_survived() {
    let proxy = Proxy::start().await;
    let mut corner = Corner::new("partition").await;
    corner.cluster = proxy.cluster().await;
    corner.settings.lease = Duration::from_secs(2);
    let mut sources = corner.sources();
    for number in 0..20 {
        sources.config_map("base", &format!("map-{number}"), "one");
    }
    let mut since = None;
    proxy.faults(move |_, request| {
        let begins = request.method() == "PATCH" && request.uri().path().ends_with("/map-7");
        if begins && since.is_none() {
            since = Some(std::time::Instant::now());
        }
        let cut = since.is_some_and(|since| since.elapsed() < Duration::from_secs(6));
        if cut { Fault::Cut } else { Fault::Pass }
    });
    let changes = corner.apply(&sources).await;
    assert_eq!(changes.count(Verb::Created), 21, "{changes}");
}

#[tokio::test]
async fn a_list_that_fails_is_an_error_and_never_an_empty_cluster() {
    let proxy = Proxy::start().await;
    let mut corner = Corner::new("lists").await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one");
    corner.apply(&sources).await;
    let patience = Patience { attempt: Duration::from_secs(3), total: Duration::from_secs(6) };
    corner.cluster = Cluster::connect_with(&proxy.kubeconfig(), patience).await.expect("connected");
    for fault in [Fault::Status(500), Fault::Status(410), Fault::Status(403), Fault::Cut, Fault::LoseAnswer] {
        proxy.faults(move |_, request| {
            if request.method() == "GET" && request.uri().path() == "/api/v1/namespaces" {
                fault
            } else {
                Fault::Pass
            }
        });
        let seen = corner.cluster.observe(&corner.desired(&sources), &corner.settings.state_namespace).await;
        let error = seen.expect_err("no partial observation");
        assert!(error.to_string().contains("cannot list namespaces"), "{fault:?}: {error}");
        assert!(error.hint().is_some() || matches!(error, Error::Api { .. }), "{error:?}");
    }
    assert!(corner.exists("configmap", "map"));
}

#[tokio::test]
async fn an_expired_list_is_taken_again() {
    let proxy = Proxy::start().await;
    let mut corner = Corner::new("gone").await;
    corner.cluster = proxy.cluster().await;
    let mut left = 2;
    proxy.faults(move |_, request| {
        let hit = left > 0 && request.uri().path() == "/api/v1/namespaces";
        left -= i32::from(hit);
        if hit { Fault::Status(410) } else { Fault::Pass }
    });
    corner.apply(&corner.sources()).await;
}

#[tokio::test]
async fn a_failed_request_does_not_stop_what_does_not_depend_on_it() {
    let proxy = Proxy::start().await;
    let mut corner = Corner::new("partly").await;
    let mut sources = corner.sources();
    sources.config_map("base", "old", "one");
    corner.apply(&sources).await;
    sources.component("broken", &["base"]).component("after", &["broken"]).component("beside", &["base"]);
    sources
        .config_map("broken", "broken", "one")
        .config_map("after", "after", "one")
        .config_map("beside", "beside", "one");
    sources.without("ConfigMap", "old");
    corner.cluster = proxy.cluster().await;
    proxy.faults(|_, request| {
        if request.method() == "PATCH" && request.uri().path().ends_with("/broken") {
            Fault::Status(422)
        } else {
            Fault::Pass
        }
    });
    let changes = corner.try_apply(&sources).await.expect("told, not thrown");
    let verb = |name: &str| {
        changes.entries.iter().find(|entry| entry.object.ends_with(name)).map(|entry| entry.verb)
    };
    assert_eq!(verb("/broken"), Some(Verb::Failed));
    assert_eq!(verb("/after"), Some(Verb::Skipped));
    assert_eq!(verb("/beside"), Some(Verb::Created));
    assert_eq!(verb("/old"), Some(Verb::Skipped), "nothing is removed while something failed");
    assert!(corner.exists("configmap", "old"));
    proxy.faults(|_, _| Fault::Pass);
    let changes = corner.apply(&sources).await;
    assert_eq!(changes.count(Verb::Deleted), 1, "{changes}");
}

#[tokio::test]
async fn connecting_says_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let patience = Patience { attempt: Duration::from_secs(2), total: Duration::from_secs(4) };
    let connect = async |text: Option<&str>| {
        let path = dir.path().join("kubeconfig");
        match text {
            Some(text) => std::fs::write(&path, text).expect("written"),
            None => drop(std::fs::remove_file(&path)),
        }
        Cluster::connect_with(&path, patience).await.expect_err("refused").to_string()
    };
    assert!(connect(None).await.contains("No such file"));
    assert!(connect(Some("")).await.contains("cannot use the kubeconfig"));
    assert!(connect(Some("{ not yaml")).await.contains("cannot use the kubeconfig"));
    let closed = r#"{"current-context": "x", "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "u", "user": {}}], "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}"#;
    let said = connect(Some(closed)).await;
    assert!(said.contains("did not answer") && said.contains("refused"), "{said}");
    let proxy = Proxy::start().await;
    proxy.faults(|_, _| Fault::Status(401));
    let error = Cluster::connect_with(&proxy.kubeconfig(), patience).await.expect_err("refused");
    assert!(error.hint().is_some_and(|hint| hint.contains("certificate")), "{error}");
}
