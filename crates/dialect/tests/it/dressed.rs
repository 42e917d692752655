//! The messages API as clouds serve it: bodies change their dress and nothing else, and streams
//! in another framing say the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dialect::Dialect;
use dialect::anthropic::{Dress, Dressed, Wanted};
use dialect::chat::StreamEvent;
use dialect::codec::{Broken, ClientCodec, Edits, EncoderOptions, End, ServerCodec};
use dialect::frame::Framing;
use dialect::frame::sse::MAX_EVENT;
use dialect::loss::Losses;
use serde_json::{Value, json};

use crate::corpus::{none, requests, streams};
use crate::event_stream::{event, from_sse, to_sse};
use crate::laws::{events, failure, target};
use crate::recordings;

const ALL: [Dress; 3] = [Dress::Plain, Dress::Bedrock, Dress::Vertex];
const INVOKE: Dressed = Dressed(Dress::Bedrock);

fn fit(dress: Dress, body: &str, betas: &[&str]) -> Value {
    let body = Bytes::from(body.to_owned());
    let wanted = Wanted {
        model: "m",
        stream: true,
        max_output_tokens: Some(10),
        version: None,
        betas,
    };
    let out = dress.fit(&body, &wanted).unwrap().apply(&body);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {out:?}"))
}

/// Reads messages of an event stream to a clean end.
fn unpacked(body: &[u8]) -> Result<Vec<StreamEvent>, Broken> {
    let mut framer = Framing::EventStream.framer(MAX_EVENT);
    let mut decoder = INVOKE.decoder(1);
    let mut told = Vec::new();
    framer.push(Bytes::copy_from_slice(body));
    while let Some(raw) = framer.next_frame()? {
        decoder.push(&raw.frame()?.unwrap(), &mut told)?;
    }
    decoder.finish(End::Clean, &mut told)?;
    Ok(told)
}

#[test]
fn any_body_goes_from_any_dress_into_any_other() {
    let rest = json!({"max_tokens": 10, "messages": []});
    let bodies = [
        r#"{"model":"x","max_tokens":99,"stream":true,"messages":[]}"#,
        r#"{"max_tokens":99,"messages":[],"anthropic_version":"bedrock-2023-05-31"}"#,
        r#"{"anthropic_version":"vertex-2023-10-16", "stream":false , "max_tokens":10,"messages":[],"model":"x"}"#,
        r#"{ "stream" : true,"model":"x","messages":[],"max_tokens":11 }"#,
    ];
    for body in bodies {
        for (dress, more) in ALL.into_iter().zip([
            json!({"model": "m", "stream": true}),
            json!({"anthropic_version": "bedrock-2023-05-31"}),
            json!({"anthropic_version": "vertex-2023-10-16", "stream": true}),
        ]) {
            let mut expected = rest.clone();
            for (name, value) in more.as_object().unwrap() {
                expected[name] = value.clone();
            }
            assert_eq!(fit(dress, body, &[]), expected, "{dress:?} {body}");
        }
    }
    assert_eq!(
        fit(Dress::Bedrock, "{}", &[]),
        json!({"anthropic_version": "bedrock-2023-05-31"})
    );
    let twice = br#"{"model":"a","model":"b"}"#;
    let wanted = Wanted {
        model: "m",
        stream: false,
        max_output_tokens: None,
        version: None,
        betas: &[],
    };
    assert!(Dress::Bedrock.fit(twice, &wanted).is_err());
}

