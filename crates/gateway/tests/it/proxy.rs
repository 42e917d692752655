//! An HTTP proxy between the gateway and its providers: a few lines of one, in the test.

use gateway::listener::DoorOptions;
use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{Phase, Proxy, Scheme, SendError, Upstream, UpstreamConfig};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::kit::authority::Authority;
use crate::kit::{
    accept, answer, ask, config, origin, post, read_request, says, send, serve, socket, soon, write,
};

async fn proxied(config: UpstreamConfig) -> (Upstream, TcpListener) {
    let (listener, address) = socket().await;
    let proxy = Proxy::parse(&format!("http://us:pw@{address}"), &[]).unwrap();
    let config = UpstreamConfig {
        proxy: Some(proxy),
        ..config
    };
    (Upstream::new(config, Tasks::new()), listener)
}

/// Reads the head of a CONNECT and not a byte more.
async fn read_connect(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_plain_origin_is_asked_for_in_absolute_form() {
    let (upstream, listener) = proxied(config()).await;
    let origin = origin(Scheme::Http, "provider.test", 8080);
    let (answered, request) = tokio::join!(ask(&upstream, &origin, "/v1?a=b"), async {
        let mut stream = accept(&listener).await;
        let request = read_request(&mut stream).await;
        answer(&mut stream, "by proxy").await;
        request
    });
    assert_eq!(answered, "by proxy");
    assert!(
        request.starts_with("POST http://provider.test:8080/v1?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("host: provider.test:8080\r\n"),
        "{request}"
    );
    assert!(
        request.contains("proxy-authorization: Basic dXM6cHc=\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn an_encrypted_origin_is_reached_through_a_tunnel_that_alone_has_the_credential() {
    let authority = Authority::new();
    let options = DoorOptions {
        tls: Some(authority.server(&["provider.test"])),
        ..DoorOptions::default()
    };
    let served = serve(options, |request, _| async move {
        assert!(!request.headers().contains_key("proxy-authorization"));
        says(format!("{:?} {}", request.version(), request.uri()))
    });
    let tls = client_config(std::slice::from_ref(&authority.ca)).unwrap();
    let (upstream, listener) = proxied(UpstreamConfig { tls, ..config() }).await;
    let target = served.address;
    let proxy = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        let asked = read_connect(&mut stream).await;
        write(
            &mut stream,
            "HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n",
        )
        .await;
        let mut onward = TcpStream::connect(target).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
        asked
    });
    let origin = origin(Scheme::Https, "provider.test", 443);
    assert_eq!(
        ask(&upstream, &origin, "/v1").await,
        "HTTP/2.0 https://provider.test/v1"
    );
    drop(upstream);
    let asked = soon(proxy).await.unwrap();
    assert!(
        asked.starts_with("CONNECT provider.test:443 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("proxy-authorization: Basic dXM6cHc=\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_gives_the_request_back_without_its_credential() {
    let answers = [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_owned(),
        "SSH-2.0-x\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(10_000)),
        String::new(),
    ];
    for refusal in answers {
        let (upstream, listener) = proxied(config()).await;
        let proxy = tokio::spawn(async move {
            let mut stream = accept(&listener).await;
            read_connect(&mut stream).await;
            write(&mut stream, &refusal).await;
            drop(stream);
            listener
        });
        let https = origin(Scheme::Https, "provider.test", 443);
        let sent = send(&upstream, &https, post("/", "")).await;
        assert!(
            matches!(
                sent,
                Err(SendError::NotSent {
                    phase: Phase::Proxy,
                    ..
                })
            ),
            "{sent:?}"
        );
        drop(proxy.await.unwrap());
        let http = origin(Scheme::Http, "provider.test", 80);
        let sent = send(&upstream, &http, post("/", "")).await;
        let Err(SendError::NotSent {
            request,
            phase: Phase::Proxy,
            why,
            ..
        }) = sent
        else {
            panic!("{sent:?}");
        };
        assert!(request.headers().is_empty());
        assert!(!why.contains("pw"), "{why}");
    }
}
