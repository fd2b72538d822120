//! GPUs against the baseline: as many, as fast, and no new errors.
//!
//! The port is small on purpose. Its implementation here asks `nvidia-smi`,
//! which comes with every driver; names of the fields are those of
//! `nvidia-smi --help-query-gpu`.

use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// One GPU, as far as an upgrade can make it worse.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gpu {
    /// Its UUID, the same after a reboot.
    pub uuid: String,
    /// Product name.
    pub name: String,
    /// PCIe generation it can reach here.
    pub pcie_generation: Option<u64>,
    /// PCIe lanes it can use here.
    pub pcie_width: Option<u64>,
    /// Highest clock of its processors, in MHz.
    pub clock: Option<u64>,
    /// Memory, in MiB.
    pub memory: Option<u64>,
    /// Errors that ECC could not correct, over its life.
    pub ecc_errors: Option<u64>,
}

/// Looks at the GPUs of the machine.
pub trait Gpus: Send + Sync {
    /// The GPUs; an empty list on a machine without a driver.
    ///
    /// # Errors
    /// In words, when there is a driver and it does not answer.
    fn look(&self) -> Result<Vec<Gpu>, String>;
    /// Faults the driver reported since the boot, by XID.
    ///
    /// # Errors
    /// In words, when the kernel's log cannot be read.
    fn faults(&self) -> Result<Vec<u64>, String>;
}

/// XIDs that an application causes and that say nothing about the machine:
/// those NVIDIA's device plugin ignores (k8s-device-plugin,
/// `internal/rm/health.go`).
const OF_APPLICATIONS: [u64; 6] = [13, 31, 43, 45, 68, 109];

/// What is worse than the baseline, each in words; empty when nothing is.
#[must_use]
pub fn worse(baseline: &[Gpu], now: &[Gpu], faults: &[u64]) -> Vec<String> {
    let mut found = Vec::new();
    for before in baseline {
        let Some(after) = now.iter().find(|gpu| gpu.uuid == before.uuid) else {
            found.push(format!("{} {} is gone", before.name, before.uuid));
            continue;
        };
        let shown =
            |value: Option<u64>| value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
        for (what, before_value, after_value) in [
            ("PCIe generation", before.pcie_generation, after.pcie_generation),
            ("PCIe width", before.pcie_width, after.pcie_width),
            ("highest clock", before.clock, after.clock),
            ("memory", before.memory, after.memory),
        ] {
            if before_value.is_some() && after_value < before_value {
                found.push(format!(
                    "{} {}: {what} is {}, it was {}",
                    before.name,
                    before.uuid,
                    shown(after_value),
                    shown(before_value)
                ));
            }
        }
        if after.ecc_errors.unwrap_or(0) > before.ecc_errors.unwrap_or(0) {
            found.push(format!(
                "{} {}: {} uncorrected ECC errors, there were {}",
                before.name,
                before.uuid,
                shown(after.ecc_errors),
                before.ecc_errors.unwrap_or(0)
            ));
        }
    }
    let mut faults: Vec<u64> = faults.iter().filter(|xid| !OF_APPLICATIONS.contains(xid)).copied().collect();
    faults.sort_unstable();
    faults.dedup();
    found.extend(faults.iter().map(|xid| format!("the driver reported XID {xid} since the boot")));
    found
}

/// GPUs as `nvidia-smi` and the kernel's log tell them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NvidiaSmi;

const FIELDS: &str = "uuid,name,pcie.link.gen.max,pcie.link.width.max,clocks.max.sm,memory.total,\
                      ecc.errors.uncorrected.aggregate.total";

