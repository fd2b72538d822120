//! A scenario, a fleet that reads it, and the page it gives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use odin_gpu::health::Health;
use odin_gpu::{Fleet, Options};

/// Where the child finds its directory.
const DIRECTORY: &str = "ODIN_GPU_TEST_DIRECTORY";

/// Which case of a test the child is for.
const CASE: &str = "ODIN_GPU_TEST_CASE";

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A machine with simulated GPUs.
pub(crate) struct Machine {
    pub(crate) directory: PathBuf,
}

/// Runs `body` in a process whose NVML library answers from `scenario`. The
/// name must be that of the test, as the harness knows it.
pub(crate) fn in_child(test: &str, scenario: &str, body: impl FnOnce(&Machine)) {
    in_child_for(test, "", scenario, body);
}

/// As [`in_child`], for one of several cases of a test, each in a process of
/// its own.
pub(crate) fn in_child_for(test: &str, case: &str, scenario: &str, body: impl FnOnce(&Machine)) {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        if std::env::var(CASE).is_ok_and(|wanted| wanted == case) {
            body(&Machine { directory: directory.into() });
        }
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("scenario.toml");
    std::fs::write(&file, scenario).expect("a scenario");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .env(CASE, case)
        .env("NVML_SIM_SCENARIO", &file)
        .output()
        .expect("the child runs");
    let talk = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && talk.contains("1 passed"),
        "{test} {case}:\n{talk}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Machine {
    /// Replaces the scenario while it runs.
    pub(crate) fn becomes(&self, scenario: &str) {
        let fresh = self.directory.join("scenario.new");
        std::fs::write(&fresh, scenario).expect("a scenario");
        std::fs::rename(&fresh, self.directory.join("scenario.toml")).expect("replaced");
    }

    /// Makes the kernel driver have so many GPUs.
    pub(crate) fn driver_has(&self, count: usize) {
        let directory = self.directory.join("gpus");
        if directory.exists() {
            std::fs::remove_dir_all(&directory).expect("removed");
        }
        for gpu in 0..count {
            std::fs::create_dir_all(directory.join(format!("0000:{gpu:02x}:00.0"))).expect("a directory");
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            library: nvml_sim::library().expect("the simulated library"),
            interval: Duration::from_millis(200),
            deadline: Duration::from_millis(800),
            maximum_age: Duration::from_secs(5),
            hostname: "gpu-01".to_owned(),
            dcgm_labels: vec!["DCGM_FI_DRIVER_VERSION".to_owned()],
            dcgm_aliases: false,
            price_per_gpu_hour: Some(2.5),
            idle_after: Duration::from_secs(1),
            kernel_log: None,
            proc: self.directory.join("proc"),
            driver_gpus: self.directory.join("gpus"),
        }
    }

    /// A fleet of the simulated GPUs.
    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::start(self.options())
    }

    /// A fleet that looks for its library at `path`.
    pub(crate) fn fleet_with(&self, path: &Path) -> Fleet {
        Fleet::start(Options { library: path.to_owned(), ..self.options() })
    }
}

/// The page as it is now.
pub(crate) fn page(fleet: &Fleet) -> Page {
    let mut text = Vec::new();
    fleet.expose(&mut text);
    Page(String::from_utf8(text).expect("UTF-8"))
}

/// The page once it is as wished.
#[track_caller]
pub(crate) fn until(fleet: &Fleet, wish: impl Fn(&Page) -> bool) -> Page {
    let end = Instant::now() + PATIENCE;
    loop {
        let page = page(fleet);
        if wish(&page) {
            return page;
        }
        assert!(Instant::now() < end, "it never came; at last:\n{}", page.own());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The verdicts once they are as wished.
#[track_caller]
pub(crate) fn until_health(fleet: &Fleet, wish: impl Fn(&Health) -> bool) -> Health {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = fleet.health();
        if wish(&health) {
            return health;
        }
        assert!(Instant::now() < end, "it never came; at last:\n{health}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A page of metrics.
pub(crate) struct Page(pub(crate) String);

impl Page {
    /// Samples of one metric: labels and value.
    pub(crate) fn samples(&self, name: &str) -> Vec<(&str, f64)> {
        self.0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let (found, labels) = series.split_once('{').unwrap_or((series, "}"));
                (found == name).then(|| (labels.trim_end_matches('}'), value.parse().expect(line)))
            })
            .collect()
    }

    /// The one sample with all these labels.
    pub(crate) fn get(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let found = self.samples(name);
        let mut found = found.iter().filter(|(text, _)| labels.iter().all(|label| text.contains(label)));
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "{name} {labels:?} is not one sample");
        Some(*value)
    }

    /// State of a GPU.
    pub(crate) fn state(&self, gpu: u32) -> String {
        let gpu = format!("gpu=\"{gpu}\"");
        let states = self.samples("odin_gpu_state");
        let now: Vec<_> =
            states.iter().filter(|(labels, value)| labels.contains(&gpu) && *value == 1.0).collect();
        match now.as_slice() {
            [(labels, _)] => labels.rsplit('"').nth(1).expect("a label").to_owned(),
            [] => "none".to_owned(),
            several => panic!("{several:?}"),
        }
    }

    /// State of the library.
    pub(crate) fn library(&self) -> String {
        let states = self.samples("odin_gpu_library_state");
        let now: Vec<_> = states.iter().filter(|(_, value)| *value == 1.0).collect();
        assert_eq!(now.len(), 1, "{now:?}");
        now[0].0.rsplit('"').nth(1).expect("a label").to_owned()
    }

    /// Lines about states, for a failure that can be read.
    fn own(&self) -> String {
        let about = ["state", "age", "failures", "xid", "devices", "pod_"];
        let own = |line: &&str| about.iter().any(|word| line.contains(word)) && !line.ends_with(" 0");
        self.0.lines().filter(own).collect::<Vec<_>>().join("\n")
    }
}
