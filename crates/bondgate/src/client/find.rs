//! Which gateway is meant: its admin API's URL, its data folder, its token.
//!
//! Of the configuration only `data` and `admin` are looked at, so that whoever operates a
//! gateway needs none of the variables that its providers need.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use policy::origin::BaseUrl;
use policy::secret::Secret;
use zeroize::Zeroizing;

use crate::cli::operate::AdminOptions;
use crate::config::data_dir::{ADMIN_ADDRESS, ADMIN_TOKEN};
use crate::config::interpolate::{Inputs, interpolate};
use crate::config::node::{Kind, Node, TextSource};
use crate::config::zero::{ADMIN_LISTEN, DATA};
use crate::config::{Problems, Source, source, yaml};

/// How long it may take to find out whether somebody listens.
const KNOCK: Duration = Duration::from_secs(3);

/// Which gateway is meant.
pub(super) struct Place {
    /// Root of its admin listener.
    pub(super) url: String,
    /// Whether the URL was said for this call, rather than found.
    pub(super) named: bool,
    /// Whether the data folder says that it is the URL.
    told: bool,
    /// A further certificate authority.
    pub(super) ca: Option<PathBuf>,
    /// Its data folder.
    pub(super) data: PathBuf,
    /// Its configuration.
    pub(super) source: Source,
    /// The token of the environment or of the configuration.
    token: Option<Secret>,
}

/// Whether a gateway runs.
pub(super) enum Found {
    /// Somebody listens, or a URL was given.
    Runs,
    /// Nobody listens, or the data folder says of no gateway that it runs.
    AtRest,
}

/// Looks whether the gateway runs.
///
/// A data folder decides: a gateway that runs on it says there where operators call. Without
/// one, somebody else's folder may be meant, and whoever listens is asked.
pub(super) fn found(place: &Place) -> Found {
    if place.named {
        return Found::Runs;
    }
    if place.data.is_dir() && !place.told {
        return Found::AtRest;
    }
    let Ok(base) = BaseUrl::parse(&place.url) else {
        return Found::Runs;
    };
    let address = (base.origin.host.as_str(), base.origin.port);
    let Some(address) = address
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
    else {
        return Found::Runs;
    };
    match TcpStream::connect_timeout(&address, KNOCK) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Found::AtRest,
        Ok(_) | Err(_) => Found::Runs,
    }
}

impl Place {
    /// The one that the flags, the environment and the configuration mean, in this order.
    ///
    /// # Errors
    /// Where the configuration cannot be read as far as it is needed.
    pub(super) fn of(options: &AdminOptions) -> anyhow::Result<Self> {
        let source = source(options.config.as_deref());
        let written = match &source {
            Source::File(path) => Written::read(path)?,
            Source::Environment => Written::default(),
        };
        let folder = source.path().and_then(Path::parent);
        let data = match (&options.data, &written.data) {
            (Some(data), _) => data.clone(),
            (None, Some(data)) => folder.unwrap_or(Path::new("")).join(data),
            (None, None) => folder.unwrap_or(Path::new("")).join(DATA),
        };
        let from_environment = std::env::var("BONDGATE_ADMIN_TOKEN").ok();
        let from_environment = from_environment.filter(|token| !token.is_empty());
        let told = told(&data);
        let (named, is_told) = (options.url.clone(), told.is_some());
        Ok(Self {
            named: named.is_some(),
            told: is_told,
            url: named.or(told).unwrap_or_else(|| written.url()),
            ca: options.ca.clone(),
            data,
            source,
            token: from_environment.map(Secret::new).or(written.token),
        })
    }

    /// What is shown to its admin API.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn token(&self) -> anyhow::Result<Secret> {
        if let Some(token) = &self.token {
            return Ok(Secret::new(token.reveal().to_owned()));
        }
        let path = self.data.join(ADMIN_TOKEN);
        let mut text = Zeroizing::new(String::new());
        let read = File::open(&path).and_then(|file| file.take(4096).read_to_string(&mut text));
        match read {
            Ok(_) if !text.trim().is_empty() => Ok(Secret::new(text.trim().to_owned())),
            Ok(_) => bail!("{} is empty · give BONDGATE_ADMIN_TOKEN", path.display()),
            Err(error) => bail!(
                "there is no admin token for {}: BONDGATE_ADMIN_TOKEN is not set and {} cannot \
                 be read ({error}) · set the variable, or name the gateway's data folder with `--data`",
                self.url,
                path.display()
            ),
        }
    }
}

/// Where operators call, as the gateway that runs on the folder says.
fn told(data: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(data.join(ADMIN_ADDRESS)).ok()?;
    file.take(512).read_to_string(&mut text).ok()?;
    let url = text.trim();
    BaseUrl::parse(url).ok().map(|_| url.to_owned())
}

/// What the configuration's file says of it.
#[derive(Default)]
struct Written {
    data: Option<String>,
    listen: Option<String>,
    tls: bool,
    token: Option<Secret>,
}

impl Written {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let mut text = Zeroizing::new(String::new());
        let most = yaml::MAX_BYTES as u64 + 1;
        File::open(path)
            .and_then(|file| file.take(most).read_to_string(&mut text))
            .with_context(|| format!("{}: the configuration cannot be read", path.display()))?;
        let file = || Some(path.to_owned());
        let mut root = yaml::parse(text.trim_start_matches('\u{feff}'))
            .map_err(|problems| Problems::new(file(), problems))?;
        let mut written = Self::default();
        let (mut problems, env) = (Vec::new(), |name: &str| std::env::var(name).ok());
        let mut inputs = Inputs {
            env: &env,
            commands: None,
            folder: path.parent().unwrap_or(Path::new("")),
            files: std::collections::BTreeSet::new(),
        };
        if let Some(data) = member(&mut root, "data") {
            interpolate(data, &mut inputs, &mut problems);
            written.data = scalar(data);
        }
        if !problems.is_empty() {
            return Err(Problems::new(file(), problems).into());
        }
        let Some(admin) = member(&mut root, "admin") else {
            return Ok(written);
        };
        // What is missing here can be given by flags and variables.
        interpolate(admin, &mut inputs, &mut problems);
        written.tls = member(admin, "tls").is_some_and(|tls| !tls.is_null());
        written.listen = member(admin, "listen").and_then(|node| scalar(node));
        written.token = member(admin, "token")
            .and_then(|node| scalar(node))
            .map(Secret::new);
        Ok(written)
    }

    /// Where the admin listener is from here.
    fn url(&self) -> String {
        let listen = self.listen.as_deref();
        let address = listen.and_then(|text| text.parse::<crate::config::values::Address>().ok());
        let mut address = address.map_or(ADMIN_LISTEN.into(), |address| address.0);
        if address.ip().is_unspecified() {
            let here: std::net::IpAddr = match address {
                std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            address.set_ip(here);
        }
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{address}")
    }
}

fn member<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    match &mut node.kind {
        Kind::Map(entries) => {
            let entry = entries.iter_mut().find(|entry| entry.key == name);
            entry.map(|entry| &mut entry.value)
        }
        Kind::List(_) | Kind::Scalar(_) => None,
    }
}

fn scalar(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.source != TextSource::Unknown && !node.is_null() => {
            Some(scalar.text.as_str().to_owned()).filter(|text| !text.is_empty())
        }
        Kind::Scalar(_) | Kind::Map(_) | Kind::List(_) => None,
    }
}
