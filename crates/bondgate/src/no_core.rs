//! No core file: it would hold keys and prompts.

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on this process leaves no core file, by itself or through a program that collects them,
/// and other processes of the same user cannot look into its memory.
///
/// # Errors
/// Where the system refuses.
pub fn forbid() -> anyhow::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).context("core files cannot be forbidden")?;
    // A limit of 0 does not keep a core from a collector that the system pipes it to.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .context("core files cannot be forbidden")?;
    Ok(())
}
