//! `docs/fidelity.md`: what becomes of each field of each client in each dialect of a
//! provider, told by what the encoders do with the fixtures.

mod fields;
mod groups;
mod page;

use std::fs;
use std::path::Path;

use dialect::Dialect;

/// The document says what the encoders do. `BONDGATE_WRITE_DOCS=1` writes it anew.
#[test]
fn the_fidelity_is_documented() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fidelity.md");
    let tables = Dialect::ALL.map(|dialect| (dialect, fields::table(dialect)));
    let page = page::write(&tables);
    if std::env::var_os("BONDGATE_WRITE_DOCS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let differs = written
        .lines()
        .zip(page.lines())
        .find(|(is, due)| is != due);
    assert!(
        written == page,
        "docs/fidelity.md differs, first at {differs:?}; BONDGATE_WRITE_DOCS=1 writes it anew"
    );
}
