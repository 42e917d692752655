//! AWS's own terms, for tests: its framing, read with both CRCs checked, and
//! its service model, where that is at hand (`../shared/schemas`).

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

/// An event of a stream.
#[derive(Debug)]
pub(crate) struct Frame {
    /// `event` or `exception`.
    pub(crate) message_type: String,
    /// The event's or the exception's type.
    pub(crate) kind: String,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// All frames of a body, which must end with one.
pub(crate) fn frames(mut body: &[u8]) -> Vec<Frame> {
    let mut out = Vec::new();
    while !body.is_empty() {
        let total = int(body, 0) as usize;
        let (frame, rest) = body.split_at(total);
        body = rest;
        assert_eq!(crc(&frame[..8]), int(frame, 8), "the prelude's CRC");
        assert_eq!(
            crc(&frame[..total - 4]),
            int(frame, total - 4),
            "the message's CRC"
        );
        let end = 12 + int(frame, 4) as usize;
        let headers = headers(&frame[12..end]);
        let find = |name: &str| {
            let found = headers.iter().find(|(n, _)| n == name);
            found.map(|(_, v)| v.clone()).unwrap_or_default()
        };
        let message_type = find(":message-type");
        assert_eq!(find(":content-type"), "application/json");
        out.push(Frame {
            kind: find(&format!(":{message_type}-type")),
            message_type,
            payload: frame[end..total - 4].to_vec(),
        });
    }
    out
}

fn headers(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (name, rest) = bytes[1..].split_at(usize::from(bytes[0]));
        assert_eq!(rest[0], 7, "a string");
        let len = usize::from(rest[1]) << 8 | usize::from(rest[2]);
        let (value, rest) = rest[3..].split_at(len);
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
        out.push((text(name), text(value)));
        bytes = rest;
    }
    out
}

fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// CRC-32 by its definition, bit for bit.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// The service model's shapes.
pub(crate) fn shapes() -> Option<Value> {
    let file = "../../../shared/schemas/botocore_bedrock-runtime_service-2.json.gz";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let Ok(packed) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap();
    let model: Value = serde_json::from_str(&text).unwrap();
    Some(model["shapes"].clone())
}

/// Says what of a value is not as the service model has it.
pub(crate) fn misfit(shapes: &Value, name: &str, value: &Value) -> Option<String> {
    let shape = &shapes[name];
    let wrong = || Some(format!("{name}: {value}"));
    match shape["type"].as_str().unwrap() {
        "structure" if shape["document"] == true => None,
        "structure" => {
            let Some(fields) = value.as_object() else {
                return wrong();
            };
            let required = shape["required"].as_array().into_iter().flatten();
            let missing = required
                .map(|r| r.as_str().unwrap())
                .find(|r| !fields.contains_key(*r));
            if let Some(missing) = missing {
                return Some(format!("{name}: {missing} is missing in {value}"));
            }
            // Padding against traffic analysis is in no model.
            let known = fields.iter().filter(|(n, _)| *n != "p");
            known
                .filter_map(|(n, v)| match shape["members"][n]["shape"].as_str() {
                    Some(inner) => misfit(shapes, inner, v),
                    None => Some(format!("{name}: {n} is not known")),
                })
                .next()
        }
        "list" => {
            let inner = shape["member"]["shape"].as_str().unwrap();
            let items = value.as_array().into_iter().flatten();
            items.filter_map(|v| misfit(shapes, inner, v)).next()
        }
        "string" | "blob" if value.is_string() => {
            let words = shape["enum"].as_array();
            words
                .is_some_and(|w| !w.contains(value))
                .then(wrong)
                .flatten()
        }
        "integer" | "long" if value.is_u64() => None,
        "map" if value.is_object() => None,
        _ => wrong(),
    }
}
