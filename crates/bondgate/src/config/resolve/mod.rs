//! [`ConfigFile`] to [`Config`]: names found, defaults filled in, contradictions refused.
//!
//! Everything is looked at even where something is wrong, so that all problems are said at
//! once. It opens files of certificates to see that they are there; it never connects, and
//! starts nothing.

pub mod alerts;
pub mod ceilings;
pub mod groups;
pub mod keys;
pub mod limits;
pub mod models;
mod obtained;
pub(in crate::config) mod place;
pub mod prices;
pub mod providers;
pub mod reach;
pub mod serving;
pub mod tags;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway::upstream::Proxy;
use policy::caller::VirtualKey;
use policy::secret::Secret;

use super::file::{
    AdminFile, ConfigFile, DurabilityFile, ListenFile, MetricsFile, SecretsFile, TlsFile,
    UpstreamFile,
};
use super::problem::{Place, Problem};
use super::units::Size;
use super::values::{Address, At, SecretText, TextOr};
use super::zero::{ADMIN_LISTEN, DATA, LISTEN, MAX_BODY, MEMORY};
use super::{Admin, Config, Durability, Key, Listen, Tls, Upstream};

/// Fewest characters of a secret that the file gives.
pub const MIN_SECRET: usize = 16;

/// What resolving found.
pub struct Resolved {
    /// The configuration; good only where there are no problems.
    pub config: Config,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

/// Resolves a file whose relative paths begin in `folder`.
#[must_use]
pub fn resolve(file: &ConfigFile, folder: &Path) -> Resolved {
    let mut problems = Vec::new();
    let providers = providers::resolve(&file.providers, &mut problems);
    let defaults = models::defaults(file.defaults.as_ref(), &mut problems);
    let models = models::resolve(&file.models, &providers, &defaults, &mut problems);
    let groups = groups::resolve(file, &mut problems);
    let keys = keys::resolve(file, &groups, &mut problems);
    let limits = limits::resolve(file, &mut problems);
    let require_tags = tags::required(file.require_tags.as_ref(), &mut problems);
    let ceilings = ceilings::resolve(file, &mut problems);
    let retries = serving::retries(file, &mut problems);
    let prices = prices::resolve(&file.prices, &mut problems);
    let alerts = alerts::resolve(file.alerts.as_ref(), &mut problems);
    let mut reader = Reader {
        folder,
        problems: &mut problems,
    };
    let listen = reader.listen(file.listen.as_ref());
    let admin = reader.admin(file.admin.as_ref(), listen.address);
    let upstream = reader.upstream(file.upstream.as_ref());
    let master_key = reader.master_key(file.secrets.as_ref());
    let (memory, max_body) = reader.sizes(file);
    let config = Config {
        listen,
        admin,
        data: folder.join(file.data.clone().unwrap_or_else(|| PathBuf::from(DATA))),
        master_key,
        memory,
        max_body,
        upstream,
        providers: providers.resolved(),
        models,
        defaults: defaults.model,
        durability: match file.durability {
            Some(DurabilityFile::Power) => Durability::Power,
            Some(DurabilityFile::Process) | None => Durability::Process,
        },
        teams: groups.teams,
        organisations: groups.organisations,
        users: file.users.keys().cloned().collect(),
        keys,
        limits,
        require_tags,
        ceilings,
        retries,
        about: groups::about(file),
        prices,
        alerts,
        canonical: Secret::new(String::new()),
        fixed: BTreeMap::new(),
    };
    Resolved {
        warnings: warnings(file, &config),
        config,
        problems,
    }
}

fn warnings(file: &ConfigFile, config: &Config) -> Vec<Problem> {
    let mut warnings = Vec::new();
    if file.keys.is_empty() {
        warnings.push(Problem::at(
            Place::START,
            "there are no keys: every call will be refused",
            "add `keys: { my-app: { secret: \"${MY_APP_KEY}\" } }`",
        ));
    }
    if file.providers.is_empty() {
        warnings.push(Problem::at(
            Place::START,
            "there are no providers: no call can be served",
            "add `providers: { openai: { key: \"${OPENAI_API_KEY}\" } }`",
        ));
    }
    let keys: Vec<VirtualKey> = config.keys.iter().map(Key::caller).collect();
    warnings.extend(tags::unsatisfied(file, &keys));
    warnings.extend(reach::outside(file, &keys));
    warnings.extend(reach::unpriced(file, config, &keys));
    warnings.sort_by_key(|warning| warning.place);
    warnings
}

struct Reader<'a> {
    folder: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, place: Place, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem::at(place, what, mend));
    }

    fn listen(&mut self, written: Option<&At<TextOr<ListenFile>>>) -> Listen {
        let default = SocketAddr::from(LISTEN);
        let Some(written) = written else {
            return Listen {
                address: default,
                tls: None,
            };
        };
        let full = match &written.value {
            TextOr::Text(text) => {
                let address = text.parse::<Address>();
                if let Err(mend) = &address {
                    self.problem(written.place, "`listen` is no address", mend);
                }
                return Listen {
                    address: address.map_or(default, |address| address.0),
                    tls: None,
                };
            }
            TextOr::Full(full) => full,
        };
        let address = full
            .address
            .as_ref()
            .map_or(default, |address| address.value.0);
        Listen {
            address,
            tls: full.tls.as_ref().and_then(|tls| self.tls(tls)),
        }
    }

    fn admin(&mut self, written: Option<&At<AdminFile>>, listen: SocketAddr) -> Option<Admin> {
        let place = written?.place;
        let written = &written?.value;
        let address = written
            .listen
            .as_ref()
            .map_or(SocketAddr::from(ADMIN_LISTEN), |a| a.value.0);
        if collide(address, listen) {
            let place = written.listen.as_ref().map_or(place, |listen| listen.place);
            let what = format!("`admin.listen` is the applications' address too: {address}");
            self.problem(place, what, "give operators an address of their own");
        }
        let token = written
            .token
            .as_ref()
            .and_then(|token| self.secret(token, "admin.token"));
        Some(Admin {
            address,
            token,
            tls: written.tls.as_ref().and_then(|tls| self.tls(tls)),
            metrics_open: written.metrics == Some(MetricsFile::Open),
        })
    }

    fn tls(&mut self, written: &At<TlsFile>) -> Option<Tls> {
        let file = &written.value;
        if written.whole {
            for (name, path) in [("cert", &file.cert), ("key", &file.key)] {
                if path.is_none() {
                    let what = format!("`tls` has no `{name}`");
                    self.problem(written.place, what, "give `cert` and `key`, both PEM files");
                }
            }
        }
        let cert = file.cert.as_ref().map(|path| self.file(path, "cert"));
        let key = file.key.as_ref().map(|path| self.file(path, "key"));
        let client_ca = file
            .client_ca
            .as_ref()
            .map(|path| self.file(path, "client_ca"));
        Some(Tls {
            cert: cert?,
            key: key?,
            client_ca,
        })
    }

    fn upstream(&mut self, written: Option<&At<UpstreamFile>>) -> Upstream {
        let Some(written) = written else {
            return Upstream::default();
        };
        let file = &written.value;
        let none = Vec::new();
        let direct = file.no_proxy.as_ref().unwrap_or(&none);
        let proxy = file
            .proxy
            .as_ref()
            .filter(|proxy| !proxy.value.0.reveal().trim().is_empty());
        let parsed = proxy.and_then(|proxy| {
            let parsed = Proxy::parse(proxy.value.0.reveal().trim(), direct);
            let refused = |error| {
                self.problem(
                    proxy.place,
                    format!("`proxy`: {error}"),
                    "empty means no proxy",
                );
            };
            parsed.map_err(refused).ok()
        });
        if file.proxy.is_none() && written.whole && !direct.is_empty() {
            let what = "`no_proxy` does nothing without `proxy`";
            self.problem(written.place, what, "give `proxy`, or leave it out");
        }
        Upstream {
            proxy: parsed,
            ca: file.ca.as_ref().map(|path| self.file(path, "ca")),
        }
    }

    fn master_key(&mut self, written: Option<&SecretsFile>) -> Option<Secret> {
        self.secret(written?.master_key.as_ref()?, "secrets.master_key")
    }

    fn secret(&mut self, written: &At<SecretText>, name: &str) -> Option<Secret> {
        let text = written.value.0.reveal();
        if text.chars().count() >= MIN_SECRET {
            return Some(Secret::new(text.to_owned()));
        }
        let what = format!("`{name}` has fewer than {MIN_SECRET} characters");
        self.problem(
            written.place,
            what,
            "make one with `openssl rand -base64 32`",
        );
        None
    }

    fn sizes(&mut self, file: &ConfigFile) -> (usize, usize) {
        let memory = self.size(file.memory.as_ref(), MEMORY, 1 << 20, "memory");
        let max_body = self.size(file.max_body.as_ref(), MAX_BODY, 1 << 10, "max_body");
        if max_body > memory {
            let written = file.max_body.as_ref().or(file.memory.as_ref());
            let place = written.map_or(Place::START, |size| size.place);
            let what = "`max_body` is larger than `memory`, the bound of all buffers";
            self.problem(place, what, "raise `memory` or lower `max_body`");
        }
        (memory, max_body)
    }

    fn size(
        &mut self,
        written: Option<&At<Size>>,
        default: usize,
        least: usize,
        name: &str,
    ) -> usize {
        let Some(written) = written else {
            return default;
        };
        let Size(bytes) = written.value;
        if bytes < least {
            let what = format!("`{name}` is smaller than {least} bytes");
            self.problem(written.place, what, "nothing could be served: give more");
        }
        bytes
    }

    fn file(&mut self, written: &At<String>, name: &str) -> PathBuf {
        let path = self.folder.join(&written.value);
        // Asked first: opening a pipe would wait for its writer.
        let why = match std::fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => "it is no file".to_owned(),
            Ok(_) => match std::fs::File::open(&path) {
                Ok(_) => return path,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let what = format!("`{name}`: {} cannot be read: {why}", written.shown());
        self.problem(
            written.place,
            what,
            "paths begin at the folder of this file",
        );
        path
    }
}

/// Whether two listeners would meet: the same port on the same address, or on all.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let meets = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && meets
}
