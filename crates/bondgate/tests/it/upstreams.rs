//! The running program's way to providers: TLS with an authority of one's own, HTTP/2, a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use sim::Sim;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::authority::Authority;
use crate::client::{CHAT, Client, Got, chat, post};
use crate::program::{KEY, Program, SimThread};

/// A gateway with one provider at that address.
fn gateway(authority: Option<&Authority>, upstream: &str, provider: &str) -> Program {
    let folder = TempDir::new().unwrap();
    if let Some(authority) = authority {
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    }
    let text = format!(
        "listen: 127.0.0.1:0\nadmin:\n  listen: 127.0.0.1:0\ndata: data\nupstream: {{ {upstream} }}\nproviders:\n  \
         p: {{ {provider}, dialect: openai-chat, key: sk-upstream-0123456789 }}\n\
         models:\n  m: {{ targets: [p/echo] }}\nkeys:\n  test: {{ secret: {KEY} }}\n"
    );
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    Program::start_in(folder, &[])
}

async fn ask(gateway: &Program, stream: bool) -> Got {
    let mut client = Client::to(gateway).await;
    client.ask(post(CHAT, chat("m", "Grüße", stream))).await
}

/// The simulated provider behind TLS, which agrees to these protocols.
async fn behind_tls(sim: &Arc<Sim>, authority: &Authority, protocols: &[&str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sim, acceptor) = (Arc::clone(sim), authority.server(protocols));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (sim, acceptor) = (Arc::clone(&sim), acceptor.clone());
            tokio::spawn(async move {
                // A client that does not trust us ends the handshake.
                if let Ok(stream) = acceptor.accept(stream).await {
                    sim.serve_connection(stream).await;
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_authority_is_given_is_trusted_over_both_versions_of_http() {
    for (protocols, version) in [
        (vec!["h2", "http/1.1"], http::Version::HTTP_2),
        (vec!["http/1.1"], http::Version::HTTP_11),
    ] {
        let (sim, authority) = (SimThread::start("{}"), Authority::new());
        let address = behind_tls(&sim.sim, &authority, &protocols).await;
        let provider = format!("base_url: \"https://{address}\"");
        let gateway = gateway(Some(&authority), "ca: ca.pem", &provider);
        assert_eq!(ask(&gateway, false).await.said(), "Grüße");
        assert!(ask(&gateway, true).await.is_whole_stream());
        assert!(sim.sim.seen().iter().all(|seen| seen.version == version));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_authority_nobody_knows_gets_nothing_and_the_client_is_told() {
    let (sim, authority) = (SimThread::start("{}"), Authority::new());
    let address = behind_tls(&sim.sim, &authority, &["h2", "http/1.1"]).await;
    let provider = format!("base_url: \"https://{address}\"");
    let gateway = gateway(None, "", &provider);
    for stream in [false, true] {
        let got = ask(&gateway, stream).await;
        assert_eq!(got.status, 502, "{got:?}");
        let failure = &got.json()["error"]["bondgate"];
        assert_eq!(failure["code"], "provider_failed", "{got:?}");
        assert_eq!(failure["failures"][0]["kind"], "not_sent");
        let why = failure["failures"][0]["why"].as_str().unwrap();
        // Why its certificate is not taken is for operators: it says where the provider stands.
        assert_eq!(why, "the request could not be sent to it");
        assert!(!got.body.contains(&address.to_string()), "{got:?}");
    }
    assert!(sim.sim.seen().is_empty());
}

#[tokio::test]
async fn a_provider_may_speak_http2_in_cleartext() {
    let sim = SimThread::start("{}");
    let url = sim.sim.url();
    let provider = format!("base_url: \"{url}\", http2_prior_knowledge: true");
    let gateway = gateway(None, "", &provider);
    assert_eq!(ask(&gateway, false).await.said(), "Grüße");
    assert!(ask(&gateway, true).await.is_whole_stream());
    let seen = sim.sim.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.version == http::Version::HTTP_2)
    );
}

/// A proxy that takes CONNECT and requests in absolute form, leads all of them to one address, and
/// keeps the first line of each connection.
async fn proxy(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(relay(stream, to, Arc::clone(&kept)));
        }
    });
    (address, asked)
}

async fn relay(mut from: TcpStream, to: SocketAddr, kept: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let first = head.lines().next().unwrap().to_owned();
    let mut to = TcpStream::connect(to).await.unwrap();
    if first.starts_with("CONNECT ") {
        from.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        let head = head.replacen("http://provider.test:8080", "", 1);
        to.write_all(head.as_bytes()).await.unwrap();
    }
    kept.lock().push(first);
    let _ = copy_bidirectional(&mut from, &mut to).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_are_reached_by_the_proxy_that_is_configured() {
    let (sim, authority) = (SimThread::start("{}"), Authority::new());
    let secure = behind_tls(&sim.sim, &authority, &["h2", "http/1.1"]).await;
    let cases = [
        (
            "http://provider.test:8080",
            sim.sim.addr(),
            "POST http://provider.test:8080/v1/chat/completions HTTP/1.1",
        ),
        (
            "https://provider.test",
            secure,
            "CONNECT provider.test:443 HTTP/1.1",
        ),
    ];
    for (url, to, expected) in cases {
        let (address, asked) = proxy(to).await;
        let upstream = format!("ca: ca.pem, proxy: \"http://{address}\"");
        let gateway = gateway(Some(&authority), &upstream, &format!("base_url: \"{url}\""));
        let got = ask(&gateway, false).await;
        assert_eq!(got.said(), "Grüße");
        assert_eq!(*asked.lock(), [expected]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_on_this_machine_are_reached_without_the_proxy() {
    let sim = SimThread::start("{}");
    let (address, asked) = proxy(sim.sim.addr()).await;
    let upstream = format!("proxy: \"http://{address}\"");
    let provider = format!("base_url: \"{}\"", sim.sim.url());
    let gateway = gateway(None, &upstream, &provider);
    assert_eq!(ask(&gateway, false).await.said(), "Grüße");
    assert!(asked.lock().is_empty());
}
