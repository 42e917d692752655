//! The HTTP proxy between the gateway and the providers.
//!
//! Origins with TLS or HTTP/2 are reached through a tunnel (CONNECT, RFC 9110 section 9.3.6), plain
//! HTTP/1.1 origins by sending the proxy requests in absolute form. The proxy's credential goes to the
//! proxy alone and is never shown.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::{Origin, Scheme};

/// The most that a proxy may say before a tunnel is open, in bytes.
const ANSWER_MAX: usize = 8 * 1024;

/// A proxy, and what does not go through it.
#[derive(Clone)]
pub struct Proxy {
    origin: Origin,
    authorization: Option<HeaderValue>,
    direct: Vec<String>,
}

/// What is wrong with a proxy's address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProxyError {
    /// Not an absolute URL with a host.
    #[error("a proxy is written `http://host:port` or `http://user:password@host:port`")]
    NotAUrl,
    /// Another scheme than `http`.
    #[error("a proxy with the scheme `{0}` is not supported, only `http`")]
    Scheme(String),
}

impl Proxy {
    /// Reads `http://user:password@host:port`. User and password are percent-decoded; the port is 80
    /// where none is given.
    ///
    /// `direct` lists what is reached without the proxy, as `NO_PROXY` does: `*`, an address, or a name,
    /// which stands for its subdomains too (a leading dot changes nothing). `localhost` and loopback
    /// addresses are always reached directly.
    ///
    /// # Errors
    /// [`ProxyError`]; the message never repeats the address, which may hold a password.
    pub fn parse(address: &str, direct: &[String]) -> Result<Self, ProxyError> {
        let url = Url::parse(address).map_err(|_| ProxyError::NotAUrl)?;
        if url.scheme() != "http" {
            // `proxy:3128` parses as a URL of the scheme `proxy`.
            return Err(match url.has_host() {
                true => ProxyError::Scheme(url.scheme().to_owned()),
                false => ProxyError::NotAUrl,
            });
        }
        let host = match url.host().ok_or(ProxyError::NotAUrl)? {
            Host::Domain(name) => name.to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        let origin = Origin {
            scheme: Scheme::Http,
            host,
            port,
        };
        let direct = direct
            .iter()
            .map(|name| exemption(name))
            .filter(|name| !name.is_empty());
        Ok(Self {
            origin,
            authorization: authorization(&url),
            direct: direct.collect(),
        })
    }

    /// Whether requests to `origin` go through the proxy.
    #[must_use]
    pub fn carries(&self, origin: &Origin) -> bool {
        let host = origin.host.as_str();
        let loopback = host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        !loopback && !self.direct.iter().any(|name| exempts(name, host))
    }

    /// Where the proxy is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Asks for a tunnel to `origin` on a fresh connection to the proxy.
    pub(super) async fn tunnel(
        &self,
        stream: &mut TcpStream,
        origin: &Origin,
    ) -> Result<(), String> {
        let (open, close) = if origin.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        let target = format!("{open}{}{close}:{}", origin.host, origin.port);
        let mut ask = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            ask.extend_from_slice(b"proxy-authorization: ");
            ask.extend_from_slice(value.as_bytes());
            ask.extend_from_slice(b"\r\n");
        }
        ask.extend_from_slice(b"\r\n");
        stream
            .write_all(&ask)
            .await
            .map_err(|error| error.to_string())?;
        let answer = head(stream).await?;
        match status(&answer) {
            Some(status) if (200..300).contains(&status) => Ok(()),
            Some(status) => Err(format!("it answered {status} to CONNECT {target}")),
            None => Err("its answer to CONNECT is not HTTP".to_owned()),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = out.debug_struct("Proxy");
        out.field("origin", &self.origin)
            .field("direct", &self.direct);
        out.finish_non_exhaustive()
    }
}

fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn exemption(name: &str) -> String {
    let name = name.trim().trim_start_matches("*.").trim_start_matches('.');
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.to_ascii_lowercase()
}

fn exempts(name: &str, host: &str) -> bool {
    let parent = host.strip_suffix(name);
    name == "*" || parent.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Reads to the empty line. Nothing may follow it: the first word in a tunnel is ours.
async fn head(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_MAX {
            return Err(format!(
                "its answer to CONNECT is longer than {ANSWER_MAX} bytes"
            ));
        }
        let byte = stream.read_u8().await;
        answer.push(byte.map_err(|error| format!("it closed during CONNECT: {error}"))?);
    }
    Ok(answer)
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer).ok()?.lines().next()?;
    let mut words = line.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| code.len() == 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Proxy, ProxyError};
    use crate::upstream::{Origin, Scheme};

    fn carries(proxy: &Proxy, host: &str) -> bool {
        let host = host.to_owned();
        proxy.carries(&Origin {
            scheme: Scheme::Https,
            host,
            port: 443,
        })
    }

    #[test]
    fn exempts_loopback_listed_names_and_their_subdomains() {
        let direct = [".internal.example".to_owned(), "10.1.2.3".to_owned()];
        let proxy = Proxy::parse("http://proxy:3128", &direct).unwrap();
        for host in [
            "localhost",
            "127.0.0.9",
            "::1",
            "internal.example",
            "a.internal.example",
            "10.1.2.3",
        ] {
            assert!(!carries(&proxy, host), "{host} goes through the proxy");
        }
        for host in ["api.example", "notinternal.example", "10.1.2.4"] {
            assert!(
                carries(&proxy, host),
                "{host} does not go through the proxy"
            );
        }
        let none = Proxy::parse("http://proxy:3128", &["*".to_owned()]).unwrap();
        assert!(!carries(&none, "api.example"));
    }

    #[test]
    fn decodes_and_hides_the_credential() {
        let proxy = Proxy::parse("http://us%40er:p%3Aw@proxy", &[]).unwrap();
        assert_eq!(proxy.authorization().unwrap(), "Basic dXNAZXI6cDp3");
        assert_eq!(
            (proxy.origin().host.as_str(), proxy.origin().port),
            ("proxy", 80)
        );
        assert!(!format!("{proxy:?}").contains("dXNAZXI6cDp3"));
    }

    #[test]
    fn refuses_what_it_cannot_speak() {
        let refused = |address| Proxy::parse(address, &[]).unwrap_err();
        assert_eq!(refused("proxy:3128"), ProxyError::NotAUrl);
        assert_eq!(
            refused("socks5://proxy:1"),
            ProxyError::Scheme("socks5".to_owned())
        );
        assert_eq!(refused(""), ProxyError::NotAUrl);
    }
}
