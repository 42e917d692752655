//! The head and the whole request agree, and edits change what they say and no more.

use bytes::Bytes;
use dialect::codec::Edits;

use crate::corpus::{Sample, none, requests};

#[test]
fn the_head_says_what_the_whole_request_says() {
    let complaints: Vec<String> = requests().iter().filter_map(agrees).collect();
    none(&complaints, requests().len());
}

fn agrees(sample: &Sample) -> Option<String> {
    let codec = sample.dialect.server();
    let body = sample.text.as_bytes();
    let (head, hub) = match (codec.head(body), codec.decode_request(body)) {
        (Ok(head), Ok(hub)) => (head, hub),
        (head, hub) => {
            return Some(format!("{}: {:?} {:?}", sample.id, head.err(), hub.err()));
        }
    };
    let of_head = (
        head.model.as_str(),
        head.stream,
        head.stream_usage,
        head.max_output_tokens,
        head.candidates,
    );
    let of_hub = (
        hub.model.as_str(),
        hub.stream,
        hub.stream_usage,
        hub.max_output_tokens,
        hub.candidates.unwrap_or(1),
    );
    (of_head != of_hub).then(|| format!("{}: {of_head:?} is not {of_hub:?}", sample.id))
}

#[test]
fn edits_change_the_model_the_bound_and_usage_and_nothing_else() {
    let complaints: Vec<String> = requests().iter().filter_map(edited).collect();
    none(&complaints, requests().len());
}

fn edited(sample: &Sample) -> Option<String> {
    let codec = sample.dialect.server();
    let body = Bytes::from(sample.text.clone());
    let head = codec.head(&body).unwrap();
    let mut hub = codec.decode_request(&body).unwrap();
    let bound = head.max_output_tokens.map_or(7, |bound| bound.min(7));
    let edits = Edits {
        model: "another/\"model\"",
        force_usage: true,
        max_output_tokens: Some(bound),
    };
    let out = codec.patch(&head, &edits).apply(&body);
    let mut after = match codec.decode_request(&out) {
        Ok(after) => after,
        Err(error) => return Some(format!("{}: refused once edited: {error}", sample.id)),
    };
    let usage = after.stream_usage || !after.stream;
    // A body names the model, or the path does.
    let elsewhere = super::names_model_in_path(sample.dialect) && hub.model.is_empty();
    let named = elsewhere || after.model == edits.model;
    if !named || after.max_output_tokens != Some(bound) || !usage {
        return Some(format!("{}: an edit is missing", sample.id));
    }
    hub.model.clone_from(&after.model);
    hub.max_output_tokens = after.max_output_tokens;
    hub.stream_usage = after.stream_usage;
    // Where the bound and the switch stood is told by notes, and the switch's neighbours by fields.
    hub.extra = after.extra.clone();
    after.extra = hub.extra.clone();
    (after != hub).then(|| format!("{}: more than the edits changed", sample.id))
}

#[test]
fn a_model_that_is_named_elsewhere_stands_in_the_edited_body_whatever_it_named() {
    let named = dialect::Dialect::ALL.into_iter();
    for dialect in named.filter(|dialect| !super::names_model_in_path(*dialect)) {
        for own in ["", r#""model":"theirs","#, r#""model":"ours","#] {
            let body = Bytes::from(format!(
                r#"{{{own}"max_tokens":9,"messages":[],"input":[]}}"#
            ));
            let codec = dialect.server();
            let mut head = codec.head(&body).unwrap();
            head.name_model("ours".to_owned());
            let edits = Edits {
                model: "ours",
                force_usage: false,
                max_output_tokens: None,
            };
            let out = codec.patch(&head, &edits).apply(&body);
            let expected = r#"{"model":"ours","max_tokens":9,"messages":[],"input":[]}"#;
            assert_eq!(String::from_utf8_lossy(&out), expected, "{dialect:?} {own}");
            codec.decode_request(&body).unwrap();
        }
    }
}
