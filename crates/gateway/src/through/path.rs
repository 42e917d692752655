//! Where a request passes through to: a path that is listed, and can be read in one way only.

use dialect::json::Reader;
use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use policy::failure::{Code, Failure};
use policy::provider::{Auth, Provider};

use crate::refuse::quote;
use crate::upstream::catalog::usual_passed;

/// Members of a query that show a credential of the caller's.
const CREDENTIALS: [&str; 3] = ["key", "access_token", "api-key"];

/// A place at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Path and query from the provider's host.
    pub path: String,
    /// The listed path that it is.
    listed: &'static str,
    /// The model that the path names.
    model: Option<String>,
}

impl Place {
    /// The model that is called, in the provider's words: the path's, else the body's; where neither names
    /// one, the listed path.
    pub(crate) fn model(&self, body: &[u8]) -> String {
        let named = self.model.clone().or_else(|| named(body));
        named.unwrap_or_else(|| self.listed.to_owned())
    }
}

/// The model that a JSON object names.
fn named(body: &[u8]) -> Option<String> {
    let mut model = None;
    let mut reader = Reader::new(body).ok()?.with_unique_keys();
    let read = reader.object(|name, member| {
        if name == "model" {
            model = Some(member.string()?.into_owned());
            return Ok(());
        }
        member.skip().map(drop)
    });
    let plain = |name: &String| !name.is_empty() && !name.contains(char::is_control);
    model.filter(|name| read.is_ok() && name.len() <= 256 && plain(name))
}

/// Finds the place that `path`, without the slash before it, stands for.
///
/// # Errors
/// `invalid_request` for a path that could be read in two ways, `policy_refused` for one that is not listed.
pub(crate) fn find(provider: &Provider, parts: &Parts, path: &str) -> Result<Place, Failure> {
    if let Some(why) = ambiguous(path) {
        let why = format!("the path {} {why}", quote(path));
        return Err(Failure::new(Code::InvalidRequest, why));
    }
    let below = below_root(&provider.base_path, path);
    let lists = [provider.paths.passed, usual_passed(provider.dialect)];
    let mut listed = lists.into_iter().flatten().copied();
    let found = listed.find_map(|pattern| {
        let (method, pattern) = pattern.split_once(' ').unwrap_or(("", pattern));
        let candidate = match pattern.strip_prefix('/') {
            Some(pattern) => (pattern, path),
            None => (pattern, below),
        };
        let is_it = allows(method, &parts.method) && fits(candidate.0, candidate.1);
        is_it.then_some((pattern, candidate.1))
    });
    let Some((listed, path)) = found else {
        let why = format!(
            "{} {} does not pass through to the provider {}: the catalogue does not list it",
            parts.method,
            quote(path),
            quote(&provider.name)
        );
        return Err(Failure::new(Code::PolicyRefused, why));
    };
    let root = if listed.starts_with('/') {
        ""
    } else {
        &provider.base_path
    };
    Ok(Place {
        model: in_path(path),
        path: with_query(format!("{root}/{path}"), parts.uri.query(), provider),
        listed: listed.trim_start_matches('/'),
    })
}

/// Why a path can be read in two ways, by those who decode it, collapse it or climb in it.
fn ambiguous(path: &str) -> Option<&'static str> {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => return Some("holds a backslash"),
            b';' => return Some("holds a semicolon"),
            0..=0x20 | 0x7f..=0xff => return Some("holds a character that is no part of a path"),
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Some("holds a percent sign that encodes nothing");
                };
                let decoded = u8::try_from(high * 16 + low).unwrap_or_default();
                if matches!(decoded, b'.' | b'/' | b'\\' | b'%' | b';' | 0..0x20 | 0x7f) {
                    return Some("encodes a character that must stand as it is, or not at all");
                }
            }
            _ => {}
        }
    }
    let mut segments = path.split('/');
    if segments.clone().any(str::is_empty) {
        return Some("has an empty segment");
    }
    let climbs = segments.any(|segment| segment == "." || segment.starts_with(".."));
    climbs.then_some("climbs")
}

/// The path below the provider's root: the host, the versioned root and the version alone stand for it.
fn below_root<'p>(root: &str, path: &'p str) -> &'p str {
    let root = root.trim_matches('/');
    let version = root.rsplit('/').next().unwrap_or_default();
    let mut known = [root, version].into_iter().filter(|root| !root.is_empty());
    known
        .find_map(|root| path.strip_prefix(root)?.strip_prefix('/'))
        .unwrap_or(path)
}

