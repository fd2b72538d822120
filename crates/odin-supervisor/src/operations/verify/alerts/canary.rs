//! An alert that only ODIN raises: it fires, is routed, is one however often it
//! is sent, is silenced, and resolves.
//!
//! It is silenced as soon as it was seen, before the usual `group_wait` is over,
//! so that it wakes nobody up. Alert and silence have an end of their own: a run
//! that is killed leaves nothing that lasts.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use odin_cluster::cluster::Service;
use odin_model::report::Row;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PHASE;
use super::judge::{Alert, Silence, names};
use crate::operations::verify::stack::{Finding, Stack, bounded, judged, settled};

pub(super) const ROWS: [&str; 5] =
    ["alert-fires", "alert-routes", "alert-deduplicates", "alert-silenced", "alert-resolves"];
const NAME: &str = "OdinVerifyCanary";
const OWNER: &str = "odin verify";
/// How long each step may take.
const STEP: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);
/// When alert and silence end by themselves.
const LIFE: SignedDuration = SignedDuration::from_mins(3);

/// One canary.
struct Canary<'a> {
    stack: &'a Stack,
    service: Service<'a>,
    token: String,
    started: Timestamp,
}

/// What was found out, step by step. A step that was not reached has no finding.
#[derive(Debug, Default)]
struct Course {
    fires: Option<Finding>,
    routes: Option<Finding>,
    deduplicates: Option<Finding>,
    silenced: Option<Finding>,
    resolves: Option<Finding>,
}

pub(super) async fn rows(stack: &Stack, service: Service<'_>) -> Vec<Row> {
    let started = Timestamp::now();
    let canary = Canary { stack, service, token: format!("{:x}", started.as_nanosecond()), started };
    let mut course = Course::default();
    let ran = bounded(LIMIT, async {
        canary.run(&mut course).await?;
        Ok(String::new())
    })
    .await;
    if course.resolves.is_none() {
        // Stopped on its way: what was raised ends by itself, and sooner if that
        // can be said.
        drop(bounded(STEP, async { canary.post(Timestamp::now()).await.map(|()| String::new()) }).await);
    }
    course.rows(ran.err().as_deref())
}

impl Canary<'_> {
    /// Takes the canary through its life. A step that does not hold is noted and
    /// does not keep the others from being tried; the alert is always resolved.
    async fn run(&self, course: &mut Course) -> Result<(), String> {
        let ends = self.started + LIFE;
        let began = Instant::now();
        self.post(ends).await?;
        let seen = self.wait(|alerts| !alerts.is_empty()).await?;
        course.fires = Some(fires(&seen, began.elapsed()));
        course.routes = Some(routes(&seen));

        // Its second appearance has other words and is the same alert.
        self.post(ends).await?;
        course.deduplicates = Some(deduplicates(&seen, &self.alerts().await?));

        let began = Instant::now();
        let silence = self.silence(ends).await;
        if let Ok(id) = &silence {
            let alerts = self.wait(|alerts| alerts.iter().all(|alert| by_silence(alert, id))).await?;
            let kept: Silence = self.stack.ask(self.service, &format!("/api/v2/silence/{id}"), &[]).await?;
            course.silenced = Some(silenced(&alerts, id, &kept, ends, began.elapsed()));
        }

        let began = Instant::now();
        self.post(Timestamp::now()).await?;
        let left = self.wait(<[Alert]>::is_empty).await?;
        course.resolves = Some(resolves(&left, began.elapsed()));
        // After the alert: without it the alert would be sent.
        match silence {
            Ok(id) => {
                let ended = self.end(&id).await;
                if let (Err(reason), Some(Ok(_))) = (ended, &course.silenced) {
                    course.silenced = Some(Err(reason));
                }
            }
            Err(reason) => course.silenced = Some(Err(reason)),
        }
        Ok(())
    }

    async fn post(&self, ends: Timestamp) -> Result<(), String> {
        let alert = json!([{
            "labels": {"alertname": NAME, "severity": "none", "token": self.token},
            "annotations": {
                "summary": "ODIN tries whether alerts work.",
                "description": format!("Sent by odin verify at {}; it ends by itself.", Timestamp::now()),
            },
            "startsAt": self.started, "endsAt": ends,
        }]);
        self.stack.post(self.service, "/api/v2/alerts", &alert).await.map(drop)
    }

    async fn alerts(&self) -> Result<Vec<Alert>, String> {
        let filter = format!("token=\"{}\"", self.token);
        self.stack.ask(self.service, "/api/v2/alerts", &[("filter", &filter)]).await
    }

    async fn wait(&self, done: impl Fn(&[Alert]) -> bool) -> Result<Vec<Alert>, String> {
        settled(STEP, || self.alerts(), |alerts: &Vec<Alert>| done(alerts)).await
    }

    /// Makes a silence with an owner and an end; returns its name.
    async fn silence(&self, ends: Timestamp) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Made {
            #[serde(rename = "silenceID")]
            silence_id: String,
        }
        let matcher = json!({"name": "token", "value": self.token, "isRegex": false, "isEqual": true});
        let body: Value = json!({
            "matchers": [matcher], "startsAt": Timestamp::now(), "endsAt": ends,
            "createdBy": OWNER, "comment": "the canary of the acceptance; ends by itself",
        });
        let answer = self.stack.post(self.service, "/api/v2/silences", &body).await?;
        let made: Made = serde_json::from_str(&answer)
            .map_err(|error| format!("Alertmanager answered a silence with something else: {error}"))?;
        Ok(made.silence_id)
    }

    /// Ends a silence and sees that it has ended.
    async fn end(&self, id: &str) -> Result<(), String> {
        let path = format!("/api/v2/silence/{id}");
        self.stack.delete(self.service, &path).await?;
        let ask = || self.stack.ask(self.service, &path, &[]);
        let silence: Silence =
            settled(STEP, ask, |silence: &Silence| silence.status.state == "expired").await?;
        match silence.status.state.as_str() {
            "expired" => Ok(()),
            other => Err(format!("the silence {id} does not end: it is {other}")),
        }
    }
}

