//! The framer against a naive decoder of the grammar: any bytes, any split.

use bytes::Bytes;
use dialect::frame::sse::{FrameError, Framer, MAX_EVENT, RawFrame, Run, one_line};
use proptest::prelude::*;

/// Name and data.
type Event = (String, String);

/// The grammar as the standard words it, on a whole body.
fn naive(body: &str) -> Vec<Event> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    // What follows the last blank line is an event that never ended.
    let mut lines: Vec<&str> = body.split('\n').collect();
    lines.pop();
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), Vec::new());
    for line in lines {
        if line.is_empty() {
            let text = std::mem::take(&mut data).join("\n");
            let name = std::mem::take(&mut name);
            if !text.is_empty() {
                events.push((name, text));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => data.push(value.to_owned()),
            _ => {}
        }
    }
    events
}

/// Events, the bytes that all frames and the tail amount to, and how it ended.
fn framed(chunks: &[&[u8]], limit: usize) -> (Vec<Event>, Vec<u8>, Result<(), FrameError>) {
    let mut framer = Framer::new(limit);
    let (mut events, mut bytes) = (Vec::new(), Vec::new());
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        loop {
            match framer.next_frame() {
                Ok(Some(raw)) => {
                    bytes.extend_from_slice(raw.bytes());
                    events.extend(read(&raw));
                }
                Ok(None) => break,
                Err(error) => return (events, bytes, Err(error)),
            }
        }
    }
    let held = framer.buffered();
    let tail = framer.finish();
    assert!(tail.as_ref().map_or(0, |tail| tail.bytes().len()) + 1 >= held);
    bytes.extend(tail.iter().flat_map(|tail| tail.bytes()));
    (events, bytes, Ok(()))
}

fn read(raw: &RawFrame) -> Option<Event> {
    let frame = raw.frame().unwrap()?;
    Some((frame.event.into_owned(), frame.data.into_owned()))
}

fn split<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|w| &body[w[0]..w[1]]).collect()
}

fn bodies() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "data",
        "data:",
        "data: ",
        "event",
        "event: ",
        "id: 7",
        "retry: 10",
        ":",
        " ",
        "x",
        "{\"a\":1}",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\r",
        "\r\n",
        "\r\n\r\n",
        "é",
        "😀",
        "\u{feff}",
        "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_split_of_any_body_gives_what_the_grammar_says(
        body in bodies(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let expected = naive(&body);
        let (events, bytes, end) = framed(&split(body.as_bytes(), &cuts), MAX_EVENT);
        prop_assert_eq!(&events, &expected);
        prop_assert_eq!(end, Ok(()));
        // A last LF whose CR went out before is the only byte that no frame need hold.
        let lost = body.len() - bytes.len();
        prop_assert!(body.as_bytes().starts_with(&bytes) && lost <= 1);
        prop_assert!(lost == 0 || body.ends_with("\r\n"));
        let single: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        prop_assert_eq!(framed(&single, MAX_EVENT).0, expected);
    }

    #[test]
    fn the_bound_falls_at_the_same_event_in_any_split(
        body in bodies(),
        limit in 1usize..40,
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let (whole, _, whole_end) = framed(&[body.as_bytes()], limit);
        let (events, _, end) = framed(&split(body.as_bytes(), &cuts), limit);
        prop_assert_eq!(events, whole);
        prop_assert_eq!(end, whole_end);
    }

    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(prop::sample::select(b"data:\r\n \xEF\xBB\xBF\xff\x80x".to_vec()), 0..80),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let mut framer = Framer::new(64);
        for chunk in split(&body, &cuts) {
            framer.push(Bytes::copy_from_slice(chunk));
            while let Ok(Some(raw)) = framer.next_frame() {
                let _ = raw.frame();
            }
        }
        let _ = framer.finish().map(|raw| raw.frame().is_ok());
    }
}

#[test]
fn the_examples_of_the_grammar_read_as_said() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("data: a\n\n", &[("", "a")]),
        ("data:a\n\n", &[("", "a")]),
        ("data:  a\n\n", &[("", " a")]),
        ("data: a\ndata: b\n\n", &[("", "a\nb")]),
        ("data\ndata\n\n", &[("", "\n")]),
        ("event: x\nid: 1\nretry: 5\ndata: {}\n\n", &[("x", "{}")]),
        ("event: x\n\ndata: a\n\n", &[("", "a")]),
        (": keep-alive\n\ndata: a\n\n", &[("", "a")]),
        (
            "\u{feff}data: a\r\n\r\ndata: b\r\rdata: c\n\n",
            &[("", "a"), ("", "b"), ("", "c")],
        ),
        ("data: a\n\n\u{feff}data: b\n\n", &[("", "a")]),
        ("\u{feff}\ndata: a\n\n", &[("", "a")]),
        ("data: a\n", &[]),
        ("data:\n\n", &[]),
    ];
    for (body, expected) in cases {
        let expected: Vec<Event> = expected
            .iter()
            .map(|(n, d)| ((*n).into(), (*d).into()))
            .collect();
        assert_eq!(
            framed(&[body.as_bytes()], MAX_EVENT).0,
            expected,
            "{body:?}"
        );
        assert_eq!(naive(body), expected, "{body:?}");
    }
}

