//! Which processes use a device, and which container each belongs to.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;

/// Use of a device by one process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProcessUse {
    pub(crate) pid: u32,
    /// Name of the program, as the kernel has it.
    pub(crate) program: String,
    /// Container, when it runs in one.
    pub(crate) container: Option<String>,
    /// Bytes of memory; none when the driver does not tell.
    pub(crate) memory: Option<u64>,
    /// Part of the last period in which it kept multiprocessors busy.
    pub(crate) utilization: Option<f64>,
    /// MIG instance it runs in.
    pub(crate) gpu_instance: Option<u32>,
}

/// What was found out of the processes of one device before.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    known: HashMap<u32, Known>,
    /// NVML's time of the newest utilization sample, in microseconds.
    newest: u64,
}

#[derive(Debug)]
struct Known {
    program: String,
    container: Option<String>,
    /// Start of the process, which tells a reused number from the old one.
    started: String,
}

impl Processes {
    /// Processes that compute or draw on `device` now.
    pub(crate) fn read(&mut self, device: &Device<'_>, proc: &Path) -> Vec<ProcessUse> {
        let mut found = device.running_compute_processes().unwrap_or_default();
        for process in device.running_graphics_processes().unwrap_or_default() {
            if !found.iter().any(|known| known.pid == process.pid) {
                found.push(process);
            }
        }
        if found.is_empty() {
            self.known.clear();
            return Vec::new();
        }
        let samples = device.process_utilization_stats(self.newest).unwrap_or_default();
        self.newest = samples.iter().map(|sample| sample.timestamp).fold(self.newest, u64::max);
        self.known.retain(|pid, _| found.iter().any(|process| process.pid == *pid));
        found
            .iter()
            .map(|process| {
                let known = self.look_up(process.pid, proc);
                ProcessUse {
                    pid: process.pid,
                    program: known.program.clone(),
                    container: known.container.clone(),
                    memory: match process.used_gpu_memory {
                        UsedGpuMemory::Used(bytes) => Some(bytes),
                        UsedGpuMemory::Unavailable => None,
                    },
                    utilization: samples
                        .iter()
                        .filter(|sample| sample.pid == process.pid)
                        .max_by_key(|sample| sample.timestamp)
                        .map(|sample| f64::from(sample.sm_util) / 100.0),
                    gpu_instance: process.gpu_instance_id,
                }
            })
            .collect()
    }

    fn look_up(&mut self, pid: u32, proc: &Path) -> &Known {
        let directory = proc.join(pid.to_string());
        let started = start_of(&directory).unwrap_or_default();
        let entry = self.known.entry(pid).or_insert_with(|| Known::read(&directory, started.clone()));
        if entry.started != started {
            *entry = Known::read(&directory, started);
        }
        entry
    }
}

impl Known {
    fn read(directory: &Path, started: String) -> Self {
        let text = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
        Self {
            program: text("comm").trim_end().to_owned(),
            container: container_of(&text("cgroup")),
            started,
        }
    }
}

/// Start time of a process: field 22 of `stat` (proc(5)); the name before it
/// may hold spaces and brackets.
fn start_of(directory: &Path) -> Option<String> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19).map(str::to_owned)
}

/// The container of a cgroup file: 64 hexadecimal digits, as containerd
/// (`cri-containerd-ID.scope`), CRI-O (`crio-ID.scope`) and the cgroupfs
/// driver (`.../ID`) name its group; the innermost wins.
pub(crate) fn container_of(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| {
        line.rsplit('/').find_map(|part| {
            let name = part.strip_suffix(".scope").unwrap_or(part);
            let id = name.rsplit(['-', ':']).next().unwrap_or(name);
            (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
        })
    })
}

#[cfg(test)]
mod tests;
