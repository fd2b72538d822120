//! Tokens of the API: made once, shown once, kept as their SHA-256.
//!
//! Each is a file of its own below `state_dir/tokens`, replaced atomically and
//! read again for every question, so a revoked one is void at once and without
//! a restart. The file of the last use is apart: whoever notes a use can never
//! write a revoked token back.
//!
//! A token has 256 random bits. One SHA-256 is enough for it: what slow hashes
//! protect is a text that people can think of.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::appliance::{Appliance, make_private_dir, note_file, replace_file};
use crate::{Error, Result};

/// What a token begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "odin_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
/// Tokens one machine may have: every request reads them all.
const MAXIMUM: usize = 100;
/// A use is noted no more often than this.
const NOTE_USE_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// How long the disk is waited for when a token is looked up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time a token may be good for.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);
/// The name of the supervisor's own token for Prometheus.
pub(crate) const SCRAPE: &str = "prometheus";

/// What a token lets its holder read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// `/api/v1` and the page.
    Read,
    /// `/metrics`.
    Metrics,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Metrics => "metrics",
        })
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "metrics" => Ok(Self::Metrics),
            _ => Err("it is `read` or `metrics`".to_owned()),
        }
    }
}

/// A token, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    /// Name, unique on the machine.
    pub name: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// SHA-256 of the token in hexadecimal.
    pub(crate) sha256: String,
    /// Another token that is good for the same until the time: the one before,
    /// while whoever has it gets the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Before>,
}

/// The token before a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Before {
    sha256: String,
    until: Timestamp,
}

/// Why a token is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody was given it, or it was revoked.
    Unknown,
    /// It was good.
    Expired { name: String },
    /// It is good for something else.
    Scope { name: String, has: Scope },
}

/// The tokens of a machine.
#[derive(Clone, Debug)]
pub struct Tokens {
    directory: PathBuf,
    /// When a use was noted, or could not be.
    noted: Arc<Mutex<HashMap<String, Timestamp>>>,
}

impl Tokens {
    /// The tokens of an appliance; nothing is read yet.
    #[must_use]
    pub fn of(appliance: &Appliance) -> Self {
        Self::at(appliance.config.host.state_dir.join("tokens"))
    }

    fn at(directory: PathBuf) -> Self {
        Self { directory, noted: Arc::default() }
    }

    /// Makes a token and gives it, the only time.
    ///
    /// # Errors
    /// When the name is none or taken, the time too long, or it cannot be kept.
    pub fn create(
        &self,
        name: &str,
        scope: Scope,
        expires_in: SignedDuration,
        now: Timestamp,
    ) -> Result<(Token, String)> {
        let refused = |reason: String, hint| Error::Token { name: name.to_owned(), reason, hint };
        if !is_name(name) || name == SCRAPE {
            return Err(refused(
                format!("a name has 1 to 63 of a-z, 0-9 and -, and is not {SCRAPE:?}"),
                "give it another name, for example laptop",
            ));
        }
        if !(SignedDuration::from_secs(1)..=LONGEST).contains(&expires_in) {
            return Err(refused("it may be good for up to 366 days".to_owned(), "give --expires 90d"));
        }
        let present = self.list()?;
        if present.iter().any(|token| token.name == name) {
            return Err(refused(
                "there is one of this name".to_owned(),
                "revoke it first, or give another name",
            ));
        }
        if present.len() >= MAXIMUM {
            return Err(refused(
                format!("there are {MAXIMUM} tokens already"),
                "revoke some: `odin token list` shows their last use",
            ));
        }
        // A use of an earlier one of this name is none of this one.
        crate::records::remove(&self.directory.join(format!("{name}.used")))?;
        let secret = random(&self.directory)?;
        let token = Token {
            name: name.to_owned(),
            scope,
            created: now,
            expires: now + expires_in,
            sha256: digest(&secret),
            before: None,
        };
        self.keep(&token)?;
        Ok((token, secret))
    }

    /// Makes another value for the supervisor's own token. The one before it
    /// stays good until `overlap`.
    pub(crate) fn rotate_scrape(
        &self,
        now: Timestamp,
        expires: Timestamp,
        overlap: Timestamp,
    ) -> Result<String> {
        let before = self.read(&self.file(SCRAPE)).map(|old| Before { sha256: old.sha256, until: overlap });
        let secret = random(&self.directory)?;
        let token = Token {
            name: SCRAPE.to_owned(),
            scope: Scope::Metrics,
            created: now,
            expires,
            sha256: digest(&secret),
            before,
        };
        self.keep(&token)?;
        Ok(secret)
    }

