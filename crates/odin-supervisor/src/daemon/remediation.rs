//! Alerts that ask for a remedy: what is declared is done, once, and what came
//! of it is recorded and counted.
//!
//! Every server looks after alerts about its own machine; one of them, which
//! has the lease, after those about the cluster.

mod carry_out;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use odin_cluster::cluster::Patience;
use odin_cluster::{Cluster, Lease, Settings};
use odin_model::config::{AlertRemediation, Role};

use super::Shared;
use crate::alerting::alertmanager::{Alert, Alertmanager, alerts_by};
use crate::alerting::direct::Way;
use crate::alerting::remediation::confirm::confirm;
use crate::alerting::remediation::decide::{Act, Policy, decide};
use crate::alerting::remediation::record::{Attempt, FILE, Verdict, fold};
use crate::alerting::remediation::watch::{Gone, Watch};
use crate::alerting::remediation::{is_mine, name_the_machine};
use crate::alerting::rulers::{LOKI, PROMETHEUS};
use crate::operations::STATE_NAMESPACE;
use crate::records::Records;
use crate::{Error, Result, lock};

/// How often the alerts are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Alerts at a time that are looked after; a box has some hundreds at its worst.
const MAXIMUM: usize = 5000;
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
    /// Where they were when Alertmanager was asked last.
    pods: Pods,
    lease: Option<Lease>,
    watch: Watch,
    /// None until the file was read.
    attempts: Option<Vec<Attempt>>,
    told_held: HashSet<(String, String)>,
    /// Why alerts are not believed.
    told_doubt: String,
    told_error: String,
}

/// Where pods listen that are asked themselves when nothing else leads to them.
#[derive(Debug, Default)]
struct Pods {
    alertmanager: Vec<SocketAddr>,
    prometheus: Vec<SocketAddr>,
    loki: Vec<SocketAddr>,
}

impl Pods {
    /// Takes note of where they are; what cannot be learned stays as it was.
    async fn look(&mut self, alertmanager: &Alertmanager, cluster: &Cluster) {
        if let Ok(pods) = alertmanager.pods().await {
            self.alertmanager = pods;
        }
        if let Ok(pods) = PROMETHEUS.pods(cluster).await {
            self.prometheus = pods;
        }
        if let Ok(pods) = LOKI.pods(cluster).await {
            self.loki = pods;
        }
    }
}

/// How the stack is reached.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// By the API server's proxy.
    Proxy,
    /// At its pods.
    Pods,
}

