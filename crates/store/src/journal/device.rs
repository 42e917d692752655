//! The file operations that the journal rests on, and a seam where tests put faults.
//!
//! Preallocation is of real blocks, so that a full disk is met there and never by a write.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Writes, syncs and makes room. Reading is plain.
pub trait Device: Send + Sync {
    /// A new file of mode 0600 with that many real blocks, all zeros, on the disk with its name.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::StorageFull`] where there is no room. Nothing is left then.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Writes all bytes at that offset, inside what was preallocated.
    ///
    /// # Errors
    /// What the system says; part may have been written.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns once the disk has everything that was written to the file.
    ///
    /// # Errors
    /// What the system says: then anything since the last sync may be lost.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDevice;

impl Device for SystemDevice {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let unready = path.with_extension("new");
        let made = allocate(&unready, bytes)
            .and_then(|()| fs::rename(&unready, path))
            .and_then(|()| path.parent().map_or(Ok(()), sync_dir));
        if made.is_err() {
            // The first error is the one to tell; what cannot be removed now is removed at the next opening.
            let _ = fs::remove_file(&unready);
        }
        made
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// A folder of mode 0700, with those above it.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)?.sync_all()
}

fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => zero(&file, 0, bytes)?,
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

/// Writes zeros from one offset up to another.
pub(super) fn zero(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; 64 * 1024];
    let mut at = from;
    while at < to {
        let bytes = usize::try_from(to - at).unwrap_or(usize::MAX);
        let part = zeros.get(..bytes).unwrap_or(&zeros);
        file.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}
