//! Entries of the boot menu, as `bootctl list --json=short` shows them.
//!
//! Entries are found by the system they boot (`init=SYSTEM/init` among their
//! options, which NixOS' installer of systemd-boot writes for every one), not
//! by their names, which differ between releases of NixOS. `isDefault` cannot
//! tell what the default is while an entry is set for the next boot: systemd's
//! `bootspec.c` shows that one in its place.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its id, for example `nixos-generation-41.conf`.
    pub id: String,
    /// The kernel's command line.
    #[serde(default)]
    pub options: Option<String>,
    /// Whether the next boot takes it.
    #[serde(default)]
    pub is_default: bool,
}

impl Entry {
    /// The system it boots; none where it boots something else.
    #[must_use]
    pub fn system(&self) -> Option<PathBuf> {
        let mut options = self.options.as_deref()?.split_ascii_whitespace();
        let init = Path::new(options.find_map(|option| option.strip_prefix("init="))?);
        init.ends_with("init").then(|| init.parent().map(Path::to_owned)).flatten()
    }

    /// Whether it boots this system (and not one of its specialisations).
    #[must_use]
    pub fn boots(&self, system: &Path) -> bool {
        self.system().as_deref() == Some(system)
    }
}

/// Reads what `bootctl` printed.
///
/// # Errors
/// In words, when it is not a list of entries.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    serde_json::from_str(text).map_err(|error| format!("its list of entries cannot be read: {error}"))
}

/// The profile of ODIN's own whose one generation is what a trial falls back
/// to. The installer of systemd-boot names entries
/// `nixos-PROFILE-generation-NUMBER.conf`.
pub const KNOWN_GOOD: &str = "odin-known-good";

/// The entry that boots a system. That of [`KNOWN_GOOD`] wins over another of
/// the same system: it stays in the menu however many generations are built
/// after it, while an entry of the system profile goes at its limit, and with
/// it the default that was set to it.
#[must_use]
pub fn find<'a>(entries: &'a [Entry], system: &Path) -> Option<&'a Entry> {
    let booting = || entries.iter().filter(|entry| entry.boots(system));
    let lasting = |entry: &&Entry| entry.id.contains(KNOWN_GOOD);
    booting().find(lasting).or_else(|| booting().find(|entry| entry.is_default)).or_else(|| booting().next())
}

/// The entry that the next boot takes; none when the boot loader does not tell.
#[must_use]
pub fn default(entries: &[Entry]) -> Option<&Entry> {
    entries.iter().find(|entry| entry.is_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields as systemd's `bootspec.c` writes them.
    const LIST: &str = r#"[
      {"type":"type1","source":"esp","id":"nixos-generation-5.conf","path":"/boot/loader/entries/nixos-generation-5.conf",
       "root":"/boot","title":"NixOS","showTitle":"NixOS (Generation 5)","sortKey":"nixos","version":"Generation 5",
       "options":"init=/nix/store/bbbb-nixos-system-box/init panic=10","linux":"/EFI/nixos/k.efi","initrd":["/EFI/nixos/i.efi"],
       "isReported":true,"isDefault":false,"isSelected":false},
      {"type":"type1","source":"esp","id":"nixos-generation-4.conf","options":"panic=10 init=/nix/store/aaaa-nixos-system-box/init",
       "isReported":true,"isDefault":true,"isSelected":true},
      {"type":"type1","source":"esp","id":"nixos-generation-4-specialisation-debug.conf",
       "options":"init=/nix/store/aaaa-nixos-system-box/specialisation/debug/init"},
      {"type":"auto","source":"esp","id":"auto-reboot-to-firmware-setup","isReported":true}
    ]"#;

    #[test]
    fn an_entry_is_found_by_the_system_it_boots() {
        let entries = parse(LIST).expect("a list");
        let id = |system: &str| find(&entries, Path::new(system)).map(|entry| entry.id.as_str());
        assert_eq!(id("/nix/store/aaaa-nixos-system-box"), Some("nixos-generation-4.conf"));
        assert_eq!(id("/nix/store/bbbb-nixos-system-box"), Some("nixos-generation-5.conf"));
        assert_eq!(id("/nix/store/cccc-nixos-system-box"), None);
        let systems: Vec<_> = entries.iter().map(Entry::system).collect();
        assert_eq!(systems[1], Some("/nix/store/aaaa-nixos-system-box".into()));
        assert_eq!(systems[2], Some("/nix/store/aaaa-nixos-system-box/specialisation/debug".into()));
        assert_eq!(systems[3], None);
    }

    #[test]
    fn of_several_entries_of_one_system_the_lasting_one_is_taken_then_the_default() {
        let entry = |id: &str, is_default| Entry {
            id: id.into(),
            options: Some("init=/nix/store/aaaa/init".into()),
            is_default,
        };
        let (system, lasting) = (Path::new("/nix/store/aaaa"), "nixos-odin-known-good-generation-2.conf");
        let entries = [entry("one", false), entry("two", true), entry(lasting, false)];
        assert_eq!(find(&entries, system).map(|entry| &*entry.id), Some(lasting));
        assert_eq!(find(&entries[..2], system).map(|entry| &*entry.id), Some("two"));
        assert_eq!(default(&entries).map(|entry| &*entry.id), Some("two"));
        assert_eq!(default(&entries[..1]), None);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        assert!(parse("Couldn't find EFI system partition.").is_err());
    }
}
