//! What an installation would write where.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disks::{self, Device, Rule};
use super::seed::Seed;
use crate::{Error, Result};

/// What is wished.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The image, raw or compressed by zstd.
    pub image: PathBuf,
    /// SHA-256 of the image's file, where it is known.
    pub sha256: Option<String>,
    /// Which disk.
    pub disk: Rule,
    /// The disk whose data may go, by the name the plan shows.
    pub erase: Option<String>,
    /// The host's own values.
    pub seed: Option<Seed>,
}

/// What would be written where.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The image.
    pub image: PathBuf,
    /// Bytes of its file.
    pub image_bytes: u64,
    /// SHA-256 its file must have, where it is known.
    pub sha256: Option<String>,
    /// The disk.
    pub disk: PathBuf,
    /// What to type to have its data erased: serial number, or path.
    pub name: String,
    /// Its model.
    pub model: Option<String>,
    /// Its bytes.
    pub disk_bytes: u64,
    /// What lies on it.
    pub contents: Vec<String>,
    /// Where the host's own values come from.
    pub seed: Option<PathBuf>,
    /// Why it would be refused; empty when it would not.
    pub refusals: Vec<String>,
}

/// Looks at the machine and plans.
///
/// # Errors
/// When no disk is meant, or image or disk cannot be looked at.
pub fn plan(wish: &Wish) -> Result<Plan> {
    let devices = disks::list()?;
    let disk = disks::pick(&devices, &wish.disk)?;
    let image_bytes =
        std::fs::metadata(&wish.image).map_err(Error::state("read the image", &wish.image))?.len();
    let sha256 = match &wish.sha256 {
        Some(sha256) => Some(sha256.to_ascii_lowercase()),
        None => beside(&wish.image)?,
    };
    let mut contents = disk.contents();
    if contents.is_empty() {
        contents = disks::signatures(disk)?;
    }
    Ok(Plan {
        image: wish.image.clone(),
        image_bytes,
        sha256,
        disk: disk.path.clone(),
        name: disk.name(),
        model: disk.model.clone(),
        disk_bytes: disk.size.unwrap_or(0),
        refusals: refusals(disk, &contents, image_bytes, wish.erase.as_deref()),
        seed: wish.seed.as_ref().map(|seed| seed.origin.clone()),
        contents,
    })
}

/// Why this disk is not written to.
fn refusals(disk: &Device, contents: &[String], image_bytes: u64, erase: Option<&str>) -> Vec<String> {
    let mut refusals = Vec::new();
    let mounts = disk.mounts();
    if !mounts.is_empty() {
        // No word opens this: it is what runs at this moment.
        refusals.push(format!("it is in use: mounted at {}", mounts.join(", ")));
    }
    if disk.ro {
        refusals.push("it takes no writes".to_owned());
    }
    if disk.size.unwrap_or(0) < image_bytes {
        refusals
            .push(format!("it has {} bytes, the image has {image_bytes} or more", disk.size.unwrap_or(0)));
    }
    match erase {
        Some(named) if named != disk.name() => {
            refusals.push(format!("--erase names {named}, this disk is {}", disk.name()));
        }
        None if !contents.is_empty() => {
            refusals.push(format!("there is data on it; --erase {} gives it up", disk.name()));
        }
        _ => {}
    }
    refusals
}

/// The checksum in `IMAGE.sha256`, in the form of sha256sum(1).
fn beside(image: &Path) -> Result<Option<String>> {
    let mut name = image.as_os_str().to_owned();
    name.push(".sha256");
    let file = PathBuf::from(name);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::state("read", file)(error)),
    };
    let digest = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some(digest));
    }
    Err(Error::Host {
        action: format!("read {}", file.display()),
        reason: "it holds no SHA-256".to_owned(),
        hint: "make it with sha256sum, or remove it",
    })
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "image    {} ({} bytes), {}",
            self.image.display(),
            self.image_bytes,
            self.sha256.as_deref().map_or_else(
                || "no checksum beside it".to_owned(),
                |sha256| format!("SHA-256 {}", sha256.get(..12).unwrap_or(sha256))
            )
        )?;
        writeln!(
            formatter,
            "disk     {}  {}  {}, {} bytes",
            self.name,
            self.disk.display(),
            self.model.as_deref().unwrap_or("unknown model").trim(),
            self.disk_bytes
        )?;
        if self.contents.is_empty() {
            writeln!(formatter, "on it    nothing that is known")?;
        }
        for found in &self.contents {
            writeln!(formatter, "ERASES   {found}")?;
        }
        match &self.seed {
            Some(seed) => writeln!(formatter, "seed     {}", seed.display())?,
            None => writeln!(formatter, "seed     none: the host has no values of its own yet")?,
        }
        for refusal in &self.refusals {
            writeln!(formatter, "REFUSED  {refusal}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(kind: &str) -> Device {
        serde_json::from_str(kind).expect("a device")
    }

    #[test]
    fn every_reason_to_leave_a_disk_alone_is_told() {
        let empty =
            disk(r#"{"path":"/dev/sda","size":1000,"serial":"S1","type":"disk","mountpoints":[null]}"#);
        let used = disk(
            r#"{"path":"/dev/sdb","size":10,"type":"disk","ro":true,"children":
                [{"path":"/dev/sdb1","type":"part","mountpoints":["/data"]}]}"#,
        );
        let data = ["ext4".to_owned()];
        type Case<'a> = (&'a Device, &'a [String], Option<&'a str>, &'a [&'a str]);
        let cases: [Case<'_>; 6] = [
            (&empty, &[], None, &[]),
            (&empty, &data, None, &["there is data on it; --erase S1"]),
            (&empty, &data, Some("S1"), &[]),
            (&empty, &data, Some("S2"), &["--erase names S2, this disk is S1"]),
            (&used, &data, Some("/dev/sdb"), &["mounted at /data", "no writes", "10 bytes"]),
            (&empty, &[], Some("S2"), &["--erase names S2"]),
        ];
        for (disk, contents, erase, expected) in cases {
            let found = refusals(disk, contents, 100, erase);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, words) in found.iter().zip(expected) {
                assert!(found.contains(words), "{found}");
            }
        }
    }

    #[test]
    fn a_checksum_beside_the_image_is_read_and_a_wrong_one_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let image = directory.path().join("odin.img");
        assert_eq!(beside(&image).expect("none"), None);
        let digest = "ab".repeat(32);
        let file = directory.path().join("odin.img.sha256");
        std::fs::write(&file, format!("{}  odin.img\n", digest.to_uppercase())).expect("a file");
        assert_eq!(beside(&image).expect("one"), Some(digest));
        std::fs::write(&file, "no digest").expect("a file");
        assert!(beside(&image).expect_err("none").to_string().contains("odin.img.sha256"));
    }
}
