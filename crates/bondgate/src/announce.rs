//! What a start prints: where to call, with what, and a line that works when pasted.

use std::net::SocketAddr;
use std::path::Path;

use policy::secret::Secret;

use crate::config::Config;
use crate::config::data_dir::ADMIN_TOKEN;
use crate::config::zero::DEFAULT_KEY;
use crate::say;

/// What is told of a start.
pub struct Start<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Where applications call.
    pub address: SocketAddr,
    /// Where operators call.
    pub admin: &'a str,
    /// Whether there is no file, and then the key, where this start made it.
    pub without_file: Option<Option<&'a Secret>>,
    /// The data folder.
    pub data: &'a Path,
}

/// Says that the gateway serves.
pub fn started(start: &Start<'_>) {
    let scheme = if start.config.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{}", start.address);
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("bondgate {version} listens on {url}\n");
    if let Some(key) = start.without_file {
        text.push_str(&format!(
            "\nThere is no configuration file, so these providers are on: {}.\n\
             Models are called as provider/model; sim/echo answers without any provider.\n",
            names(start.config)
        ));
        let shown = match key {
            Some(secret) => {
                text.push_str(&format!(
                    "\nThe key `{DEFAULT_KEY}`, shown this once: {}\nIt may spend 5 USD a day.\n",
                    secret.reveal()
                ));
                secret.reveal()
            }
            None => {
                text.push_str(&format!(
                    "\nThe key `{DEFAULT_KEY}` was shown at the first start; `bondgate keys rotate {DEFAULT_KEY}` makes a new secret.\n"
                ));
                "$BONDGATE_KEY"
            }
        };
        text.push_str(&format!("\nTry it:\n{}\n\n", curl(&url, shown)));
    }
    text.push_str(&format!("Admin: {}", start.admin));
    let configured = start
        .config
        .admin
        .as_ref()
        .and_then(|admin| admin.token.as_ref());
    if configured.is_none() {
        let token = start.data.join(ADMIN_TOKEN);
        text.push_str(&format!(" (token in {})", token.display()));
    }
    text.push_str(&format!("\nData: {}\n", start.data.display()));
    say::announce(&text);
}

fn names(config: &Config) -> String {
    config
        .providers
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn curl(url: &str, secret: &str) -> String {
    format!(
        "curl -s {url}/v1/chat/completions -H \"authorization: Bearer {secret}\" -H 'content-type: application/json' \
         -d '{{\"model\":\"sim/echo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'"
    )
}