    /// The supervisor's own token, when `secret` is its value.
    pub(crate) fn is_scrape(&self, secret: &str) -> Option<Token> {
        let token = self.read(&self.file(SCRAPE))?;
        (token.sha256 == digest(secret)).then_some(token)
    }

    /// All tokens, ordered by name.
    ///
    /// # Errors
    /// When the directory is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Token>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::state("read", &self.directory)(error)),
        };
        let mut tokens: Vec<Token> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| self.read(&path))
            .collect();
        tokens.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(tokens)
    }

    /// When a token was used last; to the minute.
    #[must_use]
    pub fn last_used(&self, name: &str) -> Option<Timestamp> {
        fs::read_to_string(self.directory.join(format!("{name}.used"))).ok()?.trim().parse().ok()
    }

    /// Makes a token void at once.
    ///
    /// # Errors
    /// When there is none of this name, or its file cannot be removed.
    pub fn revoke(&self, name: &str) -> Result<()> {
        let path = self.file(name);
        if !is_name(name) || !path.exists() {
            return Err(Error::Token {
                name: name.to_owned(),
                reason: "there is none of this name".to_owned(),
                hint: "`odin token list` shows them",
            });
        }
        fs::remove_file(&path).map_err(Error::state("remove", &path))?;
        crate::records::remove(&self.directory.join(format!("{name}.used")))
    }

    /// As [`Tokens::check`], apart from what else is answered meanwhile: it
    /// reads every token. None when the disk does not answer in time.
    pub(crate) async fn ask(
        &self,
        secret: &str,
        scope: Scope,
        now: Timestamp,
    ) -> Option<std::result::Result<Token, Refusal>> {
        let (tokens, secret) = (self.clone(), secret.to_owned());
        let asked = tokio::task::spawn_blocking(move || tokens.check(&secret, scope, now));
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }

    /// Whether `secret` is good for `scope` now, and notes the use. What cannot
    /// be a token is refused before any is read.
    ///
    /// Every token is compared, each in constant time: how long it takes tells
    /// nothing of which one it is.
    pub(crate) fn check(
        &self,
        secret: &str,
        scope: Scope,
        now: Timestamp,
    ) -> std::result::Result<Token, Refusal> {
        if !is_token(secret) {
            return Err(Refusal::Unknown);
        }
        let given = digest(secret);
        let is = |kept: &str| bool::from(kept.as_bytes().ct_eq(given.as_bytes()));
        let mut found = None;
        for token in self.list().unwrap_or_default() {
            let by_before =
                token.before.as_ref().is_some_and(|before| is(&before.sha256) & (now < before.until));
            if is(&token.sha256) | by_before {
                found = Some(token);
            }
        }
        let token = found.ok_or(Refusal::Unknown)?;
        if now >= token.expires {
            return Err(Refusal::Expired { name: token.name });
        }
        if token.scope != scope {
            return Err(Refusal::Scope { name: token.name, has: token.scope });
        }
        self.note_use(&token.name, now);
        Ok(token)
    }

    fn note_use(&self, name: &str, now: Timestamp) {
        let is_recent = |last: Timestamp| now.duration_since(last).abs() < NOTE_USE_EVERY;
        {
            // Also of a note that could not be written: not with every request.
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(name).copied().is_some_and(is_recent) {
                return;
            }
            noted.retain(|_, last| is_recent(*last));
            noted.insert(name.to_owned(), now);
        }
        if self.last_used(name).is_some_and(is_recent) {
            return;
        }
        let path = self.directory.join(format!("{name}.used"));
        if let Err(error) = note_file(&path, now.to_string().as_bytes()) {
            tracing::warn!(%error, "cannot note that a token was used");
        }
    }

    fn keep(&self, token: &Token) -> Result<()> {
        let path = self.file(&token.name);
        let text = serde_json::to_vec(token).map_err(|error| Error::state("write", &path)(error.into()))?;
        replace_file(&path, &text)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    fn read(&self, path: &Path) -> Option<Token> {
        let text = fs::read(path).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a token is damaged"))
            .ok()
    }
}

/// Whether a text can name a token, and so a file.
fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a text has the form of a token.
fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == 2 * RANDOM_BYTES && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random(directory: &Path) -> Result<String> {
    make_private_dir(directory)?;
    let mut bytes = [0; RANDOM_BYTES];
    let source = Path::new("/dev/urandom");
    fs::File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::state("read", source))?;
    Ok(bytes.iter().fold(PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

#[cfg(test)]
mod tests;
