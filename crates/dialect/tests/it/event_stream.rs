//! AWS's event stream against a naive writer of it: any split, any damage.

use bytes::Bytes;
use dialect::frame::event_stream::{Framer, MAX_MESSAGE, write};
use dialect::frame::{FrameError, Framing, Run};
use proptest::prelude::*;

/// A header's value, of each type that there is.
#[derive(Clone, Debug)]
enum Value {
    Flag(bool),
    Byte(u8),
    Short(u16),
    Number(u32),
    Long(u64),
    Bytes(Vec<u8>),
    Text(String),
    Time(u64),
    Uuid([u8; 16]),
}

type Header = (String, Value);

/// The checksum bit by bit, as ISO-HDLC words it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = !0u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xEDB8_8320
            } else {
                sum >> 1
            };
        }
    }
    !sum
}

fn value(out: &mut Vec<u8>, value: &Value) {
    let counted = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Flag(flag) => out.push(u8::from(!flag)),
        Value::Byte(n) => out.extend([2, *n]),
        Value::Short(n) => {
            out.push(3);
            out.extend(n.to_be_bytes());
        }
        Value::Number(n) => {
            out.push(4);
            out.extend(n.to_be_bytes());
        }
        Value::Long(n) => {
            out.push(5);
            out.extend(n.to_be_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(6);
            counted(out, bytes);
        }
        Value::Text(text) => {
            out.push(7);
            counted(out, text.as_bytes());
        }
        Value::Time(n) => {
            out.push(8);
            out.extend(n.to_be_bytes());
        }
        Value::Uuid(bytes) => {
            out.push(9);
            out.extend(bytes);
        }
    }
}

fn message(headers: &[Header], payload: &[u8]) -> Vec<u8> {
    let mut named = Vec::new();
    for (name, given) in headers {
        named.push(u8::try_from(name.len()).unwrap());
        named.extend(name.as_bytes());
        value(&mut named, given);
    }
    let mut out = Vec::new();
    out.extend(
        u32::try_from(16 + named.len() + payload.len())
            .unwrap()
            .to_be_bytes(),
    );
    out.extend(u32::try_from(named.len()).unwrap().to_be_bytes());
    out.extend(crc32(&out).to_be_bytes());
    out.extend(named);
    out.extend(payload);
    out.extend(crc32(&out).to_be_bytes());
    out
}

fn text_header(name: &str, value: &str) -> Header {
    (name.to_owned(), Value::Text(value.to_owned()))
}

/// One event of that type.
pub(crate) fn event(kind: &str, data: &str) -> Vec<u8> {
    message(
        &[
            text_header(":event-type", kind),
            text_header(":message-type", "event"),
        ],
        data.as_bytes(),
    )
}

/// The messages that server-sent events stand for; one named `exception:…` is an exception.
pub(crate) fn from_sse(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let line = |name: &str| {
            let mut lines = block.lines();
            let line = lines.find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{block} has no {name}"))
                .trim()
        };
        let (kind, data) = (line("event:"), line("data:"));
        match kind.strip_prefix("exception:") {
            Some(kind) => {
                let headers = [text_header(":exception-type", kind), exception()];
                out.extend(message(&headers, data.as_bytes()));
            }
            None => out.extend(event(kind, data)),
        }
    }
    out
}

/// The server-sent events that messages stand for.
pub(crate) fn to_sse(body: &[u8]) -> String {
    let (events, _, end) = framed(&[body], MAX_MESSAGE);
    end.unwrap();
    let lines = events
        .iter()
        .map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"));
    lines.collect()
}

fn exception() -> Header {
    text_header(":message-type", "exception")
}

/// Name and data of each message, the bytes of all, and how it ended.
type Framed = (Vec<(String, String)>, Vec<u8>, Result<(), FrameError>);

