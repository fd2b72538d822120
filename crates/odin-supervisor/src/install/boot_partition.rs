//! The boot partition of a disk that was just written: found in its partition
//! table and written to as the FAT it is, without the kernel, which still knows
//! the partitions of before.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use fatfs::{FileSystem, FsOptions};
use fscommon::StreamSlice;

use super::SITE_FILE;
use super::seed::Seed;
use crate::{Error, Result};

/// Bytes of a block. The image is made for this size, so a disk it boots from
/// has it.
const BLOCK: u64 = 512;
/// Type of the EFI system partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as it
/// lies on the disk (UEFI specification, 5.3.3 and appendix A).
const ESP: [u8; 16] = *b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
/// No table has more entries; a damaged one could name any number.
const ENTRIES: u32 = 1024;

/// Puts the host's own values on the boot partition of the disk.
///
/// # Errors
/// When the disk has no boot partition, or it cannot be written.
pub fn plant(disk: &Path, seed: &Seed) -> Result<()> {
    let failed = || Error::state("write site.toml to the boot partition of", disk);
    let mut device = OpenOptions::new().read(true).write(true).open(disk).map_err(failed())?;
    let (begin, end) = find(&mut device).map_err(failed())?.ok_or_else(|| Error::Host {
        action: format!("write site.toml to {}", disk.display()),
        reason: "the image has no EFI system partition".to_owned(),
        hint: "use the image this project builds",
    })?;
    let partition = device.try_clone().and_then(|device| StreamSlice::new(device, begin, end));
    partition.and_then(|partition| write(partition, &seed.site)).map_err(failed())?;
    device.sync_all().map_err(failed())
}

fn write(partition: impl Read + Write + Seek, site: &str) -> std::io::Result<()> {
    let boot = FileSystem::new(partition, FsOptions::new())?;
    {
        // Not in a directory: those that fatfs 0.3 makes have long names for
        // their "." and "..", which fsck.vfat takes for damage.
        let mut file = boot.root_dir().create_file(SITE_FILE)?;
        file.truncate()?;
        file.write_all(site.as_bytes())?;
        file.flush()?;
    }
    boot.unmount()
}

/// Where the EFI system partition begins and ends, in bytes; none when the
/// disk's GUID partition table (UEFI specification, 5.3) has none.
fn find(disk: &mut (impl Read + Seek)) -> std::io::Result<Option<(u64, u64)>> {
    let mut header = [0; 92];
    disk.seek(SeekFrom::Start(BLOCK))?;
    disk.read_exact(&mut header)?;
    if !header.starts_with(b"EFI PART") {
        return Ok(None);
    }
    let (table, count, size) = (long(&header, 72), word(&header, 80), word(&header, 84));
    // 128 times a power of two; only the first 48 bytes are of interest.
    if size < 128 || count > ENTRIES {
        return Ok(None);
    }
    for number in 0..u64::from(count) {
        let mut entry = [0; 48];
        let place = table.saturating_mul(BLOCK).saturating_add(number.saturating_mul(u64::from(size)));
        disk.seek(SeekFrom::Start(place))?;
        disk.read_exact(&mut entry)?;
        let (first, last) = (long(&entry, 32), long(&entry, 40));
        if entry.starts_with(&ESP) && first <= last {
            return Ok(Some((first.saturating_mul(BLOCK), last.saturating_add(1).saturating_mul(BLOCK))));
        }
    }
    Ok(None)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u64::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        Seed { origin: "/dev/sdb".into(), site: "[host]\nname = \"gpu-01\"\n".into(), install: None }
    }

    #[test]
    fn a_disk_without_a_boot_partition_is_refused_and_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = directory.path().join("disk");
        // No table, a table of absurd size, and one whose entries are of another type.
        let mut absurd = vec![0; 8192];
        absurd[512..520].copy_from_slice(b"EFI PART");
        absurd[584] = 2;
        absurd[592..600].fill(0xff);
        let mut foreign = absurd.clone();
        foreign[592..600].copy_from_slice(&[4, 0, 0, 0, 128, 0, 0, 0]);
        foreign[1024..1040].fill(7);
        for content in [vec![0; 8192], absurd, foreign] {
            std::fs::write(&disk, &content).expect("a disk");
            let error = plant(&disk, &seed()).expect_err("no boot partition");
            assert!(error.to_string().contains("no EFI system partition"), "{error}");
            assert_eq!(std::fs::read(&disk).expect("a disk"), content);
        }
        // A boot partition that is no FAT, and a disk that ends too early.
        let mut empty = vec![0; 8192];
        empty[512..520].copy_from_slice(b"EFI PART");
        empty[584] = 2;
        empty[592..600].copy_from_slice(&[4, 0, 0, 0, 128, 0, 0, 0]);
        empty[1024..1040].copy_from_slice(&ESP);
        empty[1056] = 4;
        empty[1064] = 15;
        for length in [8192, 1000] {
            std::fs::write(&disk, &empty[..length]).expect("a disk");
            assert!(plant(&disk, &seed()).is_err());
        }
    }
}
