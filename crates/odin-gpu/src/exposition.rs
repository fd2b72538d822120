//! The page a scrape gets: Prometheus' text format 0.0.4.
//!
//! It is written from samples that are there, into a buffer that is used
//! again; no scrape waits for the driver. A number that is too old, or that
//! its device no longer stands for, is left out: a gap is the truth, a last
//! value or a 0 is not. States and ages are always there.

mod dcgm;
mod fleet;
mod page;
mod use_by_pods;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crate::catalogue::CATALOGUE;
use crate::coverage;
use crate::fleet::Fleet;
use crate::labels::label;
use crate::sample::{Labelled, Sample, Slot, State};

use page::Page;
pub(crate) use use_by_pods::metered;

/// Content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A device as one page shows it.
pub(crate) struct View {
    pub(crate) index: u32,
    pub(crate) identity: Option<Arc<Labelled>>,
    /// The newest sample, when its numbers may be told.
    pub(crate) sample: Option<Arc<Sample>>,
    pub(crate) state: State,
    pub(crate) age: Duration,
    pub(crate) took: Option<Duration>,
    /// Age of the counters of links.
    pub(crate) links_age: Option<Duration>,
    pub(crate) replaced: u64,
    pub(crate) failures: u64,
    pub(crate) back_since: Option<Instant>,
    pub(crate) clock_events: [u64; crate::events::CLOCK_EVENTS],
    /// Labels of the one pod that has the whole device, each with a comma
    /// before it; empty when none or several have it.
    pub(crate) pod: String,
}

impl View {
    /// Labels of ODIN's metrics; a device that never told who it is has its
    /// index alone.
    pub(crate) fn labels(&self) -> String {
        match &self.identity {
            Some(identity) => identity.short.clone(),
            None => crate::labels::labels(&[("gpu", &self.index.to_string())]),
        }
    }

    fn of(slot: &Slot, fleet: &Fleet, now: Instant) -> Self {
        let options = &fleet.shared.options;
        let front = slot.front();
        let state = front.state(now, options.deadline);
        let age = front.age(now);
        let stands = matches!(state, State::Running | State::Hung | State::Starting);
        let sample = front.sample.as_ref().filter(|_| stands && age <= options.maximum_age);
        Self {
            index: slot.index,
            identity: front.identity.clone(),
            sample: sample.cloned(),
            state,
            age,
            took: front.sample.as_ref().map(|sample| sample.took),
            links_age: front.sample.as_ref().map(|sample| now.saturating_duration_since(sample.links_at)),
            replaced: front.replaced,
            failures: front.failures,
            back_since: front.back_since,
            clock_events: front.clock_events,
            pod: String::new(),
        }
    }
}

impl Fleet {
    /// The devices as they are now.
    pub(crate) fn views(&self, now: Instant) -> Vec<View> {
        let mut views: Vec<View> = self.shared.slots().iter().map(|slot| View::of(slot, self, now)).collect();
        let pods = self.shared.pods();
        for view in &mut views {
            let Some(identity) = &view.identity else { continue };
            let index = view.index.to_string();
            if let [only] = pods.of(&[identity.identity.uuid.as_str(), index.as_str()]).as_slice() {
                for (name, value) in [
                    ("container", &only.container.name),
                    ("namespace", &only.container.namespace),
                    ("pod", &only.container.pod),
                ] {
                    view.pod.push(',');
                    let mut text = String::new();
                    label(&mut text, name, value);
                    view.pod.push_str(&text);
                }
            }
        }
        views
    }

    /// Writes the page into `buffer`, whose content is replaced.
    pub fn expose(&self, buffer: &mut Vec<u8>) {
        let now = Instant::now();
        buffer.clear();
        let mut page = Page::new(buffer);
        page.comment(&coverage::headline());
        let views = self.views(now);
        fleet::write(&mut page, self, &views, now);
        write_samples(&mut page, &views);
        dcgm::write(&mut page, self, &views, now);
        use_by_pods::write(&mut page, self, &views, now);
    }
}

/// The beginning of the line of each slot, up to the labels of the device.
static PREFIXES: LazyLock<Vec<String>> = LazyLock::new(|| {
    CATALOGUE
        .metrics
        .iter()
        .flat_map(|metric| {
            metric.labels.iter().map(|labels| {
                let comma = if labels.is_empty() { "" } else { "," };
                format!("{}{{{labels}{comma}", metric.family.name)
            })
        })
        .collect()
});

/// Everything NVML told, metric by metric.
fn write_samples(page: &mut Page<'_>, views: &[View]) {
    let devices: Vec<(&Sample, String, Vec<String>)> = views
        .iter()
        .filter_map(|view| {
            let sample = view.sample.as_deref()?;
            let labels = view.labels();
            let instances = sample.instances.iter().map(|instance| instance.labels(&labels)).collect();
            Some((sample, labels, instances))
        })
        .collect();
    for metric in &CATALOGUE.metrics {
        let mut is_headed = false;
        for slot in metric.first..metric.first + metric.labels.len() {
            let Some(prefix) = PREFIXES.get(slot) else { continue };
            for (sample, labels, instances) in &devices {
                let value = sample.values.get(slot).copied().unwrap_or(f64::NAN);
                let parts = sample.instances.iter().zip(instances).filter_map(|(instance, labels)| {
                    let (_, value) = instance.values.iter().find(|(given, _)| *given == slot)?;
                    Some((labels, *value))
                });
                let whole = (!value.is_nan()).then_some((labels, value));
                for (labels, value) in whole.into_iter().chain(parts) {
                    if !is_headed {
                        page.head(metric.family.name, metric.family.help, metric.family.kind());
                        is_headed = true;
                    }
                    page.line(prefix, labels, value);
                }
            }
        }
    }
}

impl crate::sample::Instance {
    /// Labels of a MIG device, after those of its GPU.
    pub(crate) fn labels(&self, gpu: &str) -> String {
        let mut text = gpu.to_owned();
        label(&mut text, "mig_uuid", &self.uuid);
        label(&mut text, "GPU_I_PROFILE", &self.profile);
        label(&mut text, "GPU_I_ID", &self.gpu_instance.to_string());
        text
    }
}
