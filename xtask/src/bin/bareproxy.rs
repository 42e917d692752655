//! The least a proxy on this stack can cost: hyper's HTTP/1 server and
//! hyper-util's pooled client, both bodies streamed, nothing read or decided.
//!
//! The benchmark's yardstick: one thread, the system's allocator, TCP_NODELAY
//! on both sides. It must never learn to do anything else.

use std::net::SocketAddr;

use anyhow::Context;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

type Upstream = Client<HttpConnector, Incoming>;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bareproxy LISTEN UPSTREAM, both as address:port";
    let listen: SocketAddr = arguments.next().context(usage)?.parse().context(usage)?;
    let upstream: SocketAddr = arguments.next().context(usage)?.parse().context(usage)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listen, upstream))
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(connection(socket, client.clone(), upstream));
    }
}

async fn connection(socket: TcpStream, client: Upstream, upstream: SocketAddr) {
    let service = service_fn(move |request| forward(client.clone(), upstream, request));
    // A client that goes away ends its connection with an error: nothing to do.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn forward(
    client: Upstream,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> anyhow::Result<Response<Incoming>> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let uri: Uri = format!("http://{upstream}{path}").parse()?;
    *request.uri_mut() = uri;
    request.headers_mut().remove(HOST);
    Ok(client.request(request).await?)
}
