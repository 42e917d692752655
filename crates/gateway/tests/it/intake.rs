//! Bodies of requests as they come over a socket: whole, bounded, decoded.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use gateway::intake::{self, IntakeError, Limits};
use gateway::listener::DoorOptions;
use gateway::memory::Memory;
use gateway::upstream::Scheme;
use http::Request;
use http_body_util::Full;
use tokio::sync::mpsc;

use crate::kit::{Served, says, send, serve, soon, text, upstream, write};

type Read = Result<Bytes, IntakeError>;

struct Intake {
    served: Served,
    read: mpsc::UnboundedReceiver<Read>,
    memory: Memory,
}

fn intake(limits: Limits, memory: usize) -> Intake {
    let (results, read) = mpsc::unbounded_channel();
    let memory = Memory::new(memory);
    let lent = memory.clone();
    let served = serve(DoorOptions::default(), move |request, _| {
        let (results, memory) = (results.clone(), lent.clone());
        async move {
            let (parts, body) = request.into_parts();
            let taken = intake::read(body, &parts, &limits, &memory).await;
            let result = taken.map(|body| {
                assert!(body.permit.held() >= body.bytes.len());
                body.bytes
            });
            results.send(result).unwrap();
            says("taken")
        }
    });
    Intake {
        served,
        read,
        memory,
    }
}

fn standard() -> Intake {
    intake(Limits::default(), 512 * 1024 * 1024)
}

fn small(body_max: usize) -> Intake {
    intake(
        Limits {
            body_max,
            ..Limits::default()
        },
        64 * 1024 * 1024,
    )
}

impl Intake {
    async fn result(&mut self) -> Read {
        soon(self.read.recv()).await.unwrap()
    }

    /// What becomes of a body in that encoding, over both protocols alike.
    async fn take(&mut self, encoding: &str, body: impl Into<Bytes>) -> Read {
        let body = body.into();
        let mut results = Vec::new();
        for scheme in [Scheme::Http, Scheme::H2c] {
            let request = Request::post("/").header("content-encoding", encoding);
            let request = request.body(Full::new(body.clone().into())).unwrap();
            let sent = send(&upstream(), &self.served.origin(scheme), request).await;
            results.push(self.result().await);
            if let Ok(response) = sent {
                assert_eq!(text(response).await, "taken");
            }
        }
        assert_eq!(results[0], results[1]);
        assert_eq!(self.memory.held(), 0);
        results.remove(0)
    }

    /// What becomes of raw bytes; the connection stays open until it is known.
    async fn take_raw(&mut self, bytes: &str) -> Read {
        let mut stream = self.served.connect().await;
        write(&mut stream, bytes).await;
        self.result().await
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn br(data: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 5, 22);
    encoder.write_all(data).unwrap();
    drop(encoder);
    encoded
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

fn sample() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|n| (n / 7).to_le_bytes())
        .collect()
}

