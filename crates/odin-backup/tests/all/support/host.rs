//! A machine for restores: a file that says whether it runs.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use odin_backup::restore::{Host, RestorePlan};

/// Fails at the named call, once or for ever.
pub struct FileHost {
    pub state: PathBuf,
    pub fails_at: Mutex<Vec<&'static str>>,
    pub calls: Mutex<Vec<&'static str>>,
}

impl FileHost {
    pub fn new(state: &Path) -> Self {
        if !state.exists() {
            std::fs::write(state, "running").unwrap();
        }
        Self { state: state.to_path_buf(), fails_at: Mutex::new(Vec::new()), calls: Mutex::new(Vec::new()) }
    }

    pub fn failing(state: &Path, at: &[&'static str]) -> Self {
        let host = Self::new(state);
        *host.fails_at.lock().unwrap() = at.to_vec();
        host
    }

    pub fn running(&self) -> bool {
        std::fs::read_to_string(&self.state).unwrap() == "running"
    }

    fn call(&self, name: &'static str, becomes: Option<&str>) -> Result<(), String> {
        self.calls.lock().unwrap().push(name);
        let mut fails = self.fails_at.lock().unwrap();
        if let Some(index) = fails.iter().position(|fail| *fail == name) {
            fails.remove(index);
            return Err(format!("{name} was told to fail"));
        }
        if let Some(state) = becomes {
            std::fs::write(&self.state, state).unwrap();
        }
        Ok(())
    }
}

impl Host for FileHost {
    fn stop(&self) -> Result<(), String> {
        self.call("stop", Some("stopped"))
    }

    fn prove_quiet(&self, _paths: &[PathBuf]) -> Result<(), String> {
        assert!(!self.running(), "proven quiet while running");
        self.call("quiet", None)
    }

    fn after_swap(&self, _plan: &RestorePlan) -> Result<(), String> {
        self.call("after", None)
    }

    fn start(&self) -> Result<(), String> {
        self.call("start", Some("running"))
    }

    fn wait_ready(&self) -> Result<(), String> {
        self.call("wait", None)
    }

    fn accept(&self, _plan: &RestorePlan) -> Result<(), String> {
        assert!(self.running(), "accepted while stopped");
        self.call("accept", None)
    }
}
