//! `bondgate demo`, run as a newcomer runs it.

use std::process::{Command, Output};

use tempfile::TempDir;

fn demo(folder: &TempDir) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .arg("demo")
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap()
}

/// The words of a line behind its name.
fn row<'a>(page: &'a str, name: &str) -> &'a str {
    let line = page.lines().find_map(|line| line.trim().strip_prefix(name));
    line.unwrap_or_else(|| panic!("no row {name}: {page}"))
        .trim()
}

#[test]
fn every_promise_holds_and_nothing_is_left_behind() {
    let folder = TempDir::new().unwrap();
    let output = demo(&folder);
    let page = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{page}{said}");
    assert_eq!(said, "");
    assert!(page.contains("Every promise held"), "{page}");
    assert!(!page.contains("BROKEN"), "{page}");
    assert_eq!(page.matches("   held: ").count(), 9, "{page}");
    assert!(
        !page.contains('\x1b'),
        "no colours where nobody looks: {page}"
    );
    assert_eq!(row(&page, "over the budget"), "$0.000000000");
    let answered: u32 = row(&page, "answered whole").parse().unwrap();
    let refused: u32 = row(&page, "refused: budget_exceeded").parse().unwrap();
    assert_eq!(answered + refused, 500);
    assert!(row(&page, "settled").ends_with("$0.000000000"), "{page}");
    assert!(
        row(&page, "presumed after kill -9").starts_with("60 "),
        "{page}"
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "it left something in its folder");
}
