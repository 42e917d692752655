//! `bondgate egress`: the hosts and ports that this configuration can reach, for a firewall.
//!
//! From the configuration alone: nothing is connected to, and nothing is resolved.

use std::collections::BTreeMap;

use gateway::upstream::{Origin, Proxy};
use policy::origin::BaseUrl;
use policy::renewal::Recipe;
use policy::secret::ProviderKey;
use url::Url;

use super::print;
use super::rows::Rows;
use crate::cli::EgressOptions;
use crate::config::{self, Config, Mode, Overrides, Source};

/// The metadata services of clouds; addresses of this machine's own network.
const AWS_METADATA: [(&str, u16); 2] = [("169.254.169.254", 80), ("169.254.170.2", 80)];
const GOOGLE_METADATA: (&str, u16) = ("metadata.google.internal", 80);

/// Lists them.
///
/// # Errors
/// Where the configuration is bad.
pub(super) fn run(options: &EgressOptions) -> anyhow::Result<()> {
    let env = |name: &str| std::env::var(name).ok();
    let config = match config::source(options.config.as_deref()) {
        Source::File(path) => {
            config::load(&path, &Overrides::default(), &env, Mode::Offline)?.config
        }
        Source::Environment => {
            let mut config = config::zero_config(&env, "http://127.0.0.1:9");
            config.providers.remove("sim");
            config
        }
    };
    let places = places(&config);
    let mut rows = Rows::new(&["host", "port", "through", "for"]);
    for ((host, port, through), purposes) in places {
        rows.push(vec![
            host,
            port.to_string(),
            through.to_owned(),
            purposes.join(", "),
        ]);
    }
    print(&rows.render(options.format))
}

/// Host, port and the way there: `direct`, or `proxy` where the gateway itself reaches the proxy only.
type Place = (String, u16, &'static str);

struct Places<'a> {
    proxy: Option<&'a Proxy>,
    found: BTreeMap<Place, Vec<String>>,
}

impl Places<'_> {
    fn add(&mut self, origin: &Origin, purpose: String) {
        let carried = self.proxy.is_some_and(|proxy| proxy.carries(origin));
        let through = if carried { "proxy" } else { "direct" };
        self.enter((origin.host.clone(), origin.port, through), purpose);
    }

    fn enter(&mut self, place: Place, purpose: String) {
        let purposes = self.found.entry(place).or_default();
        if !purposes.contains(&purpose) {
            purposes.push(purpose);
        }
    }

    fn url(&mut self, url: &str, purpose: &str) {
        let url = Url::parse(url).ok();
        let place = url.and_then(|url| {
            let root = format!(
                "{}://{}:{}",
                url.scheme(),
                url.host_str()?,
                url.port_or_known_default()?
            );
            BaseUrl::parse(&root).ok()
        });
        if let Some(base) = place {
            self.add(&base.origin, purpose.to_owned());
        }
    }
}

fn places(config: &Config) -> BTreeMap<Place, Vec<String>> {
    let proxy = config.upstream.proxy.as_ref();
    let mut places = Places {
        proxy,
        found: BTreeMap::new(),
    };
    if let Some(proxy) = proxy {
        let origin = proxy.origin();
        let place = (origin.host.clone(), origin.port, "direct");
        places.enter(place, "the proxy".to_owned());
    }
    for provider in config.providers.values() {
        places.add(&provider.origin, format!("provider {}", provider.name));
        for renewal in provider
            .keys
            .iter()
            .filter_map(|key| ProviderKey::renewal(key))
        {
            let purpose = format!("credential of {}", provider.name);
            giver(renewal.recipe(), &purpose, &mut places);
        }
    }
    if let Some(webhook) = &config.alerts.webhook {
        places.url(webhook.url.reveal(), "alerts");
    }
    if let Some(slack) = &config.alerts.slack {
        places.url(slack.reveal(), "alerts");
    }
    places.found
}

/// Who gives the credential; metadata services are never asked through a proxy.
fn giver(recipe: &Recipe, purpose: &str, places: &mut Places<'_>) {
    match recipe {
        Recipe::Aws { .. } => {
            for (host, port) in AWS_METADATA {
                places.enter((host.to_owned(), port, "direct"), purpose.to_owned());
            }
        }
        Recipe::GoogleMetadata => {
            let (host, port) = GOOGLE_METADATA;
            places.enter((host.to_owned(), port, "direct"), purpose.to_owned());
        }
        Recipe::GoogleAccount(account) => places.add(&account.token_url.origin, purpose.to_owned()),
        Recipe::Entra(entra) => places.add(&entra.authority.origin, purpose.to_owned()),
    }
}
