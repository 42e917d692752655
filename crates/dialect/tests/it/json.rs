//! The reader against `serde_json`: it takes the same texts and reads the same
//! values out of them; and the writer against both.

use std::collections::BTreeMap;

use dialect::json::{Invalid, Json, Kind, MAX_DEPTH, Reader, Writer};
use proptest::prelude::*;
use serde::de::IgnoredAny;

use crate::canon::{Canon, canon};

/// Reads a value member by member.
fn walk(reader: &mut Reader<'_>) -> Result<Canon, Invalid> {
    Ok(match reader.peek()? {
        Kind::Object => {
            let mut members = BTreeMap::new();
            reader.object(|key, reader| {
                members.insert(key.to_owned(), walk(reader)?);
                Ok(())
            })?;
            Canon::Object(members)
        }
        Kind::Array => {
            let mut elements = Vec::new();
            reader.array(|at, reader| {
                assert_eq!(at, elements.len());
                elements.push(walk(reader)?);
                Ok(())
            })?;
            Canon::Array(elements)
        }
        Kind::String => Canon::String(reader.string()?.into_owned()),
        Kind::Number => Canon::Number(reader.number()?.to_owned()),
        Kind::Bool => Canon::Bool(reader.bool()?),
        Kind::Null => {
            assert!(reader.null()?);
            Canon::Null
        }
    })
}

fn walked(text: &str) -> Result<Canon, Invalid> {
    let mut reader = Reader::new(text.as_bytes())?;
    let value = walk(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn skipped(text: &str) -> Result<std::ops::Range<usize>, Invalid> {
    let mut reader = Reader::over(text);
    let span = reader.skip()?;
    reader.end()?;
    Ok(span)
}

fn white() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n", "\t\r\n "])
}

fn string_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "key",
        "é",
        "😀",
        "\u{2028}",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\u0041",
        "\\u00e9",
        "\\uD83D\\uDE00",
        "\\ud800",
        "\\uDC00",
        "\\uD800\\u0041",
        "\\u0000",
        "{",
        "}",
        ",",
        ":",
        "\u{7f}",
    ]);
    // Mostly short, so that names repeat; lone surrogates in few of them.
    prop::collection::vec(piece, 0..3).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1",
            "-17",
            "3.25",
            "1e5",
            "1E+400",
            "-2.5e-3",
            "12345678901234567890123",
            "0.1000000000000000055",
        ])
        .prop_map(str::to_owned),
        string_text(),
    ];
    scalar.prop_recursive(6, 40, 5, |inner| {
        let element = (white(), inner, white())
            .prop_map(|(a, v, b)| format!("{a}{v}{b}"))
            .boxed();
        let member = (white(), string_text(), white(), element.clone())
            .prop_map(|(a, k, b, v)| format!("{a}{k}{b}:{v}"));
        prop_oneof![
            (white(), prop::collection::vec(element, 0..5)).prop_map(|(w, list)| {
                if list.is_empty() {
                    format!("[{w}]")
                } else {
                    format!("[{}]", list.join(","))
                }
            }),
            (white(), prop::collection::vec(member, 0..5)).prop_map(|(w, list)| {
                if list.is_empty() {
                    format!("{{{w}}}")
                } else {
                    format!("{{{}}}", list.join(","))
                }
            }),
        ]
    })
}

/// A text with some characters put in, taken out or exchanged.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        prop::sample::select(
            "{}[]:,\"\\/ \n\u{1}\u{0}0-1.eE+tfnuabé\u{feff}'"
                .chars()
                .collect::<Vec<_>>(),
        ),
        0u8..3,
    );
    (text(), prop::collection::vec(edit, 1..4)).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, with, how) in edits {
            if chars.is_empty() {
                break;
            }
            let at = at.index(chars.len());
            match how {
                0 => chars.insert(at, with),
                1 => chars[at] = with,
                _ => {
                    chars.remove(at);
                }
            }
        }
        chars.into_iter().collect()
    })
}

