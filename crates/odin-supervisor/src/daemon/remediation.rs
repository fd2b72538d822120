//! Alerts that ask for a remedy: what is declared is done, once, and what came
//! of it is recorded and counted.
//!
//! Every server looks after alerts about its own machine; one of them, which
//! has the lease, after those about the cluster.

mod carry_out;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use odin_cluster::cluster::Patience;
use odin_cluster::{Cluster, Lease, Settings};
use odin_model::config::{AlertRemediation, Role};

use super::Shared;
use crate::alerting::alertmanager::{Alert, Alertmanager, alerts_at};
use crate::alerting::remediation::decide::{Act, Policy, decide};
use crate::alerting::remediation::record::{Attempt, FILE, Verdict, fold};
use crate::alerting::remediation::watch::{Gone, Watch};
use crate::alerting::remediation::{is_mine, name_the_machine};
use crate::operations::STATE_NAMESPACE;
use crate::records::Records;
use crate::{Error, Result, lock};

/// How often the alerts are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long a silent API server is waited for; the next look asks again.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(10), total: Duration::from_secs(10) };
/// Name of the lease of the server that acts for the cluster.
const LEASE: &str = "odin-remediation";
/// Alerts of these severities want no repair, so they are not counted.
const NO_TROUBLE: [&str; 3] = ["", "none", "info"];

/// Looks after alerts for ever; servers only, and only where a remedy is
/// declared.
pub(super) async fn run(shared: Arc<Shared>) {
    let config = &shared.appliance.config;
    let declared = config.alerting.as_ref().map(|alerting| alerting.remediation.clone());
    let Some(declared) = declared.filter(|declared| !declared.actions.is_empty()) else { return };
    if config.host.role == Role::Agent {
        return;
    }
    let mut keeper = Keeper::new(&shared, declared);
    loop {
        tokio::time::sleep(LOOK).await;
        if shared.restoring.load(Ordering::SeqCst) {
            continue;
        }
        match keeper.look().await {
            Ok(()) => keeper.told_error.clear(),
            Err(error) => {
                // An Alertmanager that is not there is no news every ten seconds.
                let reason = error.to_string();
                if reason != keeper.told_error {
                    tracing::warn!(%error, "alerts are not looked after; trying again");
                }
                keeper.told_error = reason;
            }
        }
    }
}

/// What is remembered between looks.
struct Keeper<'a> {
    shared: &'a Shared,
    records: Records,
    declared: AlertRemediation,
    node: String,
    /// Where Alertmanager's pods were when it was asked last.
    pods: Vec<SocketAddr>,
    lease: Option<Lease>,
    watch: Watch,
    /// None until the file was read.
    attempts: Option<Vec<Attempt>>,
    told_held: Vec<(String, String)>,
    told_error: String,
}

impl<'a> Keeper<'a> {
    fn new(shared: &'a Shared, declared: AlertRemediation) -> Self {
        Self {
            shared,
            records: Records::of(&shared.appliance),
            declared,
            // As K3s forms it.
            node: rustix::system::uname().nodename().to_string_lossy().to_lowercase(),
            pods: Vec::new(),
            lease: None,
            watch: Watch::default(),
            attempts: None,
            told_held: Vec::new(),
            told_error: String::new(),
        }
    }

    /// Looks once, and does what is to be done.
    async fn look(&mut self) -> Result<()> {
        if self.attempts.is_none() {
            // Without what was done before nothing is done.
            let attempts = fold(self.records.lines(FILE)?);
            for attempt in attempts.iter().filter(|attempt| attempt.is_open()) {
                self.watch.expect(&attempt.fingerprint);
            }
            self.attempts = Some(attempts);
        }
        let cluster = Cluster::prepare(&self.shared.appliance.config.host.kubeconfig, PATIENCE).await?;
        let (mut alerts, leads) = self.ask(&cluster).await?;
        name_the_machine(&mut alerts, &self.node, is_here);
        let now = Zoned::now();
        for gone in self.watch.look(&mut alerts, now.timestamp()) {
            self.resolved(&gone, leads)?;
        }
        self.overdue(now.timestamp())?;
        self.act(&cluster, &alerts, leads, &now).await
    }

    /// The alerts, and whether this server acts for the cluster. It does not
    /// while the way by the API server leads nowhere, which may be what an alert
    /// is about: then Alertmanager's pods are asked where they were before.
    async fn ask(&mut self, cluster: &Cluster) -> Result<(Vec<Alert>, bool)> {
        let alertmanager = Alertmanager::of(cluster);
        let error = match alertmanager.alerts().await {
            Ok(alerts) => {
                if let Ok(pods) = alertmanager.pods().await {
                    self.pods = pods;
                }
                return Ok((alerts, self.leads(cluster).await));
            }
            Err(error) => error,
        };
        for pod in &self.pods {
            if let Ok(alerts) = alerts_at(*pod).await {
                return Ok((alerts, false));
            }
        }
        Err(error)
    }

