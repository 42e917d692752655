//! `bondgate version`: what this is and what it was built from.

use super::print;

/// Prints version, commit and features.
///
/// # Errors
/// Where stdout is gone.
pub(super) fn run() -> anyhow::Result<()> {
    let commit = option_env!("BONDGATE_COMMIT").unwrap_or("unknown");
    let dialects = dialect::Dialect::ALL.map(dialect::Dialect::name).join(", ");
    print(&format!(
        "bondgate {}\ncommit   {commit}\nfeatures dialects: {dialects}; sim; tls",
        env!("CARGO_PKG_VERSION"),
    ))
}