fn agrees(text: &str) {
    // The oracle's "ignore" takes any grammatical text, its values only what names characters.
    let grammatical = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert_eq!(skipped(text).is_ok(), grammatical, "{text:?}");
    match (walked(text), canon(text)) {
        (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text:?}"),
        (read, expected) => assert_eq!(
            read.is_ok(),
            expected.is_ok(),
            "{text:?}: {read:?} {expected:?}"
        ),
    }
    if let Ok(span) = skipped(text) {
        assert_eq!(&text[span], text.trim_matches([' ', '\n', '\r', '\t']));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn it_reads_what_the_oracle_reads(text in text()) {
        prop_assert!(skipped(&text).is_ok(), "generated text is grammatical");
        agrees(&text);
    }

    #[test]
    fn it_takes_no_text_that_the_oracle_refuses_nor_the_reverse(text in mutated()) {
        agrees(&text);
    }

    #[test]
    fn errors_point_into_the_text(text in mutated()) {
        for error in [walked(&text).err(), skipped(&text).err()].into_iter().flatten() {
            prop_assert!(error.at.is_some_and(|at| at <= text.len()), "{}", error);
        }
    }

    #[test]
    fn spans_cut_each_member_out(text in text()) {
        let mut reader = Reader::over(&text);
        if reader.peek() == Ok(Kind::Object) {
            let _ = reader.object(|_, reader| {
                let from = reader.offset();
                let span = reader.skip()?;
                assert_eq!(from, span.start);
                let value = Json::parse(&text[span.clone()]).unwrap();
                assert_eq!(value.text(), &text[span]);
                Ok(())
            });
        }
    }

    #[test]
    fn what_the_writer_writes_reads_back(text in text()) {
        if let Ok(value) = canon(&text) {
            let mut out = Writer::default();
            write(&mut out, &value);
            let written = String::from_utf8(out.into_bytes()).unwrap();
            prop_assert_eq!(&canon(&written).unwrap(), &value);
            prop_assert_eq!(walked(&written).unwrap(), value);
        }
    }

    #[test]
    fn any_string_reads_back(string in any::<String>()) {
        let json = Json::string(&string);
        prop_assert_eq!(serde_json::from_str::<String>(json.text()).unwrap(), string.as_str());
        prop_assert_eq!(json.reader().string().unwrap(), string.as_str());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(mut reader) = Reader::new(&bytes) {
            let _ = walk(&mut reader.clone());
            let _ = reader.skip();
        }
    }
}

fn write(out: &mut Writer, value: &Canon) {
    match value {
        Canon::Null => out.null(),
        Canon::Bool(value) => out.bool(*value),
        Canon::Number(text) => out.raw(text),
        Canon::String(text) => out.string(text),
        Canon::Array(list) => out.array(|out| list.iter().for_each(|value| write(out, value))),
        Canon::Object(members) => out.object(|out| {
            for (name, value) in members {
                out.key(name);
                write(out, value);
            }
        }),
    };
}

#[test]
fn depth_is_bounded_alike_by_walking_and_by_skipping() {
    let depth = usize::from(MAX_DEPTH);
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let nested = |times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
        let times = depth / (close.len());
        for (text, fits) in [(nested(times), true), (nested(times + 1), false)] {
            assert_eq!(skipped(&text).is_ok(), fits, "skip, {open} {fits}");
            assert_eq!(walked(&text).is_ok(), fits, "walk, {open} {fits}");
        }
    }
    // Skipping counts from where it stands.
    let text = format!(
        "{}{}1{}{}",
        "[".repeat(60),
        "[".repeat(69),
        "]".repeat(69),
        "]".repeat(60)
    );
    fn down(reader: &mut Reader<'_>, levels: u8) -> Result<(), Invalid> {
        if levels == 0 {
            return reader.skip().map(drop);
        }
        reader.array(|_, reader| down(reader, levels - 1))
    }
    assert!(down(&mut Reader::over(&text), 60).is_err());
    assert!(down(&mut Reader::over(&text[1..text.len() - 1]), 59).is_ok());
}

#[test]
fn a_million_open_brackets_are_an_error_and_no_overflow() {
    assert!(skipped(&"[".repeat(1_000_000)).is_err());
    assert!(walked(&"{\"a\":".repeat(1_000_000)).is_err());
}

#[test]
fn a_member_that_stands_twice_is_refused_only_where_asked() {
    let read = |text: &str, unique: bool| {
        let mut reader = Reader::over(text);
        if unique {
            reader = reader.with_unique_keys();
        }
        let mut keys = Vec::new();
        reader.object(|key, reader| {
            keys.push(key.to_owned());
            reader.skip().map(drop)
        })?;
        Ok::<_, Invalid>(keys)
    };
    assert_eq!(read(r#"{"a":1,"a":2}"#, false).unwrap(), ["a", "a"]);
    assert_eq!(
        read(r#"{"a":1,"b":{"c":1,"c":2}}"#, true).unwrap(),
        ["a", "b"]
    );
    let error = read(r#"{"model":1,"b":1,"mod\u0065l":2}"#, true).unwrap_err();
    assert_eq!((error.path.as_str(), error.at), ("model", Some(17)));
    let many: Vec<String> = (0..50_000).map(|n| format!("\"k{n}\":0")).collect();
    let many = many.join(",");
    assert_eq!(read(&format!("{{{many}}}"), true).unwrap().len(), 50_000);
    for again in ["k0", "k3", "k49999"] {
        let error = read(&format!("{{{many},\"{again}\":1}}"), true).unwrap_err();
        assert_eq!(error.path, again);
    }
}

#[test]
fn half_a_surrogate_pair_passes_where_bytes_are_copied_and_is_no_text() {
    for text in [r#""\ud83d""#, r#""\ude00x""#, r#""\ud83d\u0041""#] {
        assert_eq!(Json::parse(text).unwrap().text(), text);
        assert!(Reader::over(text).string().is_err());
    }
    assert_eq!(Reader::over(r#""\ud83d\ude00""#).string().unwrap(), "😀");
}

#[test]
fn errors_say_where() {
    let text = r#"{"messages": [{"content": [1, {"a.b": nul}]}]}"#;
    let error = walked(text).unwrap_err();
    assert_eq!(error.path, "messages[0].content[1].a.b");
    assert_eq!(&text[error.at.unwrap()..][..3], "nul");
    let long = format!("{{\"{}\": x}}", "k".repeat(100_000));
    let said = walked(&long).unwrap_err().to_string();
    assert!(said.len() < 500, "a message is {} bytes long", said.len());
}

#[test]
fn whole_numbers_are_read_exactly_or_not_at_all() {
    let read = |text: &str| Reader::over(text).u64();
    assert_eq!(read("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(read("0"), Ok(0));
    for text in [
        "18446744073709551616",
        "-1",
        "1.0",
        "1e3",
        "\"1\"",
        "null",
        "01x",
    ] {
        let mut reader = Reader::over(text);
        assert!(reader.u64().and_then(|_| reader.end()).is_err(), "{text}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused_with_their_place() {
    assert_eq!(Reader::new(b"{\"a\":\"\xff\"}").err().unwrap().at, Some(6));
}
