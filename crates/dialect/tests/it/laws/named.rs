//! A loss names a field that the client wrote: its path leads to a place in the request.

use dialect::loss::Losses;
use serde_json::Value;

use super::{others, target};
use crate::corpus::{Sample, none, requests};

#[test]
fn a_loss_names_a_place_in_the_request() {
    let astray: Vec<String> = requests().iter().flat_map(astray).collect();
    none(&astray, requests().len());
}

fn astray(sample: &Sample) -> Vec<String> {
    let server = sample.dialect.server();
    let hub = server.decode_request(sample.text.as_bytes());
    let (Ok(hub), Ok(request)) = (hub, serde_json::from_str(&sample.text)) else {
        return Vec::new();
    };
    let mut astray = Vec::new();
    for (other, codec) in others(sample.dialect) {
        let mut losses = Losses::default();
        codec.encode_request(&hub, &target("m"), &mut losses);
        let lost = losses.as_slice().iter();
        let lost = lost.filter(|loss| !is_added(&loss.why) && !leads(&request, &loss.path));
        let told = lost.map(|loss| {
            let (id, other) = (&sample.id, other.name());
            format!("{id} as {other}: {} {}", loss.path, loss.why)
        });
        astray.extend(told);
    }
    astray
}

/// Whether something is added that nobody wrote, so that there is no place for it.
fn is_added(why: &str) -> bool {
    why == "tools that past turns called are declared"
}

/// Whether the path leads to something in the document.
fn leads(document: &Value, path: &str) -> bool {
    let mut found = document;
    for step in path.split(['.', '[']) {
        let next = match step.strip_suffix(']') {
            Some(place) => place.parse().ok().and_then(|at: usize| found.get(at)),
            // Google's names are read in both cases.
            None => found.get(step).or_else(|| found.get(snake(step))),
        };
        match next {
            Some(next) => found = next,
            None => return false,
        }
    }
    true
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