fn framed(chunks: &[&[u8]], limit: usize) -> Framed {
    let mut framer = Framer::new(limit);
    let (mut events, mut bytes) = (Vec::new(), Vec::new());
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        loop {
            let read = framer.next_frame().and_then(|raw| {
                let Some(raw) = raw else { return Ok(false) };
                bytes.extend_from_slice(raw.bytes());
                let frame = raw.frame()?.expect("a message says something");
                events.push((frame.event.into_owned(), frame.data.into_owned()));
                Ok(true)
            });
            match read {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return (events, bytes, Err(error)),
            }
        }
    }
    let held = framer.buffered();
    let tail = framer.finish();
    assert_eq!(tail.as_ref().map_or(0, |tail| tail.bytes().len()), held);
    let end = tail.map_or(Ok(()), |tail| tail.frame().map(drop));
    (events, bytes, end)
}

fn split<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|w| &body[w[0]..w[1]]).collect()
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Flag),
        any::<u8>().prop_map(Value::Byte),
        any::<u16>().prop_map(Value::Short),
        any::<u32>().prop_map(Value::Number),
        any::<u64>().prop_map(Value::Long),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        ".{0,9}".prop_map(Value::Text),
        any::<u64>().prop_map(Value::Time),
        any::<[u8; 16]>().prop_map(Value::Uuid),
    ]
}

fn others() -> impl Strategy<Value = Vec<Header>> {
    prop::collection::vec(("[a-z-]{1,9}", values()), 0..4)
}

