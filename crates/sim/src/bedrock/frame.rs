//! AWS's event-stream framing: length, headers, payload, and a CRC of the
//! prelude and of the whole (`application/vnd.amazon.eventstream`).
//!
//! Only writes. Knows no event's content but that of an exception.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::json;

/// Prelude, its CRC, and that of the message.
const OVERHEAD: usize = 16;
/// A header's value that is a string.
const STRING: u8 = 7;
const CRC_TABLE: [u32; 256] = table();

/// An event with a JSON payload.
pub(crate) fn event(kind: &str, payload: &[u8]) -> Bytes {
    message(
        &[
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload,
    )
}

/// An exception, which ends a stream.
pub(crate) fn exception(kind: &str, payload: &[u8]) -> Bytes {
    message(
        &[
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}

/// The exception of a model that failed inside its answer.
pub(crate) fn stream_error() -> Bytes {
    let payload = json!({
        "message": "The system encountered an unexpected error during processing. Try your request again.",
        "originalStatusCode": 500,
    });
    exception("modelStreamErrorException", payload.to_string().as_bytes())
}

/// The content type of an answer.
pub(crate) fn content_type(stream: bool) -> &'static str {
    if stream {
        "application/vnd.amazon.eventstream"
    } else {
        "application/json"
    }
}

fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = BytesMut::new();
    for (name, value) in headers {
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        head.put_u8(STRING);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let total = OVERHEAD + head.len() + payload.len();
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    out.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    let prelude = crc(&out);
    out.put_u32(prelude);
    out.put_slice(&head);
    out.put_slice(payload);
    let whole = crc(&out);
    out.put_u32(whole);
    out.freeze()
}

/// CRC-32 as Ethernet and gzip compute it.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let at = usize::from(crc.to_le_bytes()[0] ^ byte);
        (crc >> 8) ^ CRC_TABLE.get(at).copied().unwrap_or(0)
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[expect(
    clippy::indexing_slicing,
    reason = "computed when compiled, where a wrong index does not compile"
)]
const fn table() -> [u32; 256] {
    let mut out = [0; 256];
    let mut at = 0;
    let mut byte = 0_u32;
    while at < 256 {
        let mut crc = byte;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        out[at] = crc;
        at += 1;
        byte += 1;
    }
    out
}
