//! Ending pods whose kubelet and containerd are gone.
//!
//! K3s' containerd ends with K3s, so CRI does not answer any more; each pod
//! lives on under a `containerd-shim-runc-v2` that names its containerd's
//! socket on its command line. Ending the shims' process trees is what K3s'
//! own `k3s-killall.sh` does (k3s-io/k3s, install.sh). containerd and the
//! kubelet find the containers dead at their next start and make new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Result};

const SHIM: &str = "containerd-shim-runc-v2";
/// Where pods have their mounts: the shims' root file systems and the
/// kubelet's volumes.
const POD_MOUNTS: [&str; 2] = ["/run/k3s/containerd/io.containerd.runtime.v2.task", "/var/lib/kubelet/pods"];
const PAUSE: Duration = Duration::from_millis(50);

/// One process as far as this needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    arguments: Vec<String>,
}

/// Ends every pod of the containerd at `cri_socket`: first politely, after
/// `grace` by force.
///
/// # Errors
/// When `/proc` cannot be read, or a process does not end.
pub fn end_pods(cri_socket: &Path, grace: Duration) -> Result<()> {
    // Shims last: a shim that outlives its containers reaps them.
    signal(&containers(&processes()?, cri_socket), Signal::TERM);
    let polite = Instant::now() + grace;
    while Instant::now() < polite && !containers(&processes()?, cri_socket).is_empty() {
        std::thread::sleep(PAUSE);
    }
    let forced = Instant::now() + grace;
    loop {
        let all = processes()?;
        let shims = shims(&all, cri_socket);
        let left: BTreeSet<i32> = containers(&all, cri_socket).into_iter().chain(shims).collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= forced {
            return Err(Error::Host {
                action: "end the pods".to_owned(),
                reason: format!("processes {left:?} do not end, not even when killed"),
                hint: "a process in an uninterruptible wait hangs on a disk or a network mount: mend that, or reboot",
            });
        }
        signal(&left, Signal::KILL);
        std::thread::sleep(PAUSE);
    }
}

/// Unmounts what ended pods left mounted.
///
/// # Errors
/// When the mounts cannot be read or one cannot be unmounted.
pub(super) fn unmount_pods() -> Result<()> {
    for mount in super::quiet::mounts_under(&POD_MOUNTS.map(PathBuf::from))?.iter().rev() {
        rustix::mount::unmount(mount, rustix::mount::UnmountFlags::empty()).map_err(|error| Error::Host {
            action: format!("unmount {}", mount.display()),
            reason: error.to_string(),
            hint: "see what uses it with `fuser -vm`, end that, and run it again",
        })?;
    }
    Ok(())
}

fn shims(all: &[Process], cri_socket: &Path) -> BTreeSet<i32> {
    all.iter().filter(|process| is_shim(process, cri_socket)).map(|process| process.pid).collect()
}

fn is_shim(process: &Process, cri_socket: &Path) -> bool {
    let program = process.arguments.first().map(Path::new).and_then(Path::file_name);
    program.is_some_and(|name| name == SHIM)
        && process.arguments.windows(2).any(|pair| pair[0] == "-address" && Path::new(&pair[1]) == cri_socket)
}

/// Every process below a shim; the shims themselves are not among them.
fn containers(all: &[Process], cri_socket: &Path) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process.pid);
    }
    let mut found = BTreeSet::new();
    let mut waiting: Vec<i32> = shims(all, cri_socket).into_iter().collect();
    while let Some(parent) = waiting.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                waiting.push(*child);
            }
        }
    }
    found
}

fn signal(pids: &BTreeSet<i32>, signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        if let Err(error) = kill_process(pid, signal) {
            // A process that ended in between is what was wanted; one that
            // cannot be ended is seen by the caller, who looks again.
            tracing::debug!(?pid, %error, "not signalled");
        }
    }
}

fn processes() -> Result<Vec<Process>> {
    let proc = Path::new("/proc");
    let entries = fs::read_dir(proc).map_err(Error::state("read", proc))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| process(pid, &proc.join(i32::to_string(&pid))))
        .collect())
}

/// Reads one process; none when it ended meanwhile or is a zombie.
fn process(pid: i32, directory: &Path) -> Option<Process> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    // The name in parentheses may hold anything, also parentheses and spaces.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?;
    let parent = rest.next()?.parse().ok()?;
    if state == "Z" || state == "X" {
        return None;
    }
    let line = fs::read(directory.join("cmdline")).ok()?;
    let arguments = line
        .split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(|argument| std::ffi::OsStr::from_bytes(argument).to_string_lossy().into_owned())
        .collect();
    Some(Process { pid, parent, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "/run/k3s/containerd/containerd.sock";

    fn a(pid: i32, parent: i32, line: &str) -> Process {
        Process { pid, parent, arguments: line.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn only_pods_of_the_named_containerd_are_ended() {
        let all = [
            a(1, 0, "/sbin/init"),
            a(10, 1, &format!("/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id ab -address {SOCKET}")),
            a(11, 10, "/pause"),
            a(12, 10, "sh -c containerd-shim-runc-v2"),
            a(13, 12, "sleep 1"),
            a(
                20,
                1,
                "/usr/bin/containerd-shim-runc-v2 -namespace moby -id cd -address /run/containerd/containerd.sock",
            ),
            a(21, 20, "postgres"),
            a(30, 1, &format!("grep containerd-shim-runc-v2 -address {SOCKET}")),
        ];
        let socket = Path::new(SOCKET);
        assert_eq!(shims(&all, socket), BTreeSet::from([10]));
        assert_eq!(containers(&all, socket), BTreeSet::from([11, 12, 13]));
    }

    #[test]
    fn this_process_is_read_and_is_no_shim() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let all = processes().expect("/proc");
        let found = all.iter().find(|process| process.pid == own).expect("this process");
        assert!(!is_shim(found, Path::new(SOCKET)));
    }
}
