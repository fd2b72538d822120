//! Which directories are mount points.

use std::path::{Path, PathBuf};

use crate::record::escaped;
use crate::{Error, Result};

const TABLE: &str = "/proc/self/mountinfo";

/// Reads the mount points of this process.
pub(super) fn mount_points() -> Result<Vec<PathBuf>> {
    let table = std::fs::read_to_string(TABLE).map_err(|error| Error::io("read", TABLE, error))?;
    Ok(parse(&table))
}

/// The fifth column, with the kernel's octal escapes undone.
fn parse(table: &str) -> Vec<PathBuf> {
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect()
}

fn unescape(text: &str) -> PathBuf {
    let mut rendered = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        rendered.push_str(&rest[..at]);
        match code {
            Some(byte) => {
                rendered.push_str(&format!("\\x{byte:02x}"));
                rest = &rest[at + 4..];
            }
            None => {
                rendered.push_str("\\\\");
                rest = &rest[at + 1..];
            }
        }
    }
    rendered.push_str(rest);
    escaped::parse(&rendered).unwrap_or_else(|_| PathBuf::from(text))
}

/// Finds a mount point strictly below a path.
pub(super) fn below<'a>(points: &'a [PathBuf], path: &Path) -> Option<&'a PathBuf> {
    points.iter().find(|point| point.starts_with(path) && point.as_path() != path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_as_the_kernel_writes_it() {
        let table = "36 35 98:0 / / rw - ext4 /dev/root rw\n\
                     40 36 0:30 / /data\\040dir rw - tmpfs t rw\n\
                     41 36 0:31 / /data\\134x rw - tmpfs t rw\n";
        assert_eq!(parse(table), [PathBuf::from("/"), PathBuf::from("/data dir"), PathBuf::from("/data\\x")]);
    }

    #[test]
    fn below_means_strictly_below() {
        let points = [PathBuf::from("/a"), PathBuf::from("/ab/c")];
        assert!(below(&points, Path::new("/a")).is_none());
        assert_eq!(below(&points, Path::new("/ab")), Some(&points[1]));
        assert!(below(&points, Path::new("/ab/c")).is_none());
    }
}
