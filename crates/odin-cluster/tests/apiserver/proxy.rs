//! A proxy between client and API server that makes faults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use odin_cluster::Cluster;
use odin_cluster::cluster::Patience;
use serde_json::json;
use tokio::net::TcpListener;

use super::fixture::kubeconfig;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// It is answered with a status instead.
    Status(u16),
    /// The connection closes before the request is passed on.
    Cut,
    /// It is passed on, and the connection closes instead of the answer.
    LoseAnswer,
    /// It is passed on, and nothing is ever answered.
    Hang,
}

type Rule = Box<dyn FnMut(u64, &Request<()>) -> Fault + Send>;

pub(crate) struct Proxy {
    address: SocketAddr,
    dir: tempfile::TempDir,
    rule: Arc<Mutex<Rule>>,
    seen: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let upstream = kube::Config::from_custom_kubeconfig(
            kube::config::Kubeconfig::read_from(kubeconfig()).expect("read"),
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .expect("usable");
        let upstream = kube::Client::try_from(upstream).expect("a client");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_, _| Fault::Pass)));
        let seen = Arc::new(AtomicU64::new(0));
        tokio::spawn(serve(listener, upstream, Arc::clone(&rule), Arc::clone(&seen)));
        Self { address, dir: tempfile::tempdir().expect("a directory"), rule, seen }
    }

    pub(crate) fn faults(&self, rule: impl FnMut(u64, &Request<()>) -> Fault + Send + 'static) {
        self.seen.store(0, Ordering::Relaxed);
        *self.rule.lock().expect("not poisoned") = Box::new(rule);
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.dir.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        });
        std::fs::write(&path, text.to_string()).expect("written");
        path
    }

    pub(crate) async fn cluster(&self) -> Cluster {
        let patience = Patience { attempt: Duration::from_secs(2), total: Duration::from_secs(30) };
        Cluster::connect_with(&self.kubeconfig(), patience).await.expect("connected through the proxy")
    }
}

async fn serve(listener: TcpListener, upstream: kube::Client, rule: Arc<Mutex<Rule>>, seen: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (upstream, rule, seen) = (upstream.clone(), Arc::clone(&rule), Arc::clone(&seen));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                pass(request, upstream.clone(), Arc::clone(&rule), Arc::clone(&seen))
            });
            // A cut connection is what this proxy is for.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn pass(
    request: Request<Incoming>,
    upstream: kube::Client,
    rule: Arc<Mutex<Rule>>,
    seen: Arc<AtomicU64>,
) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let number = seen.fetch_add(1, Ordering::Relaxed);
    let fault = rule.lock().expect("not poisoned")(number, &Request::from_parts(parts.clone(), ()));
    match fault {
        Fault::Cut => return Err(std::io::Error::other("cut")),
        Fault::Status(code) => {
            let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "made up by the proxy", "reason": "Test"});
            return Ok(Response::builder()
                .status(code)
                .body(Body::from(status.to_string().into_bytes()))
                .expect("built"));
        }
        Fault::Pass | Fault::LoseAnswer | Fault::Hang => {}
    }
    let mut onward =
        Request::builder().method(parts.method).uri(parts.uri.path_and_query().expect("a path").as_str());
    for name in ["content-type", "accept"] {
        if let Some(value) = parts.headers.get(name) {
            onward = onward.header(name, value);
        }
    }
    let answer = upstream
        .send(onward.body(Body::from(bytes.to_vec())).expect("built"))
        .await
        .map_err(std::io::Error::other)?;
    match fault {
        Fault::LoseAnswer => Err(std::io::Error::other("answer lost")),
        Fault::Hang => std::future::pending().await,
        _ => Ok(answer),
    }
}
