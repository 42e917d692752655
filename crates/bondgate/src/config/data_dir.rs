//! The data folder: one process each, its master key, its permissions.
//!
//! Only `serve` opens it. Checking and explaining never come here, so they never write.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::secret::Secret;

/// The file with the admin API's token, where none is configured.
pub const ADMIN_TOKEN: &str = "admin.token";

/// The file that says where operators call while the gateway runs.
pub const ADMIN_ADDRESS: &str = "admin.address";

/// The data folder of this process; it is free again when this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "the data folder {path} is in use by {holder} · stop that one, or give another folder with `--data`"
    )]
    InUse {
        /// The folder.
        path: String,
        /// Who has it.
        holder: String,
    },
    /// The file system refuses.
    #[error("{path} cannot be used: {error} · give a folder of your own with `--data`")]
    Io {
        /// What was touched.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The master key's file is not as it was made.
    #[error("{path} {why}")]
    MasterKey {
        /// The file.
        path: String,
        /// What is wrong and what mends it.
        why: &'static str,
    },
}

impl DataDir {
    /// Takes the folder for this process; makes it, for this user alone, where it is absent.
    ///
    /// # Errors
    /// Where another process has it, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let refused = |error| io_error(path, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(refused)?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| io_error(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse {
                    path: path.display().to_string(),
                    holder: holder(&mut lock),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&lock_path, error)),
        }
        let sign = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        sign.map_err(|error| io_error(&lock_path, error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The master key: the configured one, else the folder's own, which is made where it is absent.
    ///
    /// # Errors
    /// Where the folder's own cannot be made or read, or others can read it.
    pub fn master_key(&self, configured: Option<&Secret>) -> Result<Secret, DataDirError> {
        self.secret("master.key", configured)
    }

    /// What callers of the admin API show: the configured token, else the folder's own, which is made
    /// where it is absent.
    ///
    /// # Errors
    /// Where the folder's own cannot be made or read, or others can read it.
    pub fn admin_token(&self, configured: Option<&Secret>) -> Result<Secret, DataDirError> {
        self.secret(ADMIN_TOKEN, configured)
    }

    fn secret(&self, name: &str, configured: Option<&Secret>) -> Result<Secret, DataDirError> {
        if let Some(secret) = configured {
            return Ok(Secret::new(secret.reveal().to_owned()));
        }
        let path = self.path.join(name);
        match File::open(&path) {
            Ok(file) => read_secret(file, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => new_secret(&path),
            Err(error) => Err(io_error(&path, error)),
        }
    }

    /// Tells programs on this machine where operators call.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn tell_admin_address(&self, url: &str) -> Result<(), DataDirError> {
        let path = self.path.join(ADMIN_ADDRESS);
        std::fs::write(&path, format!("{url}\n")).map_err(|error| io_error(&path, error))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Nobody answers there any more; a crash leaves it, and then nobody answers either.
        let _ = std::fs::remove_file(self.path.join(ADMIN_ADDRESS));
    }
}

fn io_error(path: &Path, error: io::Error) -> DataDirError {
    DataDirError::Io {
        path: path.display().to_string(),
        error,
    }
}

fn holder(lock: &mut File) -> String {
    let mut pid = String::new();
    let read = lock.take(20).read_to_string(&mut pid);
    match (read, pid.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        (Ok(_) | Err(_), _) => "another process".to_owned(),
    }
}

/// The master key of a folder that may belong to a gateway which runs: nothing is made and nothing
/// locked. None where there is none yet.
///
/// # Errors
/// Where it cannot be read, or others can read it.
pub fn present_master_key(
    folder: &Path,
    configured: Option<&Secret>,
) -> Result<Option<Secret>, DataDirError> {
    if let Some(secret) = configured {
        return Ok(Some(Secret::new(secret.reveal().to_owned())));
    }
    let path = folder.join("master.key");
    match File::open(&path) {
        Ok(file) => read_secret(file, &path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(&path, error)),
    }
}

fn read_secret(file: File, path: &Path) -> Result<Secret, DataDirError> {
    let wrong = |why| DataDirError::MasterKey {
        path: path.display().to_string(),
        why,
    };
    let meta = file.metadata().map_err(|error| io_error(path, error))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(wrong(
            "can be read by others · `chmod 600` it, and think of who has seen it",
        ));
    }
    let mut text = String::new();
    file.take(4096)
        .read_to_string(&mut text)
        .map_err(|error| io_error(path, error))?;
    let secret = Secret::new(text.trim_end().to_owned());
    if secret.reveal().chars().count() < super::resolve::MIN_SECRET {
        return Err(wrong(
            "holds no key · restore it: without it no stored key is good any more",
        ));
    }
    Ok(secret)
}

/// Written beside and renamed, so that a crash leaves no half of a key.
fn new_secret(path: &Path) -> Result<Secret, DataDirError> {
    let refused = |error| io_error(path, error);
    let random = store::keys::random_256().map_err(|error| refused(io::Error::other(error)))?;
    let secret = Secret::new(URL_SAFE_NO_PAD.encode(random));
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(refused)?;
    writeln!(file, "{}", secret.reveal())
        .and_then(|()| file.sync_all())
        .map_err(refused)?;
    std::fs::rename(&beside, path).map_err(refused)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(refused)?;
    Ok(secret)
}
