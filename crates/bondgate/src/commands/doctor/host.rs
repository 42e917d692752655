//! What this machine gives: files, ports, a folder.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::{Finding, State};

/// Below so many open files a busy gateway runs out of them: each stream takes two.
const FILES_MIN: u64 = 4096;

/// Whether there are files enough.
pub(super) fn file_limit() -> Finding {
    let part = "open files";
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < FILES_MIN => Finding::new(
            part,
            State::Warning,
            format!("at most {limit}, and each request takes two"),
            "raise it, with `ulimit -n 65536` or `LimitNOFILE=` of the service",
        ),
        Some(limit) => Finding::good(part, format!("at most {limit}")),
        None => Finding::good(part, "no limit"),
    }
}

/// Whether the data folder can be written; one that is absent is made at the start.
pub(super) fn data_folder(path: &Path) -> Finding {
    let part = "data folder";
    let mut there = path.ancestors();
    let existing = there.find(|folder| folder.is_dir() || folder.as_os_str().is_empty());
    let existing = existing.filter(|folder| !folder.as_os_str().is_empty());
    let existing = existing.unwrap_or(Path::new("."));
    let shown = path.display();
    match tempfile::tempfile_in(existing) {
        Ok(_) if existing == path => Finding::good(part, format!("{shown} can be written")),
        Ok(_) => Finding::good(part, format!("{shown} is made at the start")),
        Err(error) => Finding::new(
            part,
            State::Bad,
            format!("{} cannot be written: {error}", existing.display()),
            "give its folder to the gateway's user, or name another with `data`",
        ),
    }
}

/// Whether an address is free; a gateway that runs holds its own.
pub(super) fn port(part: &str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(part, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::new(
            part,
            State::Warning,
            format!("somebody listens on {address}"),
            "nothing, where that is this gateway; else stop it or choose another address",
        ),
        Err(error) => Finding::new(
            part,
            State::Bad,
            format!("{address} cannot be used: {error}"),
            "choose an address of this machine, and a port above 1023 for an ordinary user",
        ),
    }
}