impl Gpus for NvidiaSmi {
    fn look(&self) -> Result<Vec<Gpu>, String> {
        // Units of NixOS have a path of their own, without the system's.
        for program in ["nvidia-smi", "/run/current-system/sw/bin/nvidia-smi"] {
            let asked = Command::new(program)
                .args([&format!("--query-gpu={FIELDS}"), "--format=csv,noheader,nounits"])
                .stdin(Stdio::null())
                .output();
            match asked {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{program} cannot be run: {error}")),
                Ok(done) if done.status.success() => return parse(&String::from_utf8_lossy(&done.stdout)),
                // It tells on standard output what is wrong.
                Ok(done) => {
                    let said = String::from_utf8_lossy(&done.stdout);
                    return Err(format!("nvidia-smi: {} ({})", said.trim().replace('\n', "; "), done.status));
                }
            }
        }
        Ok(Vec::new())
    }

    fn faults(&self) -> Result<Vec<u64>, String> {
        let done = Command::new("journalctl")
            .args(["--boot", "--dmesg", "--output=cat", "--no-pager", "--quiet"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("journalctl cannot be run: {error}"))?;
        Ok(xids(&String::from_utf8_lossy(&done.stdout)))
    }
}

fn parse(text: &str) -> Result<Vec<Gpu>, String> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [uuid, name, generation, width, clock, memory, errors] = fields[..] else {
                return Err(format!("nvidia-smi printed {} fields in place of 7: {line}", fields.len()));
            };
            // "[N/A]" and "[Not Supported]" are no numbers.
            let number = |text: &str| text.parse().ok();
            Ok(Gpu {
                uuid: uuid.to_owned(),
                name: name.to_owned(),
                pcie_generation: number(generation),
                pcie_width: number(width),
                clock: number(clock),
                memory: number(memory),
                ecc_errors: number(errors),
            })
        })
        .collect()
}

/// `NVRM: Xid (PCI:0000:3b:00): 79, pid=...` (NVIDIA, "XID Errors").
fn xids(log: &str) -> Vec<u64> {
    log.lines()
        .filter_map(|line| line.split_once("NVRM: Xid (")?.1.split_once("): "))
        .filter_map(|(_, rest)| rest.split(|next: char| !next.is_ascii_digit()).next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "GPU-aa, NVIDIA H100 80GB HBM3, 5, 16, 1980, 81559, 0\n\
                       GPU-bb, NVIDIA H100 80GB HBM3, 5, 16, 1980, 81559, [N/A]\n";

    #[test]
    fn every_way_to_be_worse_is_told_and_nothing_else() {
        let baseline = parse(TWO).expect("two");
        assert_eq!(baseline.len(), 2);
        let cases = [
            (TWO.to_owned(), vec![], vec![]),
            (TWO.replace("GPU-bb, ", "GPU-cc, "), vec![], vec!["GPU-bb is gone"]),
            (TWO.replacen("5, 16", "5, 8", 1), vec![], vec!["GPU-aa: PCIe width is 8, it was 16"]),
            (TWO.replacen("5, 16", "4, 16", 1), vec![], vec!["PCIe generation is 4"]),
            (TWO.replacen("1980", "[N/A]", 1), vec![], vec!["highest clock is unknown, it was 1980"]),
            (TWO.replacen("81559, 0", "81559, 3", 1), vec![], vec!["3 uncorrected ECC errors"]),
            (TWO.to_owned(), vec![79, 13, 79], vec!["XID 79"]),
        ];
        for (text, faults, expected) in cases {
            let found = worse(&baseline, &parse(&text).expect("two"), &faults);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(expected.iter().all(|words| found.iter().any(|line| line.contains(words))), "{found:?}");
        }
    }

    #[test]
    fn the_kernels_log_names_the_faults() {
        let log = "usb 1-1: new device\nNVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', GPU has fallen off\n\
                   [ 3.1] NVRM: Xid (PCI:0000:5e:00): 31, pid=99\n";
        assert_eq!(xids(log), [79, 31]);
    }

    #[test]
    fn what_is_no_list_of_gpus_is_an_error() {
        assert!(parse("NVIDIA-SMI has failed").is_err());
        assert_eq!(parse("").expect("none"), []);
    }
}
