//! TLS on both sides against a local authority.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::listener::DoorOptions;
use gateway::tasks::Tasks;
use gateway::tls::{ServerFiles, ServerTls, TlsError, client_config};
use gateway::upstream::{Phase, Scheme, SendError, Upstream, UpstreamConfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::kit::authority::{Authority, read_pair};
use crate::kit::{accept, ask, config, origin, post, says, send, serve, socket, soon, upstream};

fn trusting(authority: &Authority) -> Upstream {
    let tls = client_config(std::slice::from_ref(&authority.ca)).unwrap();
    Upstream::new(UpstreamConfig { tls, ..config() }, Tasks::new())
}

fn options(tls: Arc<ServerTls>) -> DoorOptions {
    DoorOptions {
        tls: Some(tls),
        ..DoorOptions::default()
    }
}

#[tokio::test]
async fn an_authority_from_a_file_is_trusted_and_http2_is_chosen() {
    let authority = Authority::new();
    let served = serve(
        options(authority.server(&["localhost"])),
        |request, info| async move { says(format!("{:?} {}", request.version(), info.tls)) },
    );
    let origin = origin(Scheme::Https, "localhost", served.address.port());
    assert_eq!(
        ask(&trusting(&authority), &origin, "/").await,
        "HTTP/2.0 true"
    );
}

#[tokio::test]
async fn a_server_that_offers_only_http1_gets_http1() {
    let authority = Authority::new();
    let (listener, address) = socket().await;
    let upstream = trusting(&authority);
    let server = tokio::spawn(async move {
        let stream = accept(&listener).await;
        let mut stream = authority.accept(&["localhost"], stream).await;
        let mut read = [0; 4096];
        let length = tokio::io::AsyncReadExt::read(&mut stream, &mut read)
            .await
            .unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .unwrap();
        stream.flush().await.unwrap();
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1]).await;
        String::from_utf8_lossy(&read[..length]).into_owned()
    });
    let origin = origin(Scheme::Https, "localhost", address.port());
    assert_eq!(ask(&upstream, &origin, "/").await, "ok");
    drop(upstream);
    assert!(
        soon(server)
            .await
            .unwrap()
            .starts_with("POST / HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn an_unknown_authority_and_a_wrong_name_are_refused_before_anything_is_sent() {
    let authority = Authority::new();
    let served = serve(options(authority.server(&["localhost"])), |_, _| async {
        says("reached")
    });
    let port = served.address.port();
    let strangers = [
        (upstream(), origin(Scheme::Https, "localhost", port)),
        (
            trusting(&authority),
            origin(Scheme::Https, "127.0.0.1", port),
        ),
    ];
    for (upstream, origin) in strangers {
        let sent = send(&upstream, &origin, post("/", "")).await;
        let Err(SendError::NotSent {
            phase: Phase::Tls,
            why,
            ..
        }) = sent
        else {
            panic!("{sent:?}");
        };
        assert!(why.contains("certificate"), "{why}");
    }
}

/// One request over TLS with the client certificate given, if any; none where it is refused.
async fn with_certificate(
    authority: &Authority,
    address: std::net::SocketAddr,
    files: Option<&ServerFiles>,
) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&authority.ca).unwrap())
        .unwrap();
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let tls = match files.map(read_pair) {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = soon(TlsConnector::from(Arc::new(tls)).connect(name, stream))
        .await
        .ok()?;
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    let read = soon(tokio::io::AsyncReadExt::read_to_end(
        &mut stream,
        &mut answer,
    ))
    .await;
    let answer = String::from_utf8(answer).unwrap();
    read.ok().filter(|length| *length > 0).map(|_| answer)
}

#[tokio::test]
async fn where_client_certificates_are_asked_for_nobody_comes_in_without_one() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut files = authority.pair("server", &["localhost"]);
    files.client_ca = Some(authority.ca.clone());
    let tls = Arc::new(ServerTls::load(&files).unwrap());
    let served = serve(options(tls), |_, info| async move {
        says(info.client_certificate.as_ref().unwrap().len().to_string())
    });
    let client = authority.pair("client", &["client.test"]);
    let length = read_pair(&client).0[0].len().to_string();
    let answer = with_certificate(&authority, served.address, Some(&client))
        .await
        .unwrap();
    assert!(answer.ends_with(&length), "{answer}");
    assert_eq!(
        with_certificate(&authority, served.address, None).await,
        None
    );
    let foreign = stranger.pair("client", &["client.test"]);
    assert_eq!(
        with_certificate(&authority, served.address, Some(&foreign)).await,
        None
    );
}

#[tokio::test]
async fn a_new_certificate_is_served_without_losing_a_request_and_a_bad_one_not_at_all() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = old.server(&["localhost"]);
    let served = serve(options(Arc::clone(&tls)), |_, _| async { says("answered") });
    let origin = origin(Scheme::Https, "localhost", served.address.port());
    let kept = trusting(&old);
    assert_eq!(ask(&kept, &origin, "/").await, "answered");

    let answered = Arc::new(AtomicUsize::new(0));
    let load = {
        let (answered, kept, origin) = (Arc::clone(&answered), kept.clone(), origin.clone());
        tokio::spawn(async move {
            loop {
                assert_eq!(ask(&kept, &origin, "/").await, "answered");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let progress = || async {
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 10 {
            assert!(!load.is_finished(), "a request was lost");
            tokio::task::yield_now().await;
        }
    };
    soon(progress()).await;
    tls.reload(&new.pair("server", &["localhost"])).unwrap();
    soon(progress()).await;
    assert_eq!(ask(&trusting(&new), &origin, "/").await, "answered");
    let sent = send(&trusting(&old), &origin, post("/", "")).await;
    assert!(
        matches!(
            sent,
            Err(SendError::NotSent {
                phase: Phase::Tls,
                ..
            })
        ),
        "{sent:?}"
    );

    let mut mixed = new.pair("mixed", &["localhost"]);
    mixed.key = old.pair("other", &["localhost"]).key;
    assert!(matches!(tls.reload(&mixed), Err(TlsError::Refused { .. })));
    mixed.key = mixed.cert.clone();
    assert!(matches!(tls.reload(&mixed), Err(TlsError::File { .. })));
    mixed.cert = "nowhere.pem".into();
    assert!(
        tls.reload(&mixed)
            .unwrap_err()
            .to_string()
            .starts_with("nowhere.pem: ")
    );
    assert_eq!(ask(&trusting(&new), &origin, "/").await, "answered");
    soon(progress()).await;
    load.abort();
}