    /// Whether this server acts for the cluster.
    async fn leads(&mut self, cluster: &Cluster) -> bool {
        if let Some(lease) = &self.lease
            && lease.ensure().await.is_ok()
        {
            return true;
        }
        let settings = Settings {
            state_namespace: STATE_NAMESPACE.to_owned(),
            holder: self.shared.appliance.name(),
            ..Settings::default()
        };
        self.lease = match Lease::acquire(cluster, LEASE, &settings).await {
            Ok(lease) => Some(lease),
            Err(odin_cluster::Error::Held { holder, .. }) => {
                tracing::debug!(holder, "another server looks after the cluster's alerts");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "cannot lead the repair of the cluster's alerts");
                None
            }
        };
        self.lease.is_some()
    }

    /// Counts an alert that is gone, and ends its attempts.
    fn resolved(&mut self, gone: &Gone, leads: bool) -> Result<()> {
        let mut helped = false;
        for attempt in self.attempts.iter_mut().flatten() {
            if attempt.is_open() && attempt.fingerprint == gone.fingerprint {
                helped |= attempt.resolve(gone.since);
                self.records.append(FILE, attempt)?;
                if attempt.result == Verdict::Resolved {
                    self.shared.metrics.remediation(attempt.action, &attempt.result);
                    tracing::info!(alert = attempt.alert, action = %attempt.action, target = attempt.target, "an alert resolved after its remedy");
                }
            }
        }
        let is_trouble = |alert: &Alert| {
            !NO_TROUBLE.contains(&alert.label("severity")) && is_mine(alert, &self.node, leads)
        };
        if helped || gone.alert.as_ref().is_some_and(is_trouble) {
            self.shared.metrics.resolved(helped);
        }
        Ok(())
    }

    /// Gives up on alerts that fire on although their remedy was carried out.
    fn overdue(&mut self, now: Timestamp) -> Result<()> {
        let allowed = SignedDuration::try_from(self.declared.verify_within).unwrap_or(SignedDuration::MAX);
        for attempt in self.attempts.iter_mut().flatten() {
            let waits = attempt.is_open() && matches!(attempt.result, Verdict::Done | Verdict::Begun);
            // A look later: what is gone now may have been gone in time.
            if waits && now.duration_since(attempt.time) > allowed + SignedDuration::from_secs(120) {
                attempt.result = Verdict::NotResolved;
                self.records.append(FILE, attempt)?;
                self.shared.metrics.remediation(attempt.action, &attempt.result);
                tracing::error!(alert = attempt.alert, action = %attempt.action, target = attempt.target, "a remedy did not help; a person has to look");
            }
        }
        Ok(())
    }

    async fn act(&mut self, cluster: &Cluster, alerts: &[Alert], leads: bool, now: &Zoned) -> Result<()> {
        let config = &self.shared.appliance.config;
        let policy =
            Policy { declared: &self.declared, node: &self.node, k3s_unit: &config.host.k3s_unit, leads };
        let decision = decide(alerts, self.attempts.as_deref().unwrap_or_default(), &policy, now);
        for held in &decision.held {
            if !self.told_held.contains(held) {
                tracing::info!(reason = held.1, "an alert is left to a person for now");
            }
        }
        self.told_held = decision.held;
        for act in decision.acts {
            if !self.declared.dry_run && lock::holder(&config.host.run_dir).is_some() {
                // What is under way may be why the alert fires.
                tracing::debug!(alert = act.alert, "another operation is at work; its remedy waits");
                return Ok(());
            }
            self.one(cluster, &act).await?;
        }
        Ok(())
    }

    async fn one(&mut self, cluster: &Cluster, act: &Act) -> Result<()> {
        let dry_run = self.declared.dry_run;
        let mut attempt = Attempt {
            time: Timestamp::now(),
            fingerprint: act.fingerprint.clone(),
            alert: act.alert.clone(),
            action: act.remedy,
            target: act.target.to_string(),
            dry_run,
            result: if dry_run { Verdict::WouldBeDone } else { Verdict::Begun },
            resolved_at: None,
        };
        // Before it is begun: nothing is done that no record tells of, and what
        // is cut off is not done a second time.
        self.records.append(FILE, &attempt)?;
        self.attempts.get_or_insert_default().push(attempt.clone());
        if dry_run {
            tracing::warn!(alert = act.alert, action = %act.remedy, target = attempt.target, "would be done (alerting.remediation.dry-run)");
        } else {
            tracing::warn!(alert = act.alert, action = %act.remedy, target = attempt.target, "carrying out a remedy");
            attempt.result = match self.carry_out(cluster, act).await {
                Ok(()) => Verdict::Done,
                Err(error) => {
                    tracing::error!(%error, "a remedy failed");
                    Verdict::Failed(error.to_string())
                }
            };
            self.records.append(FILE, &attempt)?;
        }
        self.shared.metrics.remediation(act.remedy, &attempt.result);
        if let Some(last) = self.attempts.as_mut().and_then(|attempts| attempts.last_mut()) {
            *last = attempt;
        }
        Ok(())
    }

    async fn carry_out(&self, cluster: &Cluster, act: &Act) -> Result<()> {
        if !act.remedy.is_of_the_node() {
            match &self.lease {
                Some(lease) => lease.ensure().await?,
                None => return Err(lost()),
            }
        }
        carry_out::carry_out(self.shared, cluster, act, &self.declared).await
    }
}

/// Whether an address is one of this machine's: others cannot be bound.
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn lost() -> Error {
    Error::Alerting {
        action: "carry out a remedy".to_owned(),
        reason: "another server leads".to_owned(),
        hint: "that server looks after it",
    }
}
