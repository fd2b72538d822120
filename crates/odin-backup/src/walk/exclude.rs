//! Patterns of what a source leaves out.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A pattern relative to its source: components with `*` and `?` in them. It
/// is anchored at the source, or with a leading `**/` matches at any depth,
/// and what it matches is left out with everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    anywhere: bool,
    components: Vec<Vec<u8>>,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// In words, where the pattern is empty, absolute or holds `..`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (anywhere, rest) = text.strip_prefix("**/").map_or((false, text), |rest| (true, rest));
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() || rest.starts_with('/') {
            return Err(format!("exclude {text:?} is not a path relative to its source"));
        }
        let components: Vec<Vec<u8>> = rest.split('/').map(|part| part.as_bytes().to_vec()).collect();
        if components.iter().any(|part| part.is_empty() || part == b"." || part == b".." || part == b"**") {
            return Err(format!("exclude {text:?} has an empty component, `.`, `..` or an inner `**`"));
        }
        Ok(Self { anywhere, components })
    }

    /// Tells whether a path relative to the source is left out.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let parts: Vec<&[u8]> = path.components().map(|part| part.as_os_str().as_bytes()).collect();
        let fits = |parts: &[&[u8]]| {
            parts.len() == self.components.len()
                && self.components.iter().zip(parts).all(|(pattern, part)| wildcard(pattern, part))
        };
        if self.anywhere {
            let from = parts.len().saturating_sub(self.components.len());
            fits(&parts[from..])
        } else {
            fits(&parts)
        }
    }
}

/// Matches one component; greedy with one point to fall back to, so linear in
/// practice and never exponential.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((position, from)) => {
                    star = Some((position, from + 1));
                    at = position + 1;
                    read = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, path, expected) in [
            ("cache", "cache", true),
            ("cache/", "cache", true),
            ("cache", "data/cache", false),
            ("**/cache", "data/cache", true),
            ("**/cache", "cache", true),
            ("db/*.tmp", "db/a.tmp", true),
            ("db/*.tmp", "db/a.tmp2", false),
            ("a?c", "abc", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(Path::new(path)), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for pattern in ["", "/", "/etc", "a/../b", "a//b", "a/**/b", "."] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
