//! Requests that are refused for their form alone, before anything reads them.
//!
//! Two parsers on the way may disagree about them, or they ask for a tunnel, which this listener never
//! opens. hyper itself refuses white space before a colon, folded lines, lengths that disagree and
//! encodings that do not end in `chunked`.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Version, request};

/// Put into a request's extensions where the connection's framing is in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambiguous(pub(super) &'static str);

/// Why a request must be refused with 400, if it must. The connection is closed after the answer.
#[must_use]
pub fn refuse_ambiguous(parts: &request::Parts) -> Option<&'static str> {
    if let Some(Ambiguous(why)) = parts.extensions.get() {
        return Some(why);
    }
    let headers = &parts.headers;
    if parts.method == Method::CONNECT {
        return Some("CONNECT is not offered here");
    }
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Some("`host` is given twice");
    }
    // Clients on cleartext offer HTTP/2 this way; not taking the offer is the answer.
    let offered = headers.get_all(UPGRADE).iter();
    if offered
        .filter(|value| !value.as_bytes().eq_ignore_ascii_case(b"h2c"))
        .count()
        > 0
    {
        return Some("`upgrade` is not offered here");
    }
    let may_have_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    let has_length =
        headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if parts.version == Version::HTTP_10 && may_have_body && !has_length {
        return Some("HTTP/1.0 needs a `content-length`");
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{Request, Version, request};

    use super::refuse_ambiguous;

    fn parts(build: impl FnOnce(request::Builder) -> request::Builder) -> request::Parts {
        let builder = build(Request::builder().method("POST").uri("/"));
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn passes_ordinary_requests_and_the_offer_of_http2() {
        let ordinary = parts(|r| r.header("host", "a").header("content-length", "1"));
        assert_eq!(refuse_ambiguous(&ordinary), None);
        let offer = parts(|r| {
            r.header("connection", "Upgrade, HTTP2-Settings")
                .header("upgrade", "h2c")
        });
        assert_eq!(refuse_ambiguous(&offer), None);
        let get = parts(|r| r.method("GET").version(Version::HTTP_10));
        assert_eq!(refuse_ambiguous(&get), None);
    }

    #[test]
    fn refuses_tunnels_two_hosts_and_bodies_without_an_end() {
        assert!(refuse_ambiguous(&parts(|r| r.method("CONNECT"))).is_some());
        assert!(refuse_ambiguous(&parts(|r| r.header("upgrade", "websocket"))).is_some());
        assert!(
            refuse_ambiguous(&parts(|r| r
                .header("upgrade", "h2c")
                .header("upgrade", "x")))
            .is_some()
        );
        assert!(refuse_ambiguous(&parts(|r| r.header("host", "a").header("host", "a"))).is_some());
        assert!(refuse_ambiguous(&parts(|r| r.version(Version::HTTP_10))).is_some());
    }
}
