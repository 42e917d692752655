//! What a start prints: where to call, with what, and a line that works when pasted.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::Config;
use crate::say;

/// Says that the gateway serves. The key is shown only where it was made for this start.
pub fn started(config: &Config, address: SocketAddr, without_file: bool, data: &Path) {
    let scheme = if config.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{address}");
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("bondgate {version} listens on {url}\n");
    if without_file {
        text.push_str(&format!(
            "\nThere is no configuration file, so these providers are on: {}.\n\
             Models are called as provider/model; sim/echo answers without any provider.\n",
            names(config)
        ));
        if let Some(key) = config.keys.first() {
            let secret = key.secret.reveal();
            text.push_str(&format!(
                "\nThe key `{}`, new at each start: {secret}\n\nTry it:\n{}\n",
                key.name,
                curl(&url, secret)
            ));
        }
        text.push('\n');
    }
    text.push_str(&format!("Data: {}\n", data.display()));
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
        "curl -s {url}/v1/chat/completions -H 'authorization: Bearer {secret}' -H 'content-type: application/json' \
         -d '{{\"model\":\"sim/echo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'"
    )
}