#[test]
fn betas_stand_in_the_body_of_clouds_each_of_them_once() {
    let body = r#"{"anthropic_beta":["a","b"],"messages":[]}"#;
    let dressed = fit(Dress::Bedrock, body, &["b", "c"]);
    assert_eq!(dressed["anthropic_beta"], json!(["a", "b", "c"]));
    assert!(fit(Dress::Plain, body, &["b"])["anthropic_beta"].is_null());
    assert_eq!(Dress::betas(body.as_bytes()).unwrap(), ["a", "b"]);
    assert!(Dress::betas(br#"{"anthropic_beta":"a"}"#).is_err());
}

#[test]
fn a_request_dressed_and_read_says_what_it_said() {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for sample in requests()
        .iter()
        .filter(|s| s.dialect == Dialect::AnthropicMessages)
    {
        let hub = sample
            .dialect
            .server()
            .decode_request(&sample.bytes)
            .unwrap();
        for dress in [Dress::Bedrock, Dress::Vertex] {
            seen += 1;
            let codec = Dressed(dress);
            let out = codec.encode_request(&hub, &target("m"), &mut Losses::default());
            codec.head(&out).unwrap();
            let mut again = codec.decode_request(&out).unwrap();
            again.model.clone_from(&hub.model);
            again.stream = hub.stream;
            // How `stream` was spelled is told by a note.
            again.extra = hub.extra.clone();
            if again != hub {
                complaints.push(format!("{} in {dress:?}", sample.id));
            }
        }
    }
    none(&complaints, seen);
}

#[test]
fn edits_for_the_same_dress_name_no_model() {
    let body = Bytes::from_static(
        br#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[]}"#,
    );
    let head = INVOKE.head(&body).unwrap();
    let edits = Edits {
        model: "m",
        force_usage: true,
        max_output_tokens: Some(5),
    };
    let out = INVOKE.patch(&head, &edits).apply(&body);
    let expected = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[]}"#;
    assert_eq!(out, expected);
}

#[test]
fn a_stream_in_chunks_says_what_the_stream_says_and_comes_back() {
    let mut complaints = Vec::new();
    let all = streams()
        .iter()
        .filter(|s| s.dialect == Dialect::AnthropicMessages);
    for sample in all.clone() {
        let plain = events(sample.dialect, 1, &sample.bytes);
        let chunks = sample
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        let chunk = |data: &str| {
            let payload = json!({"bytes": STANDARD.encode(data.trim()), "p": "abc"});
            event("chunk", &payload.to_string())
        };
        let packed: Vec<u8> = chunks.flat_map(chunk).collect();
        let told = unpacked(&packed);
        if told.is_ok() != plain.is_ok() || told.as_ref().ok() != plain.as_ref().ok() {
            complaints.push(format!("{}: reads differently", sample.id));
            continue;
        }
        let Ok(told) = told else { continue };
        let mut writer = INVOKE.encoder(EncoderOptions::default());
        let mut out = Vec::new();
        told.iter().for_each(|event| writer.push(event, &mut out));
        if unpacked(&out).is_err() {
            complaints.push(format!("{}: does not come back", sample.id));
        }
    }
    none(&complaints, all.count());
}

#[test]
fn recorded_streams_of_chunks_are_whole_answers_and_cut_they_are_none() {
    for (id, body) in recordings::invoked() {
        let told = unpacked(&body).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(told.last(), Some(&StreamEvent::End), "{id}");
        for at in (0..body.len() - 1).step_by(97) {
            assert!(unpacked(&body[..at]).is_err(), "{id} cut at {at}");
        }
    }
}

#[test]
fn a_failure_in_a_stream_of_chunks_is_an_exception_and_nothing_follows() {
    let mut writer = INVOKE.encoder(EncoderOptions::default());
    let mut out = Vec::new();
    writer.fail(&failure(), &mut out);
    writer.push(&StreamEvent::End, &mut out);
    assert!(to_sse(&out).starts_with("event: exception:internalServerException\n"));
    assert!(unpacked(&out).is_err());

    let broken = [
        "event: chunk\ndata: {\"bytes\":\"?\"}\n\n",
        "event: chunk\ndata: {}\n\n",
        "event: other\ndata: {\"bytes\":\"e30=\"}\n\n",
        "event: exception:throttlingException\ndata: {\"message\":\"slow\"}\n\n",
    ];
    for stream in broken {
        assert!(unpacked(&from_sse(stream)).is_err(), "{stream}");
    }
}

#[test]
fn the_paths_name_the_model_and_the_form() {
    let path = |dress, stream| Dressed(dress).chat_path("a:b/c", stream).into_owned();
    assert_eq!(path(Dress::Plain, true), "/messages");
    assert_eq!(path(Dress::Bedrock, false), "/model/a%3Ab%2Fc/invoke");
    assert_eq!(
        path(Dress::Bedrock, true),
        "/model/a%3Ab%2Fc/invoke-with-response-stream"
    );
    assert_eq!(
        path(Dress::Vertex, false),
        "/publishers/anthropic/models/a%3Ab%2Fc:rawPredict"
    );
    assert_eq!(
        path(Dress::Vertex, true),
        "/publishers/anthropic/models/a%3Ab%2Fc:streamRawPredict"
    );
}
