//! The repository password, from a file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Error, Result};

/// Longest password file that is read.
const LONGEST: u64 = 4096;

/// A password; never shown.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Wraps a password that came from elsewhere than a file.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the first line of a file that nobody but its owner can read.
    ///
    /// # Errors
    ///
    /// Where the file is absent, open to others, empty, too long or no text.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::PasswordFile { path: path.to_path_buf(), reason };
        let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| refuse(error.to_string()))?;
        if !metadata.is_file() {
            return Err(refuse("it is not a regular file".into()));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(refuse(format!(
                "its mode is {:o}, so others than its owner can read it",
                metadata.mode() & 0o777
            )));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
            return Err(refuse(format!("it is longer than {LONGEST} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not text in UTF-8".into()))?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(refuse("its first line is empty".into()));
        }
        Ok(Self(line.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(content: &[u8], mode: u32) -> Result<Password> {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("password");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Password::read(&path)
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(read(b"secret word\nrest\n", 0o600).unwrap().reveal(), "secret word");
        assert_eq!(read(b"secret", 0o400).unwrap().reveal(), "secret");
    }

    #[test]
    fn unusable_files_are_refused_with_advice_and_without_their_content() {
        let long = vec![b'x'; 5000];
        for (content, mode, part) in [
            (&b"secret"[..], 0o640, "mode is 640"),
            (b"secret", 0o604, "mode is 604"),
            (b"", 0o600, "first line is empty"),
            (b"\nsecret", 0o600, "first line is empty"),
            (b"\xff\xfe", 0o600, "not text"),
            (&long, 0o600, "longer than"),
        ] {
            let error = read(content, mode).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("secret"));
            assert!(error.hint().unwrap().contains("chmod 600"));
        }
        let absent = Password::read(Path::new("/nonexistent/password")).unwrap_err();
        assert!(absent.to_string().contains("No such file"), "{absent}");
    }

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Password::new("secret")), "Password(hidden)");
    }
}
