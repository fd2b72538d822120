//! XIDs in the kernel's log.
//!
//! The driver writes `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=...`
//! (NVIDIA, "XID Errors", section "Viewing Xid Error Messages").

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// One XID of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelXid {
    /// Domain, bus and device, lower case: `0000:3b:00`.
    pub(crate) address: String,
    pub(crate) xid: u64,
    /// Time since boot at which it was written, when the record tells.
    pub(crate) written: Option<Duration>,
}

/// Reads the log at `path`, with what it still holds, and tells every XID until
/// it cannot be read. A record that was overwritten before it was read is passed over, as
/// `/dev/kmsg` says with EPIPE.
pub(crate) fn follow(path: &Path, mut tell: impl FnMut(KernelXid)) -> std::io::Result<()> {
    let mut log = File::open(path)?;
    // One read gives one record; the kernel's are shorter than 8 KiB.
    let mut record = vec![0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                text.lines().filter_map(parse).for_each(&mut tell);
            }
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Finds an XID in one line.
pub(crate) fn parse(line: &str) -> Option<KernelXid> {
    let (_, after) = line.split_once("NVRM: Xid (PCI:")?;
    let (address, after) = after.split_once(')')?;
    let digits: String =
        after.trim_start_matches([':', ' ']).chars().take_while(char::is_ascii_digit).collect();
    Some(KernelXid { address: short_address(address), xid: digits.parse().ok()?, written: written(line) })
}

/// Third field of a record of `/dev/kmsg`: microseconds since boot.
fn written(line: &str) -> Option<Duration> {
    let (prefix, _) = line.split_once(';')?;
    prefix.split(',').nth(2)?.parse().ok().map(Duration::from_micros)
}

/// Domain, bus and device of a PCI address, comparable between NVML
/// (`00000000:3B:00.0`) and the kernel (`0000:3b:00`).
pub(crate) fn short_address(address: &str) -> String {
    let address = address.to_ascii_lowercase();
    let address = address.split('.').next().unwrap_or_default();
    let mut parts: Vec<&str> = address.split(':').collect();
    if let Some(domain) = parts.first_mut()
        && domain.len() > 4
    {
        *domain = domain.get(domain.len() - 4..).unwrap_or(domain);
    }
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xids_are_found_in_every_form_of_the_line() {
        let cases = [
            ("6,1234,99;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.", Some(79)),
            ("NVRM: Xid (PCI:0000:3b:00): 13, Graphics SM Warp Exception", Some(13)),
            ("NVRM: Xid (PCI:0000:3b:00): 119", Some(119)),
            ("NVRM: Xid (PCI:0000:3b:00): x", None),
            ("NVRM: GPU at PCI:0000:3b:00: GPU-1", None),
            ("", None),
        ];
        for (line, xid) in cases {
            let found = parse(line);
            assert_eq!(found.as_ref().map(|found| found.xid), xid, "{line}");
            assert!(found.is_none_or(|found| found.address == "0000:3b:00"), "{line}");
        }
    }

    #[test]
    fn a_record_tells_when_it_was_written() {
        let line = "6,1234,99000000,-;NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.";
        assert_eq!(parse(line).and_then(|xid| xid.written), Some(Duration::from_secs(99)));
        assert_eq!(parse("NVRM: Xid (PCI:0000:3b:00): 79").and_then(|xid| xid.written), None);
    }

    #[test]
    fn addresses_of_nvml_and_kernel_are_the_same() {
        assert_eq!(short_address("00000000:3B:00.0"), "0000:3b:00");
        assert_eq!(short_address("0000:3b:00"), "0000:3b:00");
        assert_eq!(short_address("00000001:0A:00.0"), "0001:0a:00");
    }

    #[test]
    fn a_log_is_read_to_its_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("kmsg");
        std::fs::write(&log, "a\nNVRM: Xid (PCI:0000:01:00): 48, x\nNVRM: Xid (PCI:0000:01:00): 63, x\n")
            .expect("a file");
        let mut seen = Vec::new();
        follow(&log, |xid| seen.push(xid.xid)).expect("readable");
        assert_eq!(seen, [48, 63]);
    }
}
