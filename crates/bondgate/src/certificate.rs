//! The listener's certificate, renewed from its files while it serves.
//!
//! Certificates are renewed in place by other programs, so the files are looked
//! at again and again. A pair that does not fit is refused and said once; the
//! last good one keeps serving.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use gateway::tls::{ServerFiles, ServerTls, TlsError};
use parking_lot::Mutex;

use crate::config::Tls;
use crate::say::say;

/// The listener's certificate and the files that it comes from.
#[derive(Clone)]
pub struct Certificate {
    tls: Arc<ServerTls>,
    state: Arc<Mutex<State>>,
}

struct State {
    files: ServerFiles,
    seen: Vec<Stamp>,
}

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(files: &Tls) -> Result<Self, TlsError> {
        let files = server_files(files);
        let seen = stamps(&files);
        let tls = Arc::new(ServerTls::load(&files)?);
        Ok(Self {
            tls,
            state: Arc::new(Mutex::new(State { files, seen })),
        })
    }

    /// What the listener serves with.
    #[must_use]
    pub fn tls(&self) -> Arc<ServerTls> {
        Arc::clone(&self.tls)
    }

    /// Takes other files from now on.
    pub fn follow(&self, files: &Tls) {
        self.state.lock().files = server_files(files);
        self.look();
    }

    /// Reads the files again if they have changed.
    pub fn look(&self) {
        let mut state = self.state.lock();
        let now = stamps(&state.files);
        if now == state.seen {
            return;
        }
        state.seen = now;
        match self.tls.reload(&state.files) {
            Ok(()) => say(&format!(
                "the certificate has been renewed from {}",
                state.files.cert.display()
            )),
            Err(error) => say(&format!(
                "the certificate is refused, the last good one keeps serving: {error}"
            )),
        }
    }
}

fn server_files(files: &Tls) -> ServerFiles {
    ServerFiles {
        cert: files.cert.clone(),
        key: files.key.clone(),
        client_ca: files.client_ca.clone(),
    }
}

fn stamps(files: &ServerFiles) -> Vec<Stamp> {
    let all = [
        Some(&files.cert),
        Some(&files.key),
        files.client_ca.as_ref(),
    ];
    all.into_iter().flatten().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), meta.ino()))
}