/// Messages with what they say.
fn messages() -> impl Strategy<Value = Vec<((String, String), Vec<u8>)>> {
    let one = (
        others(),
        "[a-zA-Z]{1,9}",
        "[ -~é😀]{1,40}",
        others(),
        0..3u8,
    );
    let one = one.prop_map(|(before, name, data, after, kind)| {
        let (kind, named, event) = match kind {
            0 => ("event", ":event-type", name.clone()),
            1 => ("exception", ":exception-type", format!("exception:{name}")),
            _ => ("error", ":error-code", format!("error:{name}")),
        };
        let own = [
            text_header(":message-type", kind),
            text_header(named, &name),
        ];
        let headers: Vec<Header> = before.into_iter().chain(own).chain(after).collect();
        ((event, data.clone()), message(&headers, data.as_bytes()))
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn any_split_of_any_messages_gives_what_was_written(
        messages in messages(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let body: Vec<u8> = messages.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let said: Vec<_> = messages.iter().map(|(said, _)| said.clone()).collect();
        let (events, bytes, end) = framed(&split(&body, &cuts), MAX_MESSAGE);
        prop_assert_eq!(&events, &said);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(&bytes, &body);
        let single: Vec<&[u8]> = body.chunks(1).collect();
        prop_assert_eq!(framed(&single, MAX_MESSAGE).0, said);
    }

    #[test]
    fn any_flipped_bit_is_an_error(
        messages in messages(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let mut body: Vec<u8> = messages.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        prop_assume!(!body.is_empty());
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        let (events, bytes, end) = framed(&split(&body, &cuts), MAX_MESSAGE);
        prop_assert!(end.is_err());
        prop_assert!(bytes.len() <= at, "the damaged message was given out");
        prop_assert!(events.len() < messages.len());
    }

    #[test]
    fn a_body_cut_inside_a_message_ends_in_an_error(
        messages in messages(),
        at in any::<prop::sample::Index>(),
    ) {
        let body: Vec<u8> = messages.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let at = at.index(body.len() + 1);
        let mut ends = vec![0];
        ends.extend(messages.iter().scan(0, |sum, (_, bytes)| {
            *sum += bytes.len();
            Some(*sum)
        }));
        let (events, bytes, end) = framed(&[&body[..at]], MAX_MESSAGE);
        prop_assert_eq!(end.is_ok(), ends.contains(&at));
        prop_assert_eq!(bytes.len(), ends[events.len()]);
    }

    #[test]
    fn arbitrary_bytes_are_no_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (events, ..) = framed(&[&body], MAX_MESSAGE);
        prop_assert!(events.is_empty());
    }

    #[test]
    fn what_is_written_is_what_a_naive_writer_writes(data in "[ -~é]{0,60}") {
        let mut out = b"before".to_vec();
        let headers = [(":event-type", "messageStart"), (":message-type", "event")];
        write(&mut out, &headers, |out| out.extend_from_slice(data.as_bytes()));
        prop_assert_eq!(&out[6..], event("messageStart", &data));
    }
}

#[test]
fn a_forged_length_holds_no_more_than_what_came() {
    let forged = |total: u32, headers: u32| {
        let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend(crc32(&prelude).to_be_bytes());
        prelude
    };
    let mut framer = Framer::new(MAX_MESSAGE);
    let most = u32::try_from(MAX_MESSAGE).unwrap();
    framer.push(forged(most, 0).into());
    assert!(matches!(framer.next_frame(), Ok(None)));
    assert_eq!(framer.buffered(), 12);

    for (total, headers) in [(u32::MAX, 0), (most + 1, 0)] {
        let (_, _, end) = framed(&[&forged(total, headers)], MAX_MESSAGE);
        assert_eq!(end, Err(FrameError::TooLarge { limit: MAX_MESSAGE }));
    }
    for (total, headers) in [(0, 0), (15, 0), (16, 1), (40, u32::MAX)] {
        let (_, _, end) = framed(&[&forged(total, headers)], MAX_MESSAGE);
        assert!(
            matches!(end, Err(FrameError::Damaged(_))),
            "{total} {headers}"
        );
    }
}

#[test]
fn an_error_stays_an_error() {
    let good = event("ping", "{}");
    let mut framer = Framer::new(good.len() - 1);
    framer.push(good.clone().into());
    let first = framer.next_frame().unwrap_err();
    framer.push(event("p", "").into());
    assert_eq!(framer.next_frame().unwrap_err(), first);
    assert_eq!(framed(&[&good], good.len()).2, Ok(()));
}

#[test]
fn a_message_that_does_not_say_what_it_is_is_an_error() {
    let kind = || text_header(":message-type", "event");
    let name = || text_header(":event-type", "x");
    let cases = [
        vec![],
        vec![kind()],
        vec![name()],
        vec![text_header(":message-type", "other"), name()],
        vec![kind(), name(), name()],
        vec![kind(), name(), kind()],
        vec![(":message-type".to_owned(), Value::Number(7)), name()],
    ];
    for headers in cases {
        let (_, _, end) = framed(&[&message(&headers, b"{}")], MAX_MESSAGE);
        assert!(matches!(end, Err(FrameError::Damaged(_))), "{headers:?}");
    }
    let bytes = message(&[kind(), name()], b"\xff");
    assert_eq!(framed(&[&bytes], MAX_MESSAGE).2, Err(FrameError::NotUtf8));
}

#[test]
fn a_message_without_payload_says_an_empty_object_and_an_error_its_message() {
    let (events, ..) = framed(&[&event("messageStart", "")], MAX_MESSAGE);
    assert_eq!(events, [("messageStart".to_owned(), "{}".to_owned())]);
    let headers = [
        text_header(":message-type", "error"),
        text_header(":error-code", "Gone"),
        text_header(":error-message", "no \"more\""),
    ];
    let (events, ..) = framed(&[&message(&headers, b"")], MAX_MESSAGE);
    let said = r#"{"message":"no \"more\""}"#;
    assert_eq!(events, [("error:Gone".to_owned(), said.to_owned())]);
}

#[test]
fn neighbours_of_one_chunk_go_out_as_one_piece() {
    let body: Bytes = [event("a", "1"), event("b", "2"), event("c", "3")]
        .concat()
        .into();
    let mut framer = Framing::EventStream.framer(MAX_MESSAGE);
    let cut = event("a", "1").len() + event("b", "2").len() + 5;
    let mut run = Run::default();
    for chunk in [body.slice(..cut), body.slice(cut..)] {
        framer.push(chunk);
        while let Some(raw) = framer.next_frame().unwrap() {
            run.push(raw);
        }
    }
    assert_eq!(run.len(), body.len());
    let pieces: Vec<Bytes> = run.drain().collect();
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[0].as_ptr(), body.as_ptr());
    assert_eq!(pieces.concat(), body);
}
