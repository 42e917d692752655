//! Addresses of providers.

use std::collections::BTreeMap;

use gateway::upstream::catalog::{ROWS, blanks};
use policy::origin::BaseUrl;
use regex::Regex;

use super::{Found, Of};

/// Addresses of providers that the catalogue does not have.
const FURTHER: [(&str, &str); 6] = [
    (r"[a-z0-9-]+\.openai\.azure\.com", "azure"),
    (r"bedrock-runtime\.[a-z0-9-]+\.amazonaws\.com", "bedrock"),
    (r"(?:[a-z0-9-]+-)?aiplatform\.googleapis\.com", "vertex"),
    (
        r"api\.cloudflare\.com/client/v4/accounts/[a-z0-9]+/ai",
        "cloudflare-workers-ai",
    ),
    (
        r"[a-z0-9.-]+\.cloud\.databricks\.com/serving-endpoints",
        "databricks",
    ),
    (r"api\.voyageai\.com", "voyage"),
];

/// Finds addresses by their hosts.
pub(super) struct Urls {
    hosts: BTreeMap<String, &'static str>,
    known: Regex,
    further: Vec<(Regex, &'static str)>,
}

impl Urls {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut hosts = BTreeMap::new();
        let mut shapes = Vec::new();
        let places = ROWS.iter().flat_map(|row| {
            let roots = row.speaks.iter().map(|speaks| speaks.root);
            // Those with blanks are among the further ones.
            let roots = roots.filter(|root| blanks(root).next().is_none());
            roots.filter_map(move |root| Some((row, BaseUrl::parse(root).ok()?)))
        });
        for (row, base) in places {
            let authority = base.origin.authority();
            if row.key_env.is_empty() {
                // An engine on this machine is told by its port, where a version follows.
                let port = base.origin.port;
                for host in ["127.0.0.1", "localhost"] {
                    hosts.insert(format!("{host}:{port}"), row.name);
                }
                shapes.push(format!(r"(?:127\.0\.0\.1|localhost):{port}/v1\b"));
            } else {
                shapes.push(format!(r"{}\b", regex::escape(&authority)));
                hosts.insert(authority, row.name);
            }
        }
        let known = Regex::new(&format!(r"(?-u)\bhttps?://({})", shapes.join("|")))?;
        let further = FURTHER.into_iter().map(|(shape, provider)| {
            Ok((
                Regex::new(&format!(r"(?-u)\bhttps?://{shape}\b"))?,
                provider,
            ))
        });
        Ok(Self {
            hosts,
            known,
            further: further.collect::<anyhow::Result<_>>()?,
        })
    }

    pub(super) fn find(&self, text: &str) -> Vec<Found> {
        let known = self.known.captures_iter(text).filter_map(|captures| {
            let host = captures.get(1)?;
            let name = host.as_str().trim_end_matches("/v1");
            let provider = self.hosts.get(name)?;
            let url = captures.get(0)?;
            Some(found(url.start(), url.as_str(), provider))
        });
        let further = self.further.iter().flat_map(|(shape, provider)| {
            shape
                .find_iter(text)
                .map(|url| found(url.start(), url.as_str(), provider))
        });
        known.chain(further).collect()
    }
}

fn found(at: usize, url: &str, provider: &'static str) -> Found {
    Found {
        at,
        of: Of::BaseUrl,
        what: url.to_owned(),
        provider,
    }
}
