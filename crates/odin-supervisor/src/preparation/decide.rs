//! What is to be done, as a pure function of what is declared and what is there.

use std::path::{Path, PathBuf};

use odin_backup::engine::rustic::Found;
use odin_model::config::{Backup, Site};

use super::HOSTNAME;
use super::look::{MARK, Place, Seen};

/// What there is to do for one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// This.
    Do { action: Action, words: String },
    /// Nothing, and why.
    Unchanged(String),
    /// Nothing, although something else is declared.
    Left(String),
    /// Nothing, although something has to be done, and by a person.
    Refused { reason: String, hint: Option<String> },
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The keys, for sshd.
    WriteKeys { file: PathBuf, content: String },
    /// The host name: to the kernel, and to its file where there is a content.
    Name { name: String, content: Option<String> },
    /// A password for a repository that is still to be made.
    MakePassword { file: PathBuf },
}

/// The host's own values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    /// `site.toml` and where it lies; absent where the host has none.
    pub(super) site: Option<(&'a Site, &'a Path)>,
    /// Where the state directory should be mounted and is not. The values are
    /// then those of the installation: good for what is absent, and not for
    /// what was changed since.
    pub(super) missing: Option<&'a Path>,
}

const NO_SITE: &str = "there is no site.toml";

/// The keys of `site.toml` in the file that is declared for them.
pub(super) fn keys(declared: Option<(&Path, &Seen)>, values: &Values<'_>) -> Decision {
    let Some((site, origin)) = values.site else { return Decision::Unchanged(NO_SITE.to_owned()) };
    let keys = &site.access.authorized_keys;
    let Some((file, seen)) = declared else {
        if keys.is_empty() {
            return Decision::Unchanged("no keys are declared".to_owned());
        }
        return Decision::Refused {
            reason: format!(
                "{} has {}, and access.keys-file is not declared",
                origin.display(),
                keys_in_words(keys)
            ),
            hint: Some("declare the file that sshd reads as access.keys-file in odin.toml".to_owned()),
        };
    };
    let (name, origin) = (file.display(), origin.display());
    let content = format!(
        "{MARK}access.authorized-keys of site.toml, anew at every boot; without this line it is yours.\n{}",
        keys.iter().map(|key| format!("{key}\n")).collect::<String>()
    );
    match seen {
        Seen::Absent if keys.is_empty() => Decision::Unchanged(format!("{origin} has no keys")),
        Seen::Own { content: found, mode: 0o644 } if *found == content => {
            Decision::Unchanged(format!("{name} has {}", keys_in_words(keys)))
        }
        Seen::Own { .. } if values.missing.is_some() => Decision::Left(unsure(file, values)),
        Seen::Absent | Seen::Own { .. } => Decision::Do {
            action: Action::WriteKeys { file: file.to_owned(), content },
            words: format!("{} of {origin} in {name}", keys_in_words(keys)),
        },
        Seen::Foreign { .. } | Seen::Link { .. } if keys.is_empty() => {
            Decision::Unchanged(format!("{name} is not ODIN's"))
        }
        Seen::Foreign { .. } | Seen::Link { .. } => Decision::Left(format!(
            "{name} was not written by ODIN and stays as it is; to have {} of {origin} there, remove it",
            keys_in_words(keys)
        )),
    }
}

/// The name of `site.toml` as the static host name, where nothing else gives
/// one.
pub(super) fn host_name(seen: &Seen, kernel: &str, values: &Values<'_>) -> Decision {
    let Some((site, origin)) = values.site else { return Decision::Unchanged(NO_SITE.to_owned()) };
    let Some(name) = &site.host.name else {
        return Decision::Unchanged(format!("{} has no host.name", origin.display()));
    };
    let wanted = format!("{MARK}host.name of site.toml, anew at every boot.\n{name}\n");
    let content = match seen {
        Seen::Own { content, .. } if *content == wanted => None,
        Seen::Own { .. } if values.missing.is_some() => {
            return Decision::Left(unsure(Path::new(HOSTNAME), values));
        }
        Seen::Absent | Seen::Own { .. } => Some(wanted),
        Seen::Foreign { content } | Seen::Link { content } => match static_name(content) {
            Some(declared) if declared == name => None,
            declared => {
                return Decision::Left(format!(
                    "{HOSTNAME} says {}, {} {name}: the former holds, because {}",
                    declared.unwrap_or("nothing"),
                    origin.display(),
                    match seen {
                        Seen::Link { .. } => "the configuration declares it",
                        _ => "it was not written by ODIN",
                    }
                ));
            }
        },
    };
    if content.is_none() && kernel == name {
        return Decision::Unchanged(format!("the host is {name}"));
    }
    let words = match content {
        Some(_) if kernel == name => format!("{name} in {HOSTNAME}"),
        Some(_) => format!("{name} in {HOSTNAME} and from now on; it was {kernel}"),
        None => format!("{name} from now on; it was {kernel}"),
    };
    Decision::Do { action: Action::Name { name: name.clone(), content }, words }
}

/// A password for the first repository of this machine.
///
/// Only below the state directory: a file elsewhere is another program's to
/// bring, and may lie in memory, where a password that was made here would be
/// gone with the next boot and all backups with it.
pub(super) fn password(declared: Option<(&Backup, &Place)>, state_dir: &Path) -> Decision {
    let Some((backup, place)) = declared else {
        return Decision::Unchanged("no [backup] is declared".to_owned());
    };
    let (file, repository) = (backup.password_file.display(), backup.repository.display());
    let bring = || format!("write the repository's password to {file} (chmod 600)");
    match place {
        Place::Taken => Decision::Unchanged(format!("{file} is there")),
        Place::Missing(_) | Place::Empty(_) if !backup.password_file.starts_with(state_dir) => {
            Decision::Left(format!(
                "{file} is absent, and ODIN makes none outside of {}; {}",
                state_dir.display(),
                bring()
            ))
        }
        Place::Missing(point) => Decision::Refused {
            reason: format!("nothing is mounted at {}, so no password is made", point.display()),
            hint: Some("mount it, then call `odin host apply`".to_owned()),
        },
        Place::Empty(Found::Nothing | Found::Unfinished) => Decision::Do {
            action: Action::MakePassword { file: backup.password_file.clone() },
            words: format!(
                "a new one in {file}; copy it away from the machine, without it no backup can be read"
            ),
        },
        Place::Empty(Found::Repository) => Decision::Refused {
            reason: format!(
                "{file} is absent and {repository} is a repository, which a new password would not open"
            ),
            hint: Some(format!("{}: the copy that was kept away from its machine", bring())),
        },
        Place::Empty(Found::Foreign(what)) => Decision::Refused {
            reason: format!("{repository} is no repository and none can be made there: {what}"),
            hint: Some(
                "name an absent or empty directory as backup.repository, then call `odin host apply`"
                    .to_owned(),
            ),
        },
    }
}

/// The name in /etc/hostname: its first line that is no comment (hostname(5)).
fn static_name(content: &str) -> Option<&str> {
    content.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

fn unsure(file: &Path, values: &Values<'_>) -> String {
    format!(
        "{} stays as it is: nothing is mounted at {}, so site.toml may be an old one",
        file.display(),
        values.missing.unwrap_or(Path::new("/")).display()
    )
}

fn keys_in_words(keys: &[String]) -> String {
    match keys.len() {
        0 => "no keys".to_owned(),
        1 => "1 key".to_owned(),
        count => format!("{count} keys"),
    }
}

#[cfg(test)]
mod tests;
