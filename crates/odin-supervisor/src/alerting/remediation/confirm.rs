//! Which of Alertmanager's alerts are believed.

use super::{ANNOTATION, watch};
use crate::alerting::alertmanager::Alert;
use crate::alerting::rulers::Firing;

/// The alerts that a ruler shows firing, as it shows them, with the one that is
/// made of the watchdog's absence; and why others that ask are left alone.
///
/// Loki is asked only about what Prometheus does not fire, and not at all while
/// Prometheus is silent: then only its own restart is left to do.
pub(crate) async fn confirm(
    alerts: Vec<Alert>,
    prometheus: impl Future<Output = Result<Firing, String>>,
    loki: impl Future<Output = Result<Firing, String>>,
) -> (Vec<Alert>, String) {
    let active = alerts.into_iter().filter(Alert::is_active);
    let (mut believed, others): (Vec<Alert>, Vec<Alert>) = active.partition(watch::is_made_here);
    if others.is_empty() {
        return (believed, String::new());
    }
    let others = match prometheus.await {
        Ok(firing) => split(others, &firing, &mut believed),
        Err(reason) => return (believed, format!("Prometheus does not say what fires: {reason}")),
    };
    let asks = |alert: &Alert| alert.annotations.contains_key(ANNOTATION);
    if !others.iter().any(asks) {
        return (believed, String::new());
    }
    let (others, silent) = match loki.await {
        Ok(firing) => (split(others, &firing, &mut believed), String::new()),
        Err(reason) => (others, format!("; Loki does not say what fires: {reason}")),
    };
    let doubt = match others.iter().any(asks) {
        // No names: whoever raises them chooses those.
        true => format!("no rule fires them, they are over or somebody else raised them{silent}"),
        false => String::new(),
    };
    (believed, doubt)
}

/// Moves what fires to what is believed; what is left.
fn split(alerts: Vec<Alert>, firing: &Firing, believed: &mut Vec<Alert>) -> Vec<Alert> {
    let mut left = Vec::new();
    for alert in alerts {
        match firing.confirm(&alert) {
            Some(confirmed) => believed.push(confirmed),
            None => left.push(alert),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::super::watch::{MISSING, Watch};
    use super::*;

    fn alert(name: &str) -> Alert {
        serde_json::from_value(serde_json::json!({
            "labels": {"alertname": name}, "annotations": {ANNOTATION: "restart-pod"},
            "startsAt": "2026-11-23T20:00:00Z", "fingerprint": name, "status": {"state": "active"},
        }))
        .expect("an alert")
    }

    /// The alert that the daemon makes.
    fn missing() -> Alert {
        let mut watch = Watch::default();
        // One that has its name is no such alert.
        let mut alerts = vec![Alert { fingerprint: "watchdog-missing".to_owned(), ..alert(MISSING) }];
        watch.look(&mut alerts, Timestamp::UNIX_EPOCH);
        assert_eq!(alerts, [], "what another raised under its fingerprint");
        watch.look(&mut alerts, Timestamp::UNIX_EPOCH + SignedDuration::from_mins(10));
        alerts.remove(0)
    }

    async fn names(
        alerts: &[Alert],
        prometheus: Result<&[&str], &str>,
        loki: Result<&[&str], &str>,
    ) -> (Vec<String>, String) {
        let firing = |answer: Result<&[&str], &str>| {
            let alerts = |names: &[&str]| names.iter().map(|name| alert(name)).collect::<Vec<_>>();
            answer.map(|names| Firing::of_alerts(&alerts(names))).map_err(str::to_owned)
        };
        let (prometheus, loki) = (firing(prometheus), firing(loki));
        let (believed, doubt) = confirm(alerts.to_vec(), async { prometheus }, async { loki }).await;
        (believed.iter().map(|alert| alert.name().to_owned()).collect(), doubt)
    }

    #[tokio::test]
    async fn what_no_rule_fires_is_left_alone() {
        let alerts = [alert("Metric"), alert("Line"), alert("Forged"), alert(MISSING), missing()];
        let (believed, doubt) = names(&alerts, Ok(&["Metric"]), Ok(&["Line"])).await;
        assert_eq!(believed, [MISSING, "Metric", "Line"]);
        assert!(doubt.contains("no rule fires them"), "{doubt}");
        let (believed, doubt) = names(&alerts, Ok(&["Metric"]), Err("not found")).await;
        assert_eq!(believed, [MISSING, "Metric"]);
        assert!(doubt.contains("not found"), "{doubt}");
        assert_eq!(
            names(&alerts[..2], Ok(&["Metric", "Line"]), Err("not asked")).await,
            (vec!["Metric".to_owned(), "Line".to_owned()], String::new())
        );
    }

    #[tokio::test]
    async fn while_prometheus_is_silent_only_its_absence_is_believed() {
        let alerts = [alert("Metric"), missing()];
        let (believed, doubt) = names(&alerts, Err("no answer"), Ok(&["Metric"])).await;
        assert_eq!(believed, [MISSING]);
        assert!(doubt.contains("no answer"), "{doubt}");
        assert_eq!(
            names(&alerts[1..], Err("not asked"), Err("not asked")).await,
            (vec![MISSING.to_owned()], String::new())
        );
    }
}