impl Course {
    /// One row a step; those not reached say what kept them.
    fn rows(self, stopped: Option<&str>) -> Vec<Row> {
        let Self { fires, routes, deduplicates, silenced, resolves } = self;
        let findings = [fires, routes, deduplicates, silenced, resolves];
        let reason = stopped.unwrap_or("it was not reached");
        let row = |(name, finding): (&&str, Option<Finding>)| {
            let finding = finding.unwrap_or_else(|| Err(format!("not tried to the end: {reason}")));
            judged(PHASE, name, finding, "the log of alertmanager-0 in the namespace monitoring")
        };
        ROWS.iter().zip(findings).map(row).collect()
    }
}

fn fires(alerts: &[Alert], took: Duration) -> Finding {
    match alerts.first().map(|alert| alert.status.state.as_str()) {
        Some("active") => Ok(format!("active after {:.2} s", took.as_secs_f64())),
        Some(other) => Err(format!("Alertmanager took the alert and says it is {other}")),
        None => Err(format!("Alertmanager does not show the alert after {} s", took.as_secs())),
    }
}

fn routes(alerts: &[Alert]) -> Finding {
    let receivers = alerts.first().map(|alert| names(&alert.receivers)).unwrap_or_default();
    if receivers.is_empty() {
        Err("no receiver gets the alert".to_owned())
    } else {
        Ok(format!("to {receivers}"))
    }
}

fn deduplicates(first: &[Alert], again: &[Alert]) -> Finding {
    match (first, again) {
        ([first], [again]) if first.fingerprint == again.fingerprint => {
            Ok("sent twice, it is one".to_owned())
        }
        ([_], [_]) => Err("sent twice, the alert is another one".to_owned()),
        _ => Err(format!("sent twice, the alert is there {} times", again.len())),
    }
}

fn by_silence(alert: &Alert, id: &str) -> bool {
    alert.status.state == "suppressed" && alert.status.silenced_by.iter().any(|by| by == id)
}

fn silenced(alerts: &[Alert], id: &str, silence: &Silence, ends: Timestamp, took: Duration) -> Finding {
    if alerts.is_empty() || !alerts.iter().all(|alert| by_silence(alert, id)) {
        return Err(format!("the silence {id} does not keep the alert quiet after {} s", took.as_secs()));
    }
    if silence.created_by != OWNER
        || silence.ends_at.duration_since(ends).abs() > SignedDuration::from_secs(1)
    {
        let Silence { created_by, ends_at, .. } = silence;
        return Err(format!("the silence {id} is kept with the owner {created_by:?} until {ends_at}"));
    }
    Ok(format!(
        "suppressed after {:.2} s by a silence with owner and end, which was ended",
        took.as_secs_f64()
    ))
}

fn resolves(left: &[Alert], took: Duration) -> Finding {
    if left.is_empty() {
        Ok(format!("gone after {:.2} s", took.as_secs_f64()))
    } else {
        Err(format!("the alert is still there {} s after its end", took.as_secs()))
    }
}

#[cfg(test)]
mod tests;
