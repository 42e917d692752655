//! Requests that are refused for their form alone, before anything reads them.
//!
//! Two parsers on the way may disagree about them, or they ask for a tunnel, which this listener never
//! opens. hyper itself refuses white space before a colon, folded lines, lengths that disagree and
//! encodings that do not end in `chunked`.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Request, Version, request};

/// Put into the extensions of a request that must be refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(pub(super) &'static str);

/// Why a request must be refused with 400, if it must. The listener has looked at its form already and
/// closes the connection after the answer, whatever that is.
#[must_use]
pub fn refuse_ambiguous(parts: &request::Parts) -> Option<&'static str> {
    parts.extensions.get().map(|Refused(why)| *why)
}

/// What is wrong with the form of a request, as far as its head can tell.
pub(super) fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    let headers = request.headers();
    if request.method() == Method::CONNECT {
        return Some("CONNECT is not offered here");
    }
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Some("`host` is given twice");
    }
    // Clients on cleartext offer HTTP/2 this way; not taking the offer is the answer.
    let mut offered = headers.get_all(UPGRADE).iter();
    if offered.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"h2c")) {
        return Some("`upgrade` is not offered here");
    }
    if request.version() == Version::HTTP_10
        && matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        )
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
    {
        return Some("HTTP/1.0 needs a `content-length`");
    }
    None
}

#[cfg(test)]
mod tests {
    use http::request::Builder;
    use http::{Request, Version};

    use super::fault;

    fn fault_of(build: impl FnOnce(Builder) -> Builder) -> Option<&'static str> {
        let builder = build(Request::builder().method("POST").uri("/"));
        fault(&builder.body(()).unwrap())
    }

    #[test]
    fn passes_ordinary_requests_and_the_offer_of_http2() {
        assert_eq!(
            fault_of(|r| r.header("host", "a").header("content-length", "1")),
            None
        );
        let offer = |r: Builder| {
            r.header("connection", "Upgrade, HTTP2-Settings")
                .header("upgrade", "h2c")
        };
        assert_eq!(fault_of(offer), None);
        assert_eq!(
            fault_of(|r| r.method("GET").version(Version::HTTP_10)),
            None
        );
    }

    #[test]
    fn refuses_tunnels_two_hosts_and_bodies_without_an_end() {
        assert!(fault_of(|r| r.method("CONNECT")).is_some());
        assert!(fault_of(|r| r.header("upgrade", "websocket")).is_some());
        assert!(fault_of(|r| r.header("upgrade", "h2c").header("upgrade", "x")).is_some());
        assert!(fault_of(|r| r.header("host", "a").header("host", "a")).is_some());
        assert!(fault_of(|r| r.version(Version::HTTP_10)).is_some());
    }
}
