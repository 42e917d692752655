//! Providers made at run time: they are looked at like those of the file, and nothing is written to the
//! data folder, which may be that of a gateway that runs.

use std::sync::Arc;

use anyhow::Context as _;
use store::keys::KeyHasher;
use store::objects::{Objects, StoredProvider};
use store::seal::Sealer;
use store::sqlite::{MAIN_FILE, OpenMode, open_main};

use super::{Finding, State};
use crate::config::data_dir::present_master_key;
use crate::config::{Config, stored};

const MEND: &str = "look at it with `GET /admin/v1/providers`, and change it there";

/// Adds them to those that are examined; tells those that cannot be used.
pub(super) fn providers(config: &mut Config) -> Vec<Finding> {
    let all = match read(config) {
        Ok(all) => all,
        Err(why) => {
            let mend = "start the gateway once, or give the master key that it was made with";
            let what = format!("providers made at run time cannot be read: {why:#}");
            return vec![Finding::new("store", State::Warning, what, mend)];
        }
    };
    let mut findings = Vec::new();
    for one in all {
        let name = &one.provider.name;
        if config.providers.contains_key(name) {
            continue;
        }
        match stored::provider(&one) {
            Ok(provider) => {
                config.providers.insert(name.clone(), Arc::new(provider));
            }
            Err(why) => {
                let part = format!("provider {name}");
                let what = format!("made at run time, and is not used: {why}");
                findings.push(Finding::new(part, State::Bad, what, MEND));
            }
        }
    }
    findings
}

fn read(config: &Config) -> anyhow::Result<Vec<StoredProvider>> {
    if !config.data.join(MAIN_FILE).is_file() {
        return Ok(Vec::new());
    }
    let key = present_master_key(&config.data, config.master_key.as_ref())?;
    let key = key.context("the data folder has no master key")?;
    let secret = key.reveal().as_bytes();
    let db = open_main(&config.data, OpenMode::ReadOnly)?;
    let objects = Objects::look(db, KeyHasher::new(secret), Sealer::new(secret)?)?;
    Ok(objects.load()?.providers)
}
