//! Which remedies are carried out now, and why the others are not; pure.

use jiff::{SignedDuration, Zoned};
use odin_model::config::{AlertRemediation, Remedy};

use super::record::Attempt;
use super::{ANNOTATION, Target, is_mine};
use crate::alerting::alertmanager::Alert;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What is declared, and who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    /// `[alerting.remediation]`.
    pub(crate) declared: &'a AlertRemediation,
    /// The node's name, as `instance` has it.
    pub(crate) node: &'a str,
    /// The unit that a rotation of certificates restarts.
    pub(crate) k3s_unit: &'a str,
    /// Whether this server acts for the cluster.
    pub(crate) leads: bool,
}

/// A remedy that is carried out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    /// Fingerprint of the alert that asks for it.
    pub(crate) fingerprint: String,
    /// The alert's name.
    pub(crate) alert: String,
    /// The remedy.
    pub(crate) remedy: Remedy,
    /// What it is about.
    pub(crate) target: Target,
}

/// What is done now, and who is left alone why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// In this order.
    pub(crate) acts: Vec<Act>,
    /// Fingerprint, and the reason with the alert's name in it.
    pub(crate) held: Vec<(String, String)>,
}

/// Decides. Attempts of the other mode (dry run or not) do not count: what
/// would have been done was not.
pub(crate) fn decide(alerts: &[Alert], attempts: &[Attempt], policy: &Policy<'_>, now: &Zoned) -> Decision {
    let declared = policy.declared;
    let age = |attempt: &Attempt| now.timestamp().duration_since(attempt.time);
    // Of all that ever were only these can count; each alert looks at them.
    let remembered = HOUR.max(span(declared.cool_down));
    let counts = |attempt: &&Attempt| {
        attempt.dry_run == declared.dry_run && (attempt.is_open() || age(attempt) < remembered)
    };
    let attempts: Vec<&Attempt> = attempts.iter().filter(counts).collect();
    let this_hour = attempts.iter().filter(|attempt| age(attempt) < HOUR).count();
    let maximum = usize::try_from(declared.maximum_an_hour).unwrap_or(usize::MAX);
    let mut decision = Decision::default();
    for alert in alerts {
        let Some(asked) = alert.annotations.get(ANNOTATION) else { continue };
        if !alert.is_active() || !is_mine(alert, policy.node, policy.leads) {
            continue;
        }
        let judged = judge(alert, asked, &attempts, policy, now).and_then(|(remedy, target)| {
            let done = decision.acts.len();
            if decision.acts.iter().any(|act| act.target == target) {
                return Err(format!("{target} is being restored for another alert"));
            }
            if this_hour + done >= maximum {
                return Err(format!("{} remedies in an hour are enough, look at it", this_hour + done));
            }
            Ok((remedy, target))
        });
        match judged {
            Ok((remedy, target)) => decision.acts.push(Act {
                fingerprint: alert.fingerprint.clone(),
                alert: alert.name().to_owned(),
                remedy,
                target,
            }),
            Err(reason) => decision
                .held
                .push((alert.fingerprint.clone(), format!("{} asks for {asked}: {reason}", alert.name()))),
        }
    }
    decision
}

/// The remedy and its target, or why it is not carried out now.
fn judge(
    alert: &Alert,
    asked: &str,
    attempts: &[&Attempt],
    policy: &Policy<'_>,
    now: &Zoned,
) -> Result<(Remedy, Target), String> {
    let declared = policy.declared;
    let remedy: Remedy = asked.parse().map_err(|()| "there is no such remedy".to_owned())?;
    if !declared.actions.contains(&remedy) {
        return Err("it is not among alerting.remediation.actions".to_owned());
    }
    let target = Target::of(remedy, alert, policy.k3s_unit)?;
    if let Some(reason) = why_not_on(remedy, &target, policy, now) {
        return Err(reason);
    }
    let fired = now.timestamp().duration_since(alert.starts_at);
    if fired < span(declared.after) {
        return Err(format!("it fires for less than {} s so far", declared.after.as_secs()));
    }
    if let Some(attempt) =
        attempts.iter().find(|attempt| attempt.fingerprint == alert.fingerprint && attempt.is_open())
    {
        return Err(format!(
            "it was tried at {} and the alert fires since: {}",
            attempt.time,
            attempt.result.name()
        ));
    }
    let cooling = |attempt: &&&Attempt| {
        attempt.target == target.to_string()
            && now.timestamp().duration_since(attempt.time) < span(declared.cool_down)
    };
    if let Some(attempt) = attempts.iter().rev().find(cooling) {
        return Err(format!("{target} had {} at {} and cools down", attempt.action, attempt.time));
    }
    Ok((remedy, target))
}

/// Why a target is out of bounds now.
fn why_not_on(remedy: Remedy, target: &Target, policy: &Policy<'_>, now: &Zoned) -> Option<String> {
    let declared = policy.declared;
    match target {
        Target::Pod { namespace, .. } | Target::Workload { namespace, .. }
            if !declared.namespaces.contains(namespace) =>
        {
            Some(format!("{namespace} is not among alerting.remediation.namespaces"))
        }
        Target::Unit(unit) if remedy == Remedy::RestartUnit && !declared.units.contains(unit) => {
            Some(format!("{unit} is not among alerting.remediation.units"))
        }
        Target::Unit(_) if remedy == Remedy::RotateCertificate => match declared.window {
            Some(window) if window.has(now.time()) => None,
            Some(window) => Some(format!("it waits for {window}")),
            None => Some("alerting.remediation.window is not declared".to_owned()),
        },
        _ => None,
    }
}

fn span(declared: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(declared).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
