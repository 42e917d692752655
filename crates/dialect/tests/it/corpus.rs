//! What the laws are held against: the recordings and the hand-written fixtures.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bytes::Bytes;
use dialect::Dialect;
use dialect::frame::Framing;
use serde::Deserialize;

use crate::{event_stream, recordings};

/// A request, a whole answer or a stream.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Its name.
    pub(crate) id: String,
    /// Its dialect.
    pub(crate) dialect: Dialect,
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// The same as text; what is no text of a stream is replaced.
    pub(crate) text: String,
    /// How many answers were asked for.
    pub(crate) candidates: u64,
    /// Whether it is hand-written.
    pub(crate) fixture: bool,
}

impl Sample {
    /// Whether a sweep over its bytes looks at that one: at each byte, but of a long sample
    /// only at one in eleven, unless the long form of the tests is asked for.
    pub(crate) fn looks_at(&self, at: usize) -> bool {
        const SHORT: usize = 16 << 10;
        const STEP: usize = 11;
        is_long() || self.bytes.len() < SHORT || at.is_multiple_of(STEP)
    }

    /// Whether a costly law looks at what this sample, the one at that place, becomes in that
    /// dialect: each fixture in each, but a recorded one only in one of five, unless the long
    /// form of the tests is asked for.
    pub(crate) fn meets(&self, at: usize, other: Dialect) -> bool {
        const STEP: usize = 5;
        let place = Dialect::ALL.iter().position(|dialect| *dialect == other);
        is_long() || self.fixture || (at + place.unwrap()).is_multiple_of(STEP)
    }
}

/// Whether the long form of the tests is asked for.
fn is_long() -> bool {
    static LONG: LazyLock<bool> =
        LazyLock::new(|| std::env::var("BONDGATE_LONG").is_ok_and(|long| long == "1"));
    *LONG
}

/// Requests.
pub(crate) fn requests() -> &'static [Sample] {
    static ALL: LazyLock<Vec<Sample>> = LazyLock::new(|| {
        let recorded = recordings::requests().map(|(r, text)| recorded(r, text.as_bytes()));
        gather("json", recorded.collect())
    });
    &ALL
}

/// Whole answers.
pub(crate) fn wholes() -> &'static [Sample] {
    static ALL: LazyLock<Vec<Sample>> = LazyLock::new(|| {
        let recorded = recordings::wholes().map(|r| recorded(r, &r.response));
        gather("response.json", recorded.collect())
    });
    &ALL
}

/// Streams.
pub(crate) fn streams() -> &'static [Sample] {
    static ALL: LazyLock<Vec<Sample>> = LazyLock::new(|| {
        let recorded = recordings::streams().map(|r| recorded(r, &r.response));
        gather("sse", recorded.collect())
    });
    &ALL
}

/// Folder of the hand-written fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn recorded(recording: &recordings::Recording, bytes: &[u8]) -> Sample {
    Sample {
        id: format!("{} ({})", recording.id, recording.provider),
        dialect: recording.dialect,
        text: String::from_utf8_lossy(bytes).into_owned(),
        bytes: Bytes::copy_from_slice(bytes),
        candidates: recording.request.as_deref().map_or(1, candidates),
        fixture: false,
    }
}

/// The fixtures of that kind before the recorded samples.
fn gather(kind: &str, recorded: Vec<Sample>) -> Vec<Sample> {
    let mut found = Vec::new();
    for dialect in Dialect::ALL {
        let folder = fixtures().join(dialect.name());
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            let Some((case, found_kind)) = name.split_once('.') else {
                continue;
            };
            if found_kind == kind {
                let request = fs::read_to_string(folder.join(format!("{case}.json")));
                let bytes = framed(dialect, kind, fs::read_to_string(&file).unwrap());
                found.push(Sample {
                    id: format!("{}/{case}", dialect.name()),
                    dialect,
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                    bytes: bytes.into(),
                    candidates: request.as_deref().map_or(1, candidates),
                    fixture: true,
                });
            }
        }
    }
    assert!(!found.is_empty(), "no fixtures of kind {kind}");
    found.extend(recorded);
    found
}

/// Streams are written as server-sent events, to be read by people, whatever their framing is.
fn framed(dialect: Dialect, kind: &str, text: String) -> Vec<u8> {
    match dialect.client().framing() {
        Framing::EventStream if kind == "sse" => event_stream::from_sse(&text),
        Framing::EventStream | Framing::Sse | Framing::JsonArray => text.into_bytes(),
    }
}

fn candidates(request: &str) -> u64 {
    #[derive(Deserialize)]
    struct Asked {
        n: Option<u64>,
        #[serde(rename = "generationConfig")]
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "candidateCount")]
        candidates: Option<u64>,
    }
    serde_json::from_str::<Asked>(request)
        .ok()
        .and_then(|asked| asked.n.or(asked.config?.candidates))
        .unwrap_or(1)
}

/// Fails with the first of the complaints, if there are any.
pub(crate) fn none(complaints: &[String], of: usize) {
    const SHOWN: usize = 25;
    assert!(
        complaints.is_empty(),
        "{} of {of} do not hold:\n{}",
        complaints.len(),
        complaints[..complaints.len().min(SHOWN)].join("\n")
    );
}
