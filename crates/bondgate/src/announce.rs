//! What a start prints: where to call, with what, and a line that works when pasted.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::Config;

/// Says that the gateway serves. The key is shown only where it was made for this start.
pub fn started(config: &Config, address: SocketAddr, without_file: bool, data: &Path) {
    let scheme = if config.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{address}");
    println!("bondgate {} listens on {}", env!("CARGO_PKG_VERSION"), url);
    if without_file {
        println!(
            "\nThere is no configuration file, so these providers are on: {}.",
            names(config)
        );
        println!("Models are called as provider/model; sim/echo answers without any provider.");
        if let Some(key) = config.keys.first() {
            let secret = key.secret.reveal();
            println!("\nThe key `{}`, new at each start: {secret}", key.name);
            println!("\nTry it:\n{}", curl(&url, secret));
        }
        println!();
    }
    println!("Data: {}", data.display());
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
