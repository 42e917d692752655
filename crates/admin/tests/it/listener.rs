//! The listener itself: who is let in, from where, by which way, and what every answer carries.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::kit::{Bed, TOKEN, exchange};

#[tokio::test]
async fn only_the_token_lets_in() {
    let bed = Bed::start();
    for headers in [
        String::new(),
        "authorization: Bearer wrong\r\n".to_owned(),
        "authorization: Bearer \r\n".to_owned(),
        "authorization: Bearer\r\n".to_owned(),
        format!("authorization: Basic {TOKEN}\r\n"),
        format!("authorization: {TOKEN}\r\n"),
        format!("authorization: Bearer {TOKEN}x\r\n"),
        format!("authorization: Bearer {}\r\n", &TOKEN[1..]),
        format!("authorization: Bearer {TOKEN}\r\nauthorization: Bearer {TOKEN}\r\n"),
        format!("x-api-key: {TOKEN}\r\n"),
    ] {
        for path in ["/admin/v1/keys", "/admin/v1/openapi.json", "/metrics"] {
            let said = bed.send("GET", path, &headers, b"").await;
            assert_eq!(
                (said.status, said.error().0.as_str()),
                (401, "invalid_token"),
                "{path} {headers}"
            );
            assert_eq!(said.header("www-authenticate"), Some("Bearer"));
        }
    }
    let right = format!("authorization: bearer {TOKEN}\r\n");
    assert_eq!(bed.send("GET", "/metrics", &right, b"").await.status, 200);
    assert_eq!(
        bed.send("GET", &format!("/admin/v1/keys?token={TOKEN}"), "", b"")
            .await
            .status,
        401
    );
    assert_eq!(bed.send("GET", "/", "", b"").await.status, 200);
}

#[tokio::test]
async fn metrics_are_open_where_that_is_said() {
    let bed = Bed::with(None, true);
    let said = bed.send("GET", "/metrics", "", b"").await;
    assert_eq!(
        (said.status, said.text.as_str()),
        (200, "bondgate_requests_total 3\n# EOF\n")
    );
    assert_eq!(bed.send("GET", "/admin/v1/keys", "", b"").await.status, 401);
}

#[tokio::test]
async fn pages_of_other_origins_and_other_names_are_refused() {
    let bed = Bed::start();
    let port = bed.address.port();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for (headers, status) in [
        (String::new(), 200),
        (format!("origin: http://{}\r\n", bed.address), 200),
        (
            format!("host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"),
            200,
        ),
        (format!("host: [::1]:{port}\r\n"), 200),
        ("origin: https://evil.example\r\n".to_owned(), 403),
        ("origin: null\r\n".to_owned(), 403),
        (format!("origin: http://{}\r\n", bed.address.ip()), 403),
        (
            format!("host: evil.example:{port}\r\norigin: http://evil.example:{port}\r\n"),
            421,
        ),
        (format!("host: evil.example:{port}\r\n"), 421),
        (format!("host: localhost.evil.example:{port}\r\n"), 421),
    ] {
        for path in ["/admin/v1/keys", "/metrics", "/", "/admin/v1/openapi.json"] {
            let said = bed
                .send("GET", path, &format!("{headers}{token}"), b"")
                .await;
            assert_eq!(said.status, status, "{path} {headers}: {}", said.text);
        }
    }
    let asked =
        format!("origin: https://evil.example\r\naccess-control-request-method: GET\r\n{token}");
    let said = bed.send("OPTIONS", "/admin/v1/keys", &asked, b"").await;
    assert_eq!(said.status, 403);
    assert!(
        !said
            .head
            .to_ascii_lowercase()
            .contains("access-control-allow"),
        "{}",
        said.head
    );
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_it() {
    let bed = Bed::start();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for (method, path, headers) in [
        ("GET", "/", ""),
        ("GET", "/metrics", token.as_str()),
        ("GET", "/admin/v1/keys", token.as_str()),
        ("GET", "/admin/v1/keys", ""),
        ("GET", "/nothing", ""),
        ("PUT", "/admin/v1/keys", token.as_str()),
        ("GET", "/", "origin: null\r\n"),
    ] {
        let said = bed.send(method, path, headers, b"").await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(
                said.header(name),
                Some(value),
                "{method} {path}: {}",
                said.head
            );
        }
        let policy = said.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert_eq!(said.header("access-control-allow-origin"), None);
    }
    let said = bed.send("PUT", "/admin/v1/keys", &token, b"").await;
    assert_eq!(
        (said.status, said.error().0.as_str()),
        (405, "invalid_request")
    );
    assert!(
        said.header("allow")
            .is_some_and(|allow| allow.contains("POST")),
        "{}",
        said.head
    );
    assert_eq!(
        bed.send("HEAD", "/admin/v1/keys", &token, b"").await.status,
        200
    );
}

#[tokio::test]
async fn bodies_are_bounded() {
    let bed = Bed::start();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let said = bed
        .send(
            "POST",
            "/admin/v1/query",
            &token,
            &vec![b' '; (1 << 20) + 1],
        )
        .await;
    assert_eq!((said.status, said.error().0.as_str()), (413, "too_large"));
    let zipped = format!("{token}content-encoding: gzip\r\n");
    assert_eq!(
        bed.send("POST", "/admin/v1/query", &zipped, b"x")
            .await
            .status,
        415
    );
    let unknown = bed
        .send("POST", "/admin/v1/query", "", &vec![b' '; (1 << 20) + 1])
        .await;
    assert_eq!(unknown.status, 401, "nothing is read of strangers");
}

#[tokio::test]
async fn it_is_reached_by_tls() {
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let der = certificate.cert.der().clone();
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    let bed = Bed::with(Some(Arc::new(server)), false);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(bed.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .unwrap();
    let request = format!(
        "GET /admin/v1/status HTTP/1.1\r\nhost: localhost:{}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n",
        bed.address.port()
    );
    let said = exchange(stream, request.as_bytes()).await;
    assert_eq!(
        (said.status, said.json()["version"].as_str()),
        (200, Some("1.2.3")),
        "{said:?}"
    );
    let plain = bed.send("GET", "/", "", b"").await;
    assert_ne!(plain.status, 200, "nothing is said in clear");
}