fn allows(listed: &str, method: &Method) -> bool {
    match listed {
        "" => [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ]
        .contains(method),
        "GET" => *method == Method::GET || *method == Method::HEAD,
        listed => listed == method.as_str(),
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(listed), Some(segment)) if listed == segment => {}
            _ => return false,
        }
    }
}

/// The model in `models/{model}:{verb}` and `model/{model}/{verb}`.
fn in_path(path: &str) -> Option<String> {
    let model = match path.strip_prefix("models/") {
        Some(rest) => rest.rsplit_once(':')?.0,
        None => path.strip_prefix("model/")?.split('/').next()?,
    };
    let model = percent_decode_str(model).decode_utf8().ok()?;
    (!model.contains(char::is_control)).then(|| model.into_owned())
}

/// The client's query without what shows its credential, then the provider's own.
fn with_query(path: String, query: Option<&str>, provider: &Provider) -> String {
    let own = provider.paths.query.as_str();
    let own_name = own.split('=').next().unwrap_or_default();
    let shown = match provider.auth {
        Auth::Query(name) => name,
        Auth::Bearer | Auth::Header(_) | Auth::SigV4 { .. } | Auth::None => "",
    };
    let kept = query.unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        let name = name.to_ascii_lowercase();
        let is_ours = [shown, own_name]
            .iter()
            .any(|ours| !ours.is_empty() && *ours == name);
        !pair.is_empty() && !is_ours && !CREDENTIALS.contains(&name.as_str())
    });
    let pairs: Vec<&str> = kept
        .chain([own].into_iter().filter(|own| !own.is_empty()))
        .collect();
    if pairs.is_empty() {
        return path;
    }
    format!("{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::{ambiguous, below_root, fits, in_path, named};

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_none() {
        for path in [
            "",
            "/files",
            "files/",
            "files//x",
            "../admin",
            "files/..",
            "files/../keys",
            "files/..x",
            "./files",
            "files/%2e%2e/keys",
            "files/%2E./keys",
            "files/.%2e/keys",
            "files%2f..",
            "files%2Fx",
            "files\\x",
            "files/%5c",
            "files/%5C..",
            "files/%252e%252e",
            "files/%00",
            "files/%0a",
            "files/%",
            "files/%2",
            "files/%zz",
            "files/a;b",
            "files/..;/keys",
            "files/%3b",
            "files/\u{e9}",
            "files/a b",
        ] {
            assert!(ambiguous(path).is_some(), "{path}");
        }
        for path in [
            "files",
            "files/a.b",
            "v1/files/file-1/content",
            "model/a%3A0/converse",
            "a%20b",
            ".well-known",
        ] {
            assert_eq!(ambiguous(path), None, "{path}");
        }
    }

    #[test]
    fn host_root_and_version_stand_for_the_root() {
        for (root, path, below) in [
            ("/v1", "v1/files", "files"),
            ("/v1", "files", "files"),
            ("/openai/v1", "openai/v1/files", "files"),
            ("/openai/v1", "v1/files", "files"),
            ("/openai/v1", "files", "files"),
            ("", "files", "files"),
            ("/v1", "v1files", "v1files"),
            ("/v1", "v1/v1/files", "v1/files"),
        ] {
            assert_eq!(below_root(root, path), below, "{root} {path}");
        }
    }

    #[test]
    fn a_star_is_one_segment() {
        assert!(fits("files/*/content", "files/a/content"));
        for path in [
            "files/a",
            "files/a/b/content",
            "files/content",
            "files/a/content/b",
        ] {
            assert!(!fits("files/*/content", path), "{path}");
        }
    }

    #[test]
    fn a_model_is_found_in_paths_and_in_bodies() {
        let model = |name: &str| Some(name.to_owned());
        assert_eq!(in_path("models/g-2:countTokens"), model("g-2"));
        assert_eq!(in_path("model/a.b%3A0/converse"), model("a.b:0"));
        assert_eq!(in_path("files/x"), None);
        assert_eq!(named(br#"{"a":1,"model":"m","b":[]}"#), model("m"));
        for body in [
            &b"--x\r\n"[..],
            b"{\"model\":",
            b"{\"model\":1}",
            b"[]",
            b"{\"model\":\"a\",\"model\":\"b\"}",
        ] {
            assert_eq!(named(body), None);
        }
    }
}
