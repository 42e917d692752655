//! Arrows point down: which package may depend on which, and which features
//! of `serde_json` must stay off.
//!
//! The table of floors is the one in ARCHITECTURE.md. A package that is not
//! in it is refused, so that a new crate is placed before it is used.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Problem;

/// Where a package stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floor {
    /// May depend on lower floors only; the same floor does not count as lower.
    At(u8),
    /// The simulated provider: knows none of ours, so that it can be the oracle.
    Sim,
    /// Repository tools: may know any, known by none.
    Tools,
}

const FLOORS: [(&str, Floor); 8] = [
    ("dialect", Floor::At(0)),
    ("policy", Floor::At(1)),
    ("store", Floor::At(2)),
    ("gateway", Floor::At(3)),
    ("admin", Floor::At(3)),
    ("bondgate", Floor::At(4)),
    ("sim", Floor::Sim),
    ("xtask", Floor::Tools),
];

/// Features that would make every JSON value slower, or reorder-proof by
/// accident, for all crates at once.
const JSON_FEATURES_OFF: [&str; 2] = ["preserve_order", "arbitrary_precision"];

/// A package of the workspace with its direct dependencies.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// (name, for tests only) of each direct dependency.
    pub needs: Vec<(String, bool)>,
}

/// The workspace's packages, as cargo tells them.
///
/// # Errors
/// When cargo fails or its answer has an unknown shape.
pub fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let answer: Value = serde_json::from_str(&cargo(
        root,
        &["metadata", "--no-deps", "--format-version", "1"],
    )?)?;
    let list = answer
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo metadata lists no packages")?;
    list.iter().map(package).collect()
}

fn package(value: &Value) -> anyhow::Result<Package> {
    let name = value
        .get("name")
        .and_then(Value::as_str)
        .context("a package without a name")?;
    let dependencies = value
        .get("dependencies")
        .and_then(Value::as_array)
        .context("a package without dependencies")?;
    let needs = dependencies.iter().filter_map(|dependency| {
        let on = dependency.get("name")?.as_str()?;
        let kind = dependency.get("kind").and_then(Value::as_str);
        Some((on.to_owned(), kind == Some("dev")))
    });
    Ok(Package {
        name: name.to_owned(),
        needs: needs.collect(),
    })
}

/// Every dependency among our packages goes down; see [`Floor`].
pub fn arrows(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let Some(from) = floor(&package.name) else {
            problems.push(Problem::new(
                &package.name,
                "stands on no floor: add it to the table of ARCHITECTURE.md and of xtask/src/tidy/floors.rs",
            ));
            continue;
        };
        for (on, for_tests) in &package.needs {
            let ours = packages.iter().any(|other| other.name == *on);
            let Some(to) = floor(on).filter(|_| ours) else {
                continue;
            };
            if !may(from, to, &package.name, *for_tests) {
                problems.push(Problem::new(
                    &package.name,
                    format!("may not depend on {on}: arrows point down only"),
                ));
            }
        }
    }
    problems
}

fn floor(name: &str) -> Option<Floor> {
    FLOORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, floor)| *floor)
}

fn may(from: Floor, to: Floor, name: &str, for_tests: bool) -> bool {
    match (from, to) {
        (_, Floor::Tools) | (Floor::Sim, _) => false,
        (Floor::Tools, _) => true,
        (Floor::At(_), Floor::Sim) => for_tests || name == "bondgate",
        (Floor::At(upper), Floor::At(lower)) => lower < upper,
    }
}

/// What `cargo tree` says of the features of `serde_json` in this workspace.
///
/// # Errors
/// When cargo fails.
pub fn feature_tree(root: &Path) -> anyhow::Result<String> {
    cargo(
        root,
        &[
            "tree",
            "--workspace",
            "--edges",
            "features",
            "--invert",
            "serde_json",
            "--prefix",
            "none",
        ],
    )
}

/// The features of `serde_json` that must stay off are off.
pub fn json_features(feature_tree: &str) -> Vec<Problem> {
    JSON_FEATURES_OFF
        .iter()
        .filter(|feature| feature_tree.contains(&format!("serde_json feature \"{feature}\"")))
        .map(|feature| {
            Problem::new("serde_json", format!("feature {feature} is on; `cargo tree -e features -i serde_json` says who asks for it"))
        })
        .collect()
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
