//! Answers that are text, and not of the API server itself: no longer than
//! anybody wants to read.
//!
//! A Service behind the proxy may answer anything; what it answers must not
//! take the memory of the supervisor.

use http::{Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Error;
use kube::client::Body;
use kube::core::Status;

/// Largest answer that is read, in bytes: ten thousand alerts are ten MiB.
const LARGEST: usize = 32 << 20;
/// Largest answer that says why there is none.
const LARGEST_ERROR: usize = 64 << 10;
/// Characters of an error that is no object of Kubernetes.
const SHOWN: usize = 400;

/// Sends a request and reads its answer, as `kube::Client::request_text` does,
/// up to a size.
pub(super) async fn request(client: &kube::Client, request: Request<Vec<u8>>) -> Result<String, Error> {
    read(client.send(request.map(Body::from)).await?, LARGEST).await
}

async fn read(answer: Response<Body>, largest: usize) -> Result<String, Error> {
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let largest = if is_error { LARGEST_ERROR.min(largest) } else { largest };
    let body = Limited::new(answer.into_body(), largest).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let text = format!("the answer ({}) has more than {largest} bytes", status.as_u16());
            // None that passes: the next one has as many.
            return Error::Api(Status::failure(&text, "TooLarge").with_code(413).boxed());
        }
        Error::Service(error)
    })?;
    let text = String::from_utf8(body.to_bytes().to_vec()).map_err(Error::FromUtf8)?;
    if !is_error {
        return Ok(text);
    }
    let status = serde_json::from_str::<Status>(&text).unwrap_or_else(|_| {
        let shown: String = text.trim().chars().take(SHOWN).collect();
        Status::failure(&shown, "no Status").with_code(status.as_u16())
    });
    Err(Error::Api(status.boxed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(status: u16, body: &str, largest: usize) -> Result<String, Error> {
        let answer = Response::builder().status(status).body(Body::from(body.as_bytes().to_vec()));
        read(answer.expect("an answer"), largest).await
    }

    fn status(answered: Result<String, Error>) -> (u16, String) {
        match answered {
            Err(Error::Api(status)) => (status.code, status.message.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_answer_has_its_size() {
        assert_eq!(answered(200, "[12]", 4).await.expect("text"), "[12]");
        let (code, message) = status(answered(200, "[123]", 4).await);
        assert!(code == 413 && message.contains("more than 4 bytes"), "{code} {message}");
        let (code, message) = status(answered(500, &"x".repeat(LARGEST_ERROR + 1), LARGEST).await);
        assert!(code == 413 && message.contains("(500)"), "{code} {message}");
    }

    #[tokio::test]
    async fn an_error_says_what_it_was() {
        let (code, message) = status(answered(502, &"no\n".repeat(1000), LARGEST).await);
        assert_eq!((code, message.chars().count()), (502, SHOWN));
        let said = r#"{"kind": "Status", "status": "Failure", "message": "no endpoints", "code": 503}"#;
        assert_eq!(status(answered(503, said, LARGEST).await), (503, "no endpoints".to_owned()));
    }
}
