//! The files of a folder, in the order of their names.
//!
//! Follows no links, so that it ends and stays where it was sent. Passes over what others
//! wrote (dependencies, builds, histories), binaries and large files. A folder or a file
//! that cannot be read is said, and the rest is read.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Deepest folder that is entered.
const DEPTH_MAX: usize = 128;
/// What could not be read is said so often.
const UNREAD_MAX: usize = 20;
/// Binaries have a zero byte in their first bytes.
const HEAD: usize = 8 << 10;

const PASSED_OVER: [&str; 13] = [
    ".git",
    ".hg",
    ".svn",
    ".jj",
    "node_modules",
    "target",
    "venv",
    ".venv",
    "site-packages",
    "__pycache__",
    ".tox",
    ".terraform",
    ".next",
];

/// Hands each file and its text over.
pub(super) fn walk(root: &Path, unread: &mut Vec<String>, each: &mut dyn FnMut(&Path, &str)) {
    if root.is_dir() {
        folder(root, 0, unread, each);
    } else {
        file(root, unread, each);
    }
}

fn folder(path: &Path, depth: usize, unread: &mut Vec<String>, each: &mut dyn FnMut(&Path, &str)) {
    let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
    let mut entries = match listed {
        Ok(entries) => entries,
        Err(error) => return note(unread, path, &error.to_string()),
    };
    // A virtual environment, whatever its name.
    if entries
        .iter()
        .any(|entry| entry.file_name() == "pyvenv.cfg")
    {
        return;
    }
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_file() {
            file(&path, unread, each);
        } else if kind.is_dir() && !passed_over(&entry) {
            if depth < DEPTH_MAX {
                folder(&path, depth + 1, unread, each);
            } else {
                note(unread, &path, "it lies too deep");
            }
        }
    }
}

fn passed_over(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    name.to_str()
        .is_some_and(|name| PASSED_OVER.contains(&name))
}

fn file(path: &Path, unread: &mut Vec<String>, each: &mut dyn FnMut(&Path, &str)) {
    match text(path) {
        Ok(Some(text)) => each(path, &text),
        Ok(None) => {}
        Err(error) => note(unread, path, &error.to_string()),
    }
}

/// The text of a file; none where it is large, no plain file or a binary.
fn text(path: &Path) -> io::Result<Option<String>> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    if bytes.iter().take(HEAD).any(|byte| *byte == 0) {
        return Ok(None);
    }
    let text = String::from_utf8(bytes);
    Ok(Some(text.unwrap_or_else(|error| {
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    })))
}

fn note(unread: &mut Vec<String>, path: &Path, why: &str) {
    if unread.len() < UNREAD_MAX {
        unread.push(format!("{} was not read: {why}", path.display()));
    }
}
