//! Where a provider is: scheme, host and port, taken apart once and never joined from text again.

use std::fmt;

use url::Url;

/// How an origin is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Cleartext HTTP/1.1.
    Http,
    /// Cleartext HTTP/2 by prior knowledge (RFC 9113 section 3.3).
    H2c,
    /// TLS; HTTP/2 or HTTP/1.1 as the server chooses by ALPN.
    Https,
}

/// Scheme, host and port of a provider: the unit of pooling, and what credentials are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Host name or address, lower case; IPv6 addresses without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A base URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Scheme, host and port.
    pub origin: Origin,
    /// Path without a slash at its end; empty for the root.
    pub path: String,
}

impl BaseUrl {
    /// Reads a base URL.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|e| format!("`{text}` is no URL: {e}"))?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            other => {
                return Err(format!(
                    "`{other}` is no scheme of a provider: use http or https"
                ));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a base URL carries no credentials: give the key as `key`".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a base URL has neither query nor fragment".to_owned());
        }
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name.to_ascii_lowercase(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(format!("`{text}` names no host")),
        };
        let port = url
            .port_or_known_default()
            .ok_or_else(|| format!("`{text}` names no port"))?;
        Ok(Self {
            origin: Origin { scheme, host, port },
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Origin {
    /// `host:port` as the `host` header wants it: the default port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = match self.scheme {
            Scheme::Http | Scheme::H2c => 80,
            Scheme::Https => 443,
        };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        {
            let scheme = match self.scheme {
                Scheme::Http | Scheme::H2c => "http",
                Scheme::Https => "https",
            };
            write!(f, "{scheme}://{}", self.authority())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_apart() {
        let base = BaseUrl::parse("https://API.example.com/v1/").unwrap();
        assert_eq!(base.path, "/v1");
        assert_eq!(base.origin.to_string(), "https://api.example.com");
        assert_eq!(
            BaseUrl::parse("http://[::1]:8000")
                .unwrap()
                .origin
                .authority(),
            "[::1]:8000"
        );
    }

    #[test]
    fn a_base_url_that_could_mislead_is_refused() {
        for bad in [
            "ftp://x",
            "https://user:pass@x/v1",
            "https://x/v1?a=b",
            "https://x/#f",
            "nonsense",
            "http://",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
