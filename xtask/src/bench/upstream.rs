//! The upstream that the benchmark's requests end at: a hyper server that
//! answers at once, or as the marker in the request says.
//!
//! It runs on a thread of its own beside the load generator, counts the
//! streams open in it, and tells the moment a watched request was given up.
//! It reads no JSON: it must cost next to nothing.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Sleep;

use super::wire::{Script, Wire};

/// The running upstream.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    /// What it tells of watched requests. A handful at a time.
    pub notes: UnboundedReceiver<Note>,
}

/// Something that happened to a request with an id.
#[derive(Debug, Clone, Copy)]
pub enum Note {
    /// It was read.
    Arrived(u64),
    /// Its connection was closed before its answer was whole.
    Gone(u64, Instant),
}

#[derive(Debug)]
struct State {
    /// In the order of [`Wire::ALL`].
    scripts: [Script; Wire::ALL.len()],
    open: AtomicUsize,
    peak: AtomicUsize,
    notes: UnboundedSender<Note>,
}

impl Upstream {
    /// Starts it on a free port, on a thread that lives as long as the process.
    ///
    /// # Errors
    /// When the port or the thread cannot be had.
    pub fn start() -> anyhow::Result<Self> {
        let (sender, notes) = unbounded_channel();
        let state = Arc::new(State {
            scripts: Wire::ALL.map(Script::of),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            notes: sender,
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::clone(&state);
        std::thread::Builder::new()
            .name("upstream".into())
            .spawn(move || {
                runtime.block_on(async {
                    let Ok(listener) = TcpListener::from_std(listener) else {
                        return;
                    };
                    while let Ok((socket, _)) = listener.accept().await {
                        tokio::spawn(connection(socket, Arc::clone(&shared)));
                    }
                });
            })?;
        Ok(Self {
            address,
            state,
            notes,
        })
    }

    /// The most answers that were open at once since this was last asked.
    pub fn take_peak(&self) -> usize {
        self.state.peak.swap(0, Ordering::Relaxed)
    }
}

async fn connection(socket: TcpStream, state: Arc<State>) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // A peer that goes away ends its connection with an error: the watch tells.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Answer>, Infallible> {
    let (wire, path_says_stream) = Wire::of_path(request.uri().path());
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let mut order = Order::read(&body);
    order.stream |= path_says_stream;
    let watch = Watch::new(order.id, Arc::clone(&state));
    if order.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(order.delay_ms)).await;
    }
    let mut events = Events {
        wire,
        order,
        next: 0,
        due: None,
        flushed: true,
        watch,
    };
    let (body, kind) = if order.stream {
        (Answer::Stream(events), wire.streams_as())
    } else {
        events.watch.done = true;
        (
            Answer::Whole(Some(state.script(wire).whole.clone())),
            "application/json",
        )
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

impl State {
    #[expect(
        clippy::indexing_slicing,
        reason = "there is one entry for each wire format, in their order"
    )]
    fn script(&self, wire: Wire) -> &Script {
        &self.scripts[wire as usize]
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
struct Order {
    stream: bool,
    chunks: usize,
    gap_ms: u64,
    delay_ms: u64,
    id: u64,
}

impl Order {
    fn read(body: &[u8]) -> Self {
        let stream = [&b"\"stream\":true"[..], b"\"stream\": true"];
        let mut order = Self {
            stream: stream.iter().any(|text| memmem::find(body, text).is_some()),
            chunks: 100,
            gap_ms: 0,
            delay_ms: 0,
            id: 0,
        };
        let marker = memmem::find(body, b"[[").and_then(|at| body.get(at + 2..));
        let marker = marker.and_then(|rest| rest.get(..memmem::find(rest, b"]]")?));
        for pair in marker
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default()
            .split('&')
        {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let value: u64 = value.parse().unwrap_or_default();
            match name {
                "chunks" => order.chunks = usize::try_from(value).unwrap_or_default(),
                "gap_ms" => order.gap_ms = value,
                "delay_ms" => order.delay_ms = value,
                "id" => order.id = value,
                _ => {}
            }
        }
        order
    }
}

/// Counts an answer as open while it lives, and tells when it was given up.
struct Watch {
    id: u64,
    done: bool,
    state: Arc<State>,
}

impl Watch {
    fn new(id: u64, state: Arc<State>) -> Self {
        let open = state.open.fetch_add(1, Ordering::Relaxed) + 1;
        state.peak.fetch_max(open, Ordering::Relaxed);
        if id > 0 {
            // Nobody listening: nobody asked.
            let _ = state.notes.send(Note::Arrived(id));
        }
        Self {
            id,
            done: false,
            state,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::Relaxed);
        if self.id > 0 && !self.done {
            let _ = self.state.notes.send(Note::Gone(self.id, Instant::now()));
        }
    }
}

/// The body of an answer.
enum Answer {
    Whole(Option<Bytes>),
    Stream(Events),
}

/// A stream of events, each flushed on its own.
struct Events {
    wire: Wire,
    order: Order,
    next: usize,
    due: Option<Pin<Box<Sleep>>>,
    flushed: bool,
    watch: Watch,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Stream(events) => events
                .poll(cx)
                .map(|event| event.map(|event| Ok(Frame::data(event)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl Events {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(due) = &mut self.due {
            if due.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        } else if !self.flushed {
            // hyper flushes what it has when a body has nothing for it.
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let script = self.watch.state.script(self.wire);
        let Some((event, is_chunk)) = script.event(self.next, self.order.chunks) else {
            self.watch.done = true;
            return Poll::Ready(None);
        };
        self.next += 1;
        self.flushed = false;
        self.pace(is_chunk);
        Poll::Ready(Some(event))
    }

    /// Sets when the next event is due: a gap after a content event.
    fn pace(&mut self, is_chunk: bool) {
        let gap = Duration::from_millis(self.order.gap_ms);
        match &mut self.due {
            _ if !is_chunk || gap.is_zero() => self.due = None,
            Some(due) => {
                let next = due.deadline() + gap;
                due.as_mut().reset(next);
            }
            None => self.due = Some(Box::pin(tokio::time::sleep(gap))),
        }
    }
}