#[tokio::test]
async fn a_body_arrives_whole_whatever_its_framing_and_pieces() {
    let mut intake = standard();
    let long = "0123456789".repeat(300_000);
    for body in ["", "{}", long.as_str()] {
        assert_eq!(
            intake.take("identity", body.to_owned()).await.unwrap(),
            body
        );
    }
    let head = "POST / HTTP/1.1\r\nhost: a\r\n";
    let chunked =
        format!("{head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nt: 1\r\n\r\n");
    assert_eq!(intake.take_raw(&chunked).await.unwrap(), "abcde");
    let mut stream = intake.served.connect().await;
    for piece in [head, "content-length: 6\r\n\r\n", "ab", "cd", "ef"] {
        write(&mut stream, piece).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(intake.result().await.unwrap(), "abcdef");
}

#[tokio::test]
async fn known_encodings_and_two_over_each_other_are_taken_off() {
    let mut intake = standard();
    let data = sample();
    let cases = [
        ("gzip", gzip(&data)),
        ("X-GZIP", gzip(&data)),
        ("br", br(&data)),
        ("zstd", zstd(&data)),
        ("gzip, br", br(&gzip(&data))),
        ("identity, zstd", zstd(&data)),
        ("", data.clone()),
    ];
    for (encoding, body) in cases {
        let result = intake.take(encoding, body).await;
        assert!(
            result.as_ref().is_ok_and(|bytes| *bytes == data),
            "{encoding}: {:?}",
            result.err()
        );
    }
    for (encoding, empty) in [("gzip", gzip(b"")), ("br", br(b"")), ("zstd", zstd(b""))] {
        assert_eq!(
            intake.take(encoding, empty).await.unwrap(),
            "",
            "{encoding}"
        );
    }
}

#[tokio::test]
async fn other_encodings_and_more_than_two_are_not_supported() {
    let mut intake = standard();
    for encoding in [
        "deflate",
        "compress",
        "gzip, sdch",
        "gzip, gzip, gzip",
        "chunked",
    ] {
        let result = intake.take(encoding, "body").await;
        assert_eq!(
            result,
            Err(IntakeError::UnsupportedEncoding(encoding.to_owned()))
        );
    }
}

#[tokio::test]
async fn what_is_not_what_its_encoding_says_is_refused() {
    let mut intake = standard();
    let data = sample();
    for (encoding, whole) in [
        ("gzip", gzip(&data)),
        ("br", br(&data)),
        ("zstd", zstd(&data)),
    ] {
        let mut cases = vec![Vec::new(), b"{}".to_vec(), data.clone()];
        cases.extend([1, 4, 9, whole.len() / 2, whole.len() - 1].map(|end| whole[..end].to_vec()));
        cases.push([whole.as_slice(), b"more"].concat());
        cases.push([whole.as_slice(), &whole].concat());
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x55;
        if encoding == "gzip" {
            // The others need not have a checksum.
            cases.push(flipped);
        }
        for case in cases {
            let length = case.len();
            let name = if encoding == "gzip" { "gzip" } else { encoding };
            let result = intake.take(encoding, case).await;
            assert!(
                matches!(result, Err(IntakeError::Undecodable(said)) if said == name),
                "{encoding} of {length} bytes: {:?}",
                result.map(|bytes| bytes.len())
            );
        }
    }
    // A brotli stream that asks for a window of 2^30 bytes.
    let result = intake.take("br", vec![0x11, 0x1e, 0, 0, 0]).await;
    assert_eq!(result, Err(IntakeError::Undecodable("br")));
}

#[tokio::test]
async fn a_bomb_ends_at_the_limit() {
    let mut intake = small(1024 * 1024);
    let zeros = vec![0; 64 * 1024 * 1024];
    let gzipped = gzip(&zeros);
    for (encoding, bomb) in [
        ("gzip", gzipped.clone()),
        ("br", br(&zeros)),
        ("zstd", zstd(&zeros)),
        ("gzip, gzip", gzip(&gzipped)),
    ] {
        assert!(bomb.len() < 1024 * 1024);
        let result = intake.take(encoding, bomb).await;
        assert_eq!(
            result,
            Err(IntakeError::TooLarge { limit: 1024 * 1024 }),
            "{encoding}"
        );
    }
    assert_eq!(
        intake
            .take("gzip", gzip(&zeros[..1024 * 1024]))
            .await
            .unwrap()
            .len(),
        1024 * 1024
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_its_length_or_once_it_is_there() {
    let mut intake = small(10);
    let too_large = Err(IntakeError::TooLarge { limit: 10 });
    let head = "POST / HTTP/1.1\r\nhost: a\r\n";
    // Nothing of the body is sent, and nothing waited for.
    assert_eq!(
        intake
            .take_raw(&format!("{head}content-length: 11\r\n\r\n"))
            .await,
        too_large
    );
    let chunks = "6\r\n012345\r\n5\r\n01234\r\n0\r\n\r\n";
    assert_eq!(
        intake
            .take_raw(&format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}"))
            .await,
        too_large
    );
    assert_eq!(
        intake
            .take_raw(&format!("{head}content-length: 10\r\n\r\n0123456789"))
            .await
            .unwrap(),
        "0123456789"
    );
    assert_eq!(intake.take("", "01234567890").await, too_large);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let idle = Duration::from_millis(50);
    let mut intake = intake(
        Limits {
            idle,
            ..Limits::default()
        },
        1024,
    );
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234";
    assert_eq!(intake.take_raw(head).await, Err(IntakeError::Slow(idle)));
    assert_eq!(intake.memory.held(), 0);
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let total = Duration::from_millis(100);
    let mut intake = intake(
        Limits {
            total,
            ..Limits::default()
        },
        1024,
    );
    for framing in ["content-length: 1000", "transfer-encoding: chunked"] {
        let mut stream = intake.served.connect().await;
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
        write(&mut stream, &head).await;
        let drop_by_drop = if framing.ends_with("chunked") {
            "1\r\nx\r\n"
        } else {
            "x"
        };
        let result = loop {
            tokio::select! {
                biased;
                result = intake.result() => break result,
                () = tokio::time::sleep(Duration::from_millis(5)) => {
                    write(&mut stream, drop_by_drop).await;
                }
            }
        };
        assert_eq!(result, Err(IntakeError::Dripping(total)));
        assert_eq!(intake.memory.held(), 0);
    }
}

#[tokio::test]
async fn chunks_that_are_not_framed_well_are_malformed() {
    let mut intake = standard();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let result = intake.take_raw(&format!("{head}xyz\r\n")).await;
    assert!(
        matches!(result, Err(IntakeError::Malformed(_))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_never_taken_for_a_whole_one() {
    let mut intake = standard();
    let head = "POST / HTTP/1.1\r\nhost: a\r\n";
    for start in [
        "content-length: 10\r\n\r\n01234",
        "transfer-encoding: chunked\r\n\r\n5\r\n01234\r\n",
    ] {
        let mut stream = intake.served.connect().await;
        write(&mut stream, &format!("{head}{start}")).await;
        drop(stream);
    }
    for reason in [h2::Reason::NO_ERROR, h2::Reason::CANCEL] {
        let stream = intake.served.connect().await;
        let (client, connection) = soon(h2::client::handshake(stream)).await.unwrap();
        let driven = tokio::spawn(connection);
        let mut client = soon(client.ready()).await.unwrap();
        let request = Request::post("http://a/").body(()).unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"01234"), false).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        body.send_reset(reason);
        assert!(soon(response).await.is_err());
        drop((body, client));
        driven.abort();
    }
    // Whoever read these bodies was told, or was dropped; a whole one comes through.
    let whole = intake
        .take_raw(&format!("{head}content-length: 5\r\n\r\nwhole"))
        .await;
    let mut results = vec![whole];
    while results.iter().all(Result::is_err) {
        results.push(intake.result().await);
    }
    let taken: Vec<_> = results.into_iter().flatten().collect();
    assert_eq!(taken, ["whole"]);
}

#[tokio::test]
async fn beyond_the_memory_of_all_a_body_is_refused_and_nothing_is_kept() {
    let mut intake = intake(Limits::default(), 100_000);
    let data = sample();
    for (encoding, body) in [
        ("", data[..200_000].to_vec()),
        ("gzip", gzip(&data[..200_000])),
        ("zstd", zstd(&data[..200_000])),
    ] {
        assert_eq!(
            intake.take(encoding, body).await,
            Err(IntakeError::Overloaded),
            "{encoding}"
        );
    }
    assert_eq!(intake.take("", "small").await.unwrap(), "small");
}
