//! TLS on the running program's listener, against an authority of the test's own.

use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::authority::{Authority, Pair, shake_hands};
use crate::client::{CHAT, Client, address, chat, get, post, soon};
use crate::program::{KEY, PATIENCE, Program, SimThread};

const BOTH: [&str; 2] = ["h2", "http/1.1"];

/// A gateway with that pair, which asks for certificates of that authority.
fn gateway(sim: &SimThread, pair: &Pair, client_ca: Option<&Authority>) -> Program {
    let folder = TempDir::new().unwrap();
    pair.write(folder.path());
    let mut more = "";
    if let Some(authority) = client_ca {
        std::fs::write(folder.path().join("clients.pem"), authority.pem()).unwrap();
        more = ", client_ca: clients.pem";
    }
    let providers = sim.providers();
    let text = format!(
        "listen: {{ address: 127.0.0.1:0, tls: {{ cert: cert.pem, key: key.pem{more} }} }}\n\
         admin:\n  listen: 127.0.0.1:0\ndata: data\n{providers}models:\n  m: {{ targets: [chat/echo] }}\n\
         keys:\n  test: {{ secret: {KEY} }}\n"
    );
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    Program::start_in(folder, &[])
}

/// The certificate that a new connection is shown.
async fn shown(client: &TlsConnector, gateway: &Program) -> CertificateDer<'static> {
    let stream = shake_hands(client, address(gateway)).await.unwrap();
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_as_agreed() {
    let (sim, authority) = (SimThread::start("{}"), Authority::new());
    let gateway = gateway(&sim, &authority.pair(), None);
    assert!(gateway.url.starts_with("https://"));
    let cases: [(&[&str], Option<&str>); 4] = [
        (&BOTH, Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ];
    for (offered, agreed) in cases {
        let connector = authority.client(offered, None);
        let stream = shake_hands(&connector, address(&gateway)).await.unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen.as_deref(), agreed.map(str::as_bytes));
        let mut client = Client::over(stream, agreed == Some("h2")).await;
        for _ in 0..2 {
            let got = client.ask(post(CHAT, chat("m", "Grüße", false))).await;
            assert_eq!(got.said(), "Grüße");
            let got = client.ask(post(CHAT, chat("m", "hi", true))).await;
            assert!(got.is_whole_stream(), "{got:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_know_the_authority_sends_nothing() {
    let (sim, authority) = (SimThread::start("{}"), Authority::new());
    let gateway = gateway(&sim, &authority.pair(), None);
    let stranger = Authority::new().client(&BOTH, None);
    let refused = shake_hands(&stranger, address(&gateway)).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let mut clear = soon(tokio::net::TcpStream::connect(address(&gateway)))
        .await
        .unwrap();
    clear
        .write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = soon(clear.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    // It serves on.
    shown(&authority.client(&BOTH, None), &gateway).await;
}

/// Whether a request over that connection is answered.
async fn is_let_in(client: &TlsConnector, gateway: &Program) -> bool {
    let Ok(mut stream) = shake_hands(client, address(gateway)).await else {
        return false;
    };
    let asked = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    // In TLS 1.3 the refusal comes after the client's part of the handshake.
    let mut answer = Vec::new();
    let _ = stream.write_all(asked).await;
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test]
async fn where_client_certificates_are_asked_for_nobody_comes_in_without_one() {
    let (sim, authority, clients) = (SimThread::start("{}"), Authority::new(), Authority::new());
    let gateway = gateway(&sim, &authority.pair(), Some(&clients));
    let h1 = ["http/1.1"];
    let (good, foreign) = (clients.pair(), authority.pair());
    assert!(is_let_in(&authority.client(&h1, Some(&good)), &gateway).await);
    assert!(!is_let_in(&authority.client(&h1, None), &gateway).await);
    assert!(!is_let_in(&authority.client(&h1, Some(&foreign)), &gateway).await);
    assert!(is_let_in(&authority.client(&h1, Some(&good)), &gateway).await);
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_open_connections_go_on() {
    let (sim, authority) = (SimThread::start("{}"), Authority::new());
    let (first, second) = (authority.pair(), authority.pair());
    let gateway = gateway(&sim, &first, None);
    let connector = authority.client(&["http/1.1"], None);
    assert_eq!(shown(&connector, &gateway).await, first.der());
    let stream = shake_hands(&connector, address(&gateway)).await.unwrap();
    let mut open = Client::over(stream, false).await;
    assert_eq!(open.ask(get("/v1/models")).await.status, 200);
    second.write(gateway.folder.path());
    let by = Instant::now() + PATIENCE;
    while shown(&connector, &gateway).await != second.der() {
        assert!(Instant::now() < by, "the old certificate is still served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(open.ask(get("/v1/models")).await.status, 200);

    // A certificate whose key is another's is not served.
    let third = authority.pair();
    std::fs::write(gateway.folder.path().join("cert.pem"), &third.cert).unwrap();
    gateway.said("the certificate is refused, the last good one keeps serving");
    assert_eq!(shown(&connector, &gateway).await, second.der());
    std::fs::write(gateway.folder.path().join("key.pem"), &third.key).unwrap();
    gateway.said("the certificate has been renewed");
    assert_eq!(shown(&connector, &gateway).await, third.der());
    assert_eq!(open.ask(get("/v1/models")).await.status, 200);
}

#[test]
fn a_pair_that_does_not_fit_stops_the_start() {
    let authority = Authority::new();
    let folder = TempDir::new().unwrap();
    let (one, other) = (authority.pair(), authority.pair());
    let mixed = Pair {
        cert: one.cert,
        key: other.key,
    };
    mixed.write(folder.path());
    let text = "listen: { address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem } }\n\
                providers: { p: { base_url: \"http://h\", dialect: openai-chat, key: none } }\n";
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cert.pem"), "{said}");
}
