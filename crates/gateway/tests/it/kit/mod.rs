//! What the transport's tests share: raw sockets, a served listener, a local authority.
//!
//! Every wait has a deadline far above what it should take; none is a measurement.

pub(crate) mod authority;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::listener::{self, ConnInfo, Door, DoorOptions, Drain};
use gateway::tasks::Tasks;
use gateway::upstream::{
    Origin, Pieces, Scheme, SendError, Upstream, UpstreamBody, UpstreamConfig,
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Fails the test instead of hanging.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("took too long")
}

pub(crate) fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
    let host = host.to_owned();
    Origin { scheme, host, port }
}

pub(crate) fn local(scheme: Scheme, address: SocketAddr) -> Origin {
    origin(scheme, "127.0.0.1", address.port())
}

pub(crate) fn config() -> UpstreamConfig {
    UpstreamConfig::new(gateway::tls::client_config(&[]).unwrap())
}

pub(crate) fn upstream() -> Upstream {
    Upstream::new(config(), Tasks::new())
}

pub(crate) fn post(path: &str, body: &str) -> Request<Full<Pieces>> {
    let body = Pieces::from(Bytes::copy_from_slice(body.as_bytes()));
    Request::post(path).body(Full::new(body)).unwrap()
}

pub(crate) async fn send(
    upstream: &Upstream,
    origin: &Origin,
    request: Request<Full<Pieces>>,
) -> Result<Response<UpstreamBody>, SendError> {
    soon(upstream.send(origin, request, PATIENCE)).await
}

/// Sends and reads the whole answer as text.
pub(crate) async fn ask(upstream: &Upstream, origin: &Origin, path: &str) -> String {
    let response = send(upstream, origin, post(path, "question"))
        .await
        .unwrap();
    text(response).await
}

pub(crate) async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let body = soon(response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// A socket that this test accepts on.
pub(crate) async fn socket() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    soon(listener.accept()).await.unwrap().0
}

/// Reads one request with a `content-length`; empty where the client closed instead.
pub(crate) async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !is_whole(&read) {
        let mut piece = [0; 4096];
        match soon(stream.read(&mut piece)).await {
            Ok(0) | Err(_) => return String::new(),
            Ok(length) => read.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8(read).unwrap()
}

fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or_default()
}

pub(crate) async fn write(stream: &mut TcpStream, text: &str) {
    soon(stream.write_all(text.as_bytes())).await.unwrap();
}

pub(crate) async fn answer(stream: &mut TcpStream, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    write(stream, &format!("{head}{body}")).await;
}

/// Waits until the other side has closed, whatever it sends before.
pub(crate) async fn until_closed(stream: &mut TcpStream) {
    let mut piece = [0; 4096];
    while !matches!(soon(stream.read(&mut piece)).await, Ok(0) | Err(_)) {}
}

/// Everything that comes until the other side closes.
pub(crate) async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match soon(stream.read(&mut piece)).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&read).into_owned(),
            Ok(length) => read.extend_from_slice(&piece[..length]),
        }
    }
}

/// Closes with a reset rather than an end.
pub(crate) fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream.into_std().unwrap());
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

/// A listener that is being served.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) tasks: Tasks,
}

impl Served {
    pub(crate) fn origin(&self, scheme: Scheme) -> Origin {
        local(scheme, self.address)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads what comes until it is closed.
    pub(crate) async fn raw(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        write(&mut stream, bytes).await;
        read_to_close(&mut stream).await
    }
}

pub(crate) fn serve<S, F>(options: DoorOptions, service: S) -> Served
where
    S: Fn(Request<Incoming>, Arc<ConnInfo>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let socket = listener::bind("127.0.0.1:0".parse().unwrap(), 1)
        .unwrap()
        .remove(0);
    let served = Served {
        address: socket.local_addr().unwrap(),
        drain: Drain::new(),
        tasks: Tasks::new(),
    };
    let (tasks, drain) = (served.tasks.clone(), served.drain.clone());
    served.tasks.spawn(async move {
        let door = Door::new(options);
        listener::serve(socket, door, service, tasks, drain)
            .await
            .unwrap();
    });
    served
}

pub(crate) fn says(text: impl Into<String>) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(text.into())))
}

/// What every connection must have: no delay of small writes, and a vanished peer found within 30 s.
pub(crate) fn assert_options(stream: &TcpStream) {
    assert!(stream.nodelay().unwrap());
    let socket = SockRef::from(stream);
    assert!(socket.keepalive().unwrap());
    let probes = socket.tcp_keepalive_interval().unwrap();
    let idle = socket.tcp_keepalive_time().unwrap();
    let gone = socket.tcp_user_timeout().unwrap().unwrap();
    assert!(gone < Duration::from_secs(30) && idle + 3 * probes < Duration::from_secs(30));
}
