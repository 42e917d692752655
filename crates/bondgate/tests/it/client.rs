//! A plain HTTP client, of HTTP/1.1 and HTTP/2, over any connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::program::{KEY, PATIENCE, Program};

/// Where chat completions are asked for.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// Fails the test instead of hanging.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    let waited = tokio::time::timeout(PATIENCE, what).await;
    waited.expect("took too long")
}

/// A connection to the gateway.
pub(crate) enum Client {
    /// By HTTP/1.1.
    One(http1::SendRequest<Full<Bytes>>),
    /// By HTTP/2.
    Two(http2::SendRequest<Full<Bytes>>),
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Got {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body, as far as it came.
    pub(crate) body: String,
    /// Whether the body ended as HTTP says it must.
    pub(crate) whole: bool,
}

impl Client {
    /// A connection in cleartext, by HTTP/1.1.
    pub(crate) async fn to(gateway: &Program) -> Self {
        let stream = soon(TcpStream::connect(address(gateway))).await.unwrap();
        Self::over(stream, false).await
    }

    /// A client on a connection that stands.
    pub(crate) async fn over<T>(stream: T, two: bool) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        if two {
            let executor = TokioExecutor::new();
            let (sender, connection) = http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            return Self::Two(sender);
        }
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self::One(sender)
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, hyper::Error> {
        match self {
            Self::One(sender) => {
                soon(sender.ready()).await?;
                soon(sender.send_request(request)).await
            }
            Self::Two(sender) => {
                soon(sender.ready()).await?;
                soon(sender.send_request(request)).await
            }
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Got {
        read(self.send(request).await.unwrap()).await
    }
}

/// Where a gateway listens.
pub(crate) fn address(gateway: &Program) -> SocketAddr {
    let (_, address) = gateway.url.split_once("://").unwrap();
    address.parse().unwrap()
}

/// A request with the usual key.
pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request("POST", path, KEY, body)
}

/// A request without a body, with the usual key.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    request("GET", path, KEY, "")
}

/// A request with that key.
pub(crate) fn request(
    method: &str,
    path: &str,
    key: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let uri = format!("http://gateway.test{path}");
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("authorization", format!("Bearer {key}"));
    let host = request.header("host", "gateway.test");
    host.body(Full::new(body.into())).unwrap()
}

/// The body of a chat request to a model.
pub(crate) fn chat(model: &str, text: &str, stream: bool) -> String {
    let message = serde_json::json!({ "role": "user", "content": text });
    serde_json::json!({ "model": model, "stream": stream, "messages": [message] }).to_string()
}

/// Reads an answer to its end.
pub(crate) async fn read(response: http::Response<Incoming>) -> Got {
    let (head, mut incoming) = response.into_parts();
    let mut bytes = Vec::new();
    let whole = loop {
        match soon(incoming.frame()).await {
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    Got {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
        whole,
    }
}

impl Got {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The text of a whole chat completion.
    pub(crate) fn said(&self) -> String {
        let json = self.json();
        let content = json["choices"][0]["message"]["content"].as_str();
        content.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// Whether it is a stream that says that it is complete.
    pub(crate) fn is_whole_stream(&self) -> bool {
        self.status == 200 && self.whole && self.body.ends_with("data: [DONE]\n\n")
    }
}