#[test]
fn an_event_that_ends_in_cr_does_not_wait_for_more() {
    let mut framer = Framer::new(MAX_EVENT);
    framer.push(Bytes::from_static(b"data: a\r\n\r"));
    let raw = framer.next_frame().unwrap().expect("the event is whole");
    assert_eq!(read(&raw), Some((String::new(), "a".into())));
    framer.push(Bytes::from_static(b"\n"));
    assert!(framer.next_frame().unwrap().is_none());
    assert!(framer.finish().is_none(), "half a CRLF is no event");
}

#[test]
fn an_event_without_its_blank_line_is_told_at_the_end() {
    let mut framer = Framer::new(MAX_EVENT);
    framer.push(Bytes::from_static(b"data: a\n\ndata: [DONE]"));
    assert!(framer.next_frame().unwrap().is_some());
    assert!(framer.next_frame().unwrap().is_none());
    assert_eq!(framer.buffered(), 12);
    let tail = framer.finish().expect("an event is unfinished");
    assert_eq!(read(&tail), Some((String::new(), "[DONE]".into())));
}

#[test]
fn bytes_that_are_no_utf8_are_an_error() {
    let mut framer = Framer::new(MAX_EVENT);
    framer.push(Bytes::from_static(b"data: \xff\n\n"));
    let raw = framer.next_frame().unwrap().unwrap();
    assert_eq!(raw.frame(), Err(FrameError::NotUtf8));
}

#[test]
fn a_body_without_line_ends_stops_at_the_bound_and_holds_nothing_then() {
    let mut framer = Framer::new(1000);
    let mut taken = 0;
    let error = loop {
        framer.push(Bytes::from_static(&[b'x'; 64]));
        taken += 64;
        match framer.next_frame() {
            Ok(None) => assert!(taken <= 1000 && framer.buffered() == taken),
            Ok(Some(_)) => panic!("no event is there"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, FrameError::TooLarge { limit: 1000 });
    assert_eq!(framer.buffered(), 0);
    framer.push(Bytes::from_static(b"data: a\n\n"));
    assert_eq!(framer.next_frame().err(), Some(error), "it stays broken");
}

#[test]
fn whole_events_of_a_chunk_go_out_as_one_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\ndata: c\n\ndata: d");
    let mut framer = Framer::new(MAX_EVENT);
    framer.push(chunk.clone());
    let mut run = Run::default();
    while let Some(raw) = framer.next_frame().unwrap() {
        run.push(raw);
    }
    assert_eq!(run.len(), 27);
    let out: Vec<Bytes> = run.drain().collect();
    assert_eq!(out, [chunk.slice(..27)]);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr(), "it was not copied");
    assert!(run.is_empty() && run.drain().next().is_none());
}

#[test]
fn a_withheld_event_parts_a_run_and_nothing_else_does() {
    let mut framer = Framer::new(MAX_EVENT);
    let mut run = Run::default();
    for chunk in [
        "data: 1\n\ndata: 2\n\nda",
        "ta: 3\n\ndata: 4\n\ndata: 5\n\n",
    ] {
        framer.push(Bytes::from(chunk));
        while let Some(raw) = framer.next_frame().unwrap() {
            if read(&raw).unwrap().1 != "4" {
                run.push(raw);
            }
        }
    }
    run.push_bytes(Bytes::from_static(b": end\n\n"));
    let out: Vec<Bytes> = run.drain().collect();
    let expected: [&[u8]; 4] = [
        b"data: 1\n\ndata: 2\n\n",
        b"data: 3\n\n",
        b"data: 5\n\n",
        b": end\n\n",
    ];
    assert_eq!(out, expected);
}

#[test]
fn a_chunk_pushed_before_the_last_one_is_pulled_is_no_loss() {
    let mut framer = Framer::new(MAX_EVENT);
    framer.push(Bytes::from_static(b"data: a\n\ndata: b\r"));
    framer.push(Bytes::from_static(b"\n\r\ndata: c\n\n"));
    let mut events = Vec::new();
    while let Some(raw) = framer.next_frame().unwrap() {
        events.extend(read(&raw).map(|event| event.1));
    }
    assert_eq!(events, ["a", "b", "c"]);
}

#[test]
fn json_laid_out_over_lines_goes_on_one() {
    let mut json = b"{\r\n  \"a\": [\n1\n]}\n".to_vec();
    one_line(&mut json);
    assert_eq!(json, b"{    \"a\": [ 1 ]} ");
}
