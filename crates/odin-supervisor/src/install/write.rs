//! Writes the image, reads it back and compares.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use odin_model::event::{Event, Observer, Unit};
use rustix::fs::{Advice, OFlags, fadvise};
use sha2::{Digest, Sha256};

use super::plan::Plan;
use crate::{Error, Result};

/// Bytes that are read and written at once.
const BLOCK: usize = 4 << 20;
/// The first bytes of a zstd frame (RFC 8878, 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Their SHA-256, of what was written and of what was read back.
    pub sha256: String,
}

/// Checks the image, writes it, reads it back and compares.
///
/// # Errors
/// When the image is not what its checksum says (nothing was written then), the
/// disk is in use, too small or fails, or reads back something else.
pub fn write(plan: &Plan, observer: &dyn Observer) -> Result<Written> {
    if let Some(expected) = &plan.sha256 {
        check_image(plan, expected, observer)?;
    }
    let flags = i32::try_from(OFlags::EXCL.bits()).unwrap_or(0);
    // Exclusive: the kernel refuses a disk that something on it uses.
    let mut disk = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(&plan.disk)
        .map_err(Error::state("open for writing, alone,", &plan.disk))?;
    let mut image = open(&plan.image)?;
    let failed = || Error::state("write", &plan.disk);
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut block = vec![0; BLOCK];
    loop {
        let filled = fill(&mut image, &mut block).map_err(Error::state("read the image", &plan.image))?;
        let Some(content) = block.get(..filled).filter(|content| !content.is_empty()) else { break };
        disk.write_all(content).map_err(failed())?;
        hash.update(content);
        bytes += filled as u64;
        tell(observer, "write", bytes, None);
    }
    disk.sync_all().map_err(failed())?;
    let written = hex(&hash.finalize());
    let read = read_back(&mut disk, &plan.disk, bytes, observer)?;
    if read != written {
        return Err(Error::Host {
            action: format!("write {} to {}", plan.image.display(), plan.disk.display()),
            reason: format!("the disk reads back something else: SHA-256 {read} in place of {written}"),
            hint: "the disk or its cable is failing: use another one",
        });
    }
    Ok(Written { bytes, sha256: written })
}

/// Opens an image; one compressed by zstd is decompressed while it is read.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let failed = || Error::state("read the image", path);
    let mut file = File::open(path).map_err(failed())?;
    let mut magic = [0; 4];
    let filled = fill(&mut file, &mut magic).map_err(failed())?;
    file.rewind().map_err(failed())?;
    let file = BufReader::with_capacity(BLOCK, file);
    if filled == magic.len() && magic == ZSTD {
        return Ok(Box::new(zstd::Decoder::with_buffer(file).map_err(failed())?));
    }
    Ok(Box::new(file))
}

fn check_image(plan: &Plan, expected: &str, observer: &dyn Observer) -> Result<()> {
    let mut image = File::open(&plan.image).map_err(Error::state("read the image", &plan.image))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        let filled = fill(&mut image, &mut block).map_err(Error::state("read the image", &plan.image))?;
        let Some(content) = block.get(..filled).filter(|content| !content.is_empty()) else { break };
        hash.update(content);
        bytes += filled as u64;
        tell(observer, "check the image", bytes, Some(plan.image_bytes));
    }
    let found = hex(&hash.finalize());
    if found == expected {
        return Ok(());
    }
    Err(Error::Host {
        action: format!("install {}", plan.image.display()),
        reason: format!("it is damaged: its SHA-256 is {found}, it should be {expected}"),
        hint: "copy the image again; nothing was written",
    })
}

/// Reads what the disk holds, not what the kernel remembers of it.
fn read_back(disk: &mut File, path: &Path, bytes: u64, observer: &dyn Observer) -> Result<String> {
    let failed = || Error::state("read back", path);
    fadvise(&*disk, 0, None, Advice::DontNeed).map_err(|error| failed()(error.into()))?;
    disk.rewind().map_err(failed())?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let Some(content) = block.get_mut(..wanted) else { break };
        disk.read_exact(content).map_err(failed())?;
        hash.update(&*content);
        left -= wanted as u64;
        tell(observer, "read back", bytes - left, Some(bytes));
    }
    Ok(hex(&hash.finalize()))
}

/// Reads until the buffer is full or the source has ended.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn tell(observer: &dyn Observer, task: &str, done: u64, total: Option<u64>) {
    observer.event(Event::Progress { task: task.to_owned(), done, total, unit: Unit::Bytes });
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use odin_model::event::Silent;

    use super::*;

    fn plan(directory: &Path, content: &[u8], disk_bytes: u64) -> Plan {
        let (image, disk) = (directory.join("odin.img"), directory.join("disk"));
        std::fs::write(&image, content).expect("an image");
        File::create(&disk).and_then(|disk| disk.set_len(disk_bytes)).expect("a disk");
        Plan {
            image_bytes: content.len() as u64,
            image,
            sha256: None,
            name: "S1".into(),
            disk,
            model: None,
            disk_bytes,
            contents: Vec::new(),
            seed: None,
            refusals: Vec::new(),
        }
    }

    fn content() -> Vec<u8> {
        (0..9_000_000_u32).map(|number| number.to_le_bytes()[1]).collect()
    }

    #[test]
    fn an_image_is_written_as_it_is_and_as_it_was_compressed() {
        let directory = tempfile::tempdir().expect("a directory");
        let content = content();
        let plain = plan(directory.path(), &content, 10_000_000);
        let written = write(&plain, &Silent).expect("written");
        assert_eq!(written.bytes, content.len() as u64);
        assert_eq!(written.sha256, hex(&Sha256::digest(&content)));
        let compressed = zstd::encode_all(&*content, 3).expect("compressed");
        let packed = plan(directory.path(), &compressed, 10_000_000);
        assert_eq!(write(&packed, &Silent).expect("written"), written);
        let on_disk = std::fs::read(&packed.disk).expect("a disk");
        assert!(on_disk.starts_with(&content));
    }

    #[test]
    fn a_damaged_image_writes_nothing_and_a_cut_one_fails() {
        let directory = tempfile::tempdir().expect("a directory");
        let content = content();
        let mut wrong = plan(directory.path(), &content, 10_000_000);
        wrong.sha256 = Some("ab".repeat(32));
        let error = write(&wrong, &Silent).expect_err("damaged");
        assert!(error.to_string().contains("it is damaged"), "{error}");
        assert!(std::fs::read(&wrong.disk).expect("a disk").iter().all(|byte| *byte == 0));
        let compressed = zstd::encode_all(&*content, 3).expect("compressed");
        let cut = plan(directory.path(), &compressed[..compressed.len() / 2], 10_000_000);
        assert!(write(&cut, &Silent).is_err());
    }
}
