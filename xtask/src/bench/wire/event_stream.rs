//! Amazon's event stream (`application/vnd.amazon.eventstream`), as far as an upstream writes it.

use bytes::{BufMut, Bytes, BytesMut};

/// Prelude, its check sum, and that of the message.
const OVERHEAD: usize = 16;

/// A header's value that is a string.
const STRING: u8 = 7;

/// An event with a JSON payload.
pub(super) fn event(name: &str, payload: &[u8]) -> Bytes {
    let mut head = BytesMut::new();
    for (name, value) in [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ] {
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        head.put_u8(STRING);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut out = BytesMut::new();
    out.put_u32(length(OVERHEAD + head.len() + payload.len()));
    out.put_u32(length(head.len()));
    let prelude = crc32(&out);
    out.put_u32(prelude);
    out.put_slice(&head);
    out.put_slice(payload);
    let whole = crc32(&out);
    out.put_u32(whole);
    out.freeze()
}

/// CRC-32 as Ethernet and gzip have it, bit by bit: these frames are made once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_check_sum_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