impl<'a> Keeper<'a> {
    fn new(shared: &'a Shared, declared: AlertRemediation) -> Self {
        Self {
            shared,
            records: Records::of(&shared.appliance),
            declared,
            // As K3s forms it.
            node: rustix::system::uname().nodename().to_string_lossy().to_lowercase(),
            pods: Pods::default(),
            lease: None,
            watch: Watch::default(),
            attempts: None,
            told_held: HashSet::new(),
            told_doubt: String::new(),
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
        let (mut alerts, leads, way) = self.ask(&cluster).await?;
        if alerts.len() > MAXIMUM {
            return Err(too_many());
        }
        let now = Zoned::now();
        let gone = self.watch.look(&mut alerts, now.timestamp());
        // What cannot be recorded is tried again; it stops nothing else.
        let ended = self.ended(gone, leads).and(self.overdue(now.timestamp()));
        let mut alerts = self.believed(alerts, &cluster, way).await;
        name_the_machine(&mut alerts, &self.node, is_here);
        self.act(&cluster, &alerts, leads, &now).await.and(ended)
    }

    /// The alerts, whether this server acts for the cluster, and where to ask
    /// further. While the way by the API server leads nowhere, which may be what
    /// an alert is about, it does not act, and pods are asked where they were
    /// before.
    async fn ask(&mut self, cluster: &Cluster) -> Result<(Vec<Alert>, bool, Reach)> {
        let alertmanager = Alertmanager::of(cluster);
        let error = match alertmanager.alerts().await {
            Ok(alerts) => {
                self.pods.look(&alertmanager, cluster).await;
                return Ok((alerts, self.leads(cluster).await, Reach::Proxy));
            }
            Err(error) => error,
        };
        match alerts_by(Way::Pods(&self.pods.alertmanager)).await {
            Ok(alerts) => Ok((alerts, false, Reach::Pods)),
            Err(_) => Err(error),
        }
    }

    /// The alerts that a rule fires, as the rulers show them, and the one about
    /// the watchdog. A ruler that does not answer fires nothing.
    async fn believed(&mut self, alerts: Vec<Alert>, cluster: &Cluster, reach: Reach) -> Vec<Alert> {
        let rulers = [(PROMETHEUS, &self.pods.prometheus), (LOKI, &self.pods.loki)];
        let ask = rulers.map(|(ruler, pods)| async move {
            let way = match reach {
                Reach::Proxy => Way::Proxy(cluster),
                Reach::Pods => Way::Pods(pods),
            };
            ruler.firing(way).await.map_err(|error| error.to_string())
        });
        let [prometheus, loki] = ask;
        let (believed, doubt) = confirm(alerts, prometheus, loki).await;
        if doubt != self.told_doubt {
            if !doubt.is_empty() {
                tracing::info!(reason = doubt, "alerts that ask for a remedy are left alone");
            }
            self.told_doubt = doubt;
        }
        believed
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

    /// Ends what is gone; what cannot be recorded is found gone again by the
    /// next look.
    fn ended(&mut self, gone: Vec<Gone>, leads: bool) -> Result<()> {
        let mut failed = Ok(());
        for mut gone in gone {
            name_the_machine(gone.alert.as_mut_slice(), &self.node, is_here);
            if let Err(error) = self.resolved(&gone, leads) {
                self.watch.keep(gone);
                failed = Err(error);
            }
        }
        failed
    }

    /// Counts an alert that is gone, and ends its attempts.
    fn resolved(&mut self, gone: &Gone, leads: bool) -> Result<()> {
        let mut helped = false;
        for attempt in self.attempts.iter_mut().flatten() {
            if attempt.fingerprint != gone.fingerprint {
                continue;
            }
            if attempt.is_open() {
                let mut ended = attempt.clone();
                ended.resolve(gone.since);
                self.records.append(FILE, &ended)?;
                *attempt = ended;
                if attempt.result == Verdict::Resolved {
                    self.shared.metrics.remediation(attempt.action, &attempt.result);
                    tracing::info!(alert = attempt.alert, action = %attempt.action, target = attempt.target, "an alert resolved after its remedy");
                }
            }
            // Also one that a look before this one ended.
            helped |= attempt.result == Verdict::Resolved && attempt.resolved_at == Some(gone.since);
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
        let mut failed = Ok(());
        for attempt in self.attempts.iter_mut().flatten() {
            let waits = attempt.is_open() && matches!(attempt.result, Verdict::Done | Verdict::Begun);
            // A look later: what is gone now may have been gone in time.
            if waits && now.duration_since(attempt.time) > allowed + SignedDuration::from_secs(120) {
                let given_up = Attempt { result: Verdict::NotResolved, ..attempt.clone() };
                if let Err(error) = self.records.append(FILE, &given_up) {
                    failed = Err(error);
                    continue;
                }
                *attempt = given_up;
                self.shared.metrics.remediation(attempt.action, &attempt.result);
                tracing::error!(alert = attempt.alert, action = %attempt.action, target = attempt.target, "a remedy did not help; a person has to look");
            }
        }
        failed
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
        self.told_held = decision.held.into_iter().collect();
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
        self.watch.expect(&act.fingerprint);
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
        }
        self.shared.metrics.remediation(act.remedy, &attempt.result);
        let recorded = if dry_run { Ok(()) } else { self.records.append(FILE, &attempt) };
        if let Some(last) = self.attempts.as_mut().and_then(|attempts| attempts.last_mut()) {
            *last = attempt;
        }
        recorded
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

/// Says no number: it is another one every time, and this is told once.
fn too_many() -> Error {
    Error::Alerting {
        action: "look after the alerts".to_owned(),
        reason: format!("there are more than {MAXIMUM}"),
        hint: "`odin alerts list` shows them; something raises far too many",
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

#[cfg(test)]
mod tests;
