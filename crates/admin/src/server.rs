//! The listener: connections, TLS, and the router behind them.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::viewer;
use crate::error::ApiError;
use crate::guard::{Names, guard};
use crate::home::home;
use crate::route::{ROOT, Routes};
use crate::serving::{self, Serving};
use crate::{App, api, openapi, routes};

/// Connections that are served at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 256;

/// How long a handshake, and then each request's head, may take.
const HEAD_WAITS: Duration = Duration::from_secs(10);

/// How long a stop waits for answers under way.
const DRAIN: Duration = Duration::from_secs(5);

/// Gives the certificate in force; asked at each connection, since it is renewed in place.
pub type Tls = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// Serves until `stop`.
///
/// # Errors
/// Where the socket cannot be used.
pub async fn serve(
    socket: std::net::TcpListener,
    tls: Option<Tls>,
    app: Arc<App>,
    stop: CancellationToken,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from_std(socket)?;
    let tasks = TaskTracker::new();
    let names = if listener.local_addr()?.ip().is_loopback() {
        Names::OfThisMachine
    } else {
        Names::Any
    };
    let service = TowerToHyperService::new(router(app, names, tasks.clone()));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _from)) => stream,
            // Out of descriptors, or a connection that ended before it was taken.
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin listener was lost");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (service, tls, stop) = (service.clone(), tls.clone(), stop.clone());
        tasks.spawn(async move {
            connection(stream, tls, service, stop).await;
            drop(place);
        });
    }
    tasks.close();
    let _ = timeout(DRAIN, tasks.wait()).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    tls: Option<Tls>,
    service: TowerToHyperService<Router>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => converse(TokioIo::new(stream), service, stop).await,
        Some(tls) => {
            let acceptor = TlsAcceptor::from(tls());
            // A handshake that fails or takes too long is the caller's affair.
            if let Ok(Ok(stream)) = timeout(HEAD_WAITS, acceptor.accept(stream)).await {
                converse(TokioIo::new(stream), service, stop).await;
            }
        }
    }
}

async fn converse<I>(io: I, service: TowerToHyperService<Router>, stop: CancellationToken)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAITS)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            // Errors of a connection end it; there is nobody else to tell.
            _ended = connection.as_mut() => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Everything behind the listener.
pub fn router(app: Arc<App>, names: Names, tasks: TaskTracker) -> Router {
    serving::router(&api::all(Routes::undescribed()))
        .route(
            &format!("{ROOT}/openapi.json"),
            axum::routing::get(describe),
        )
        .route("/metrics", axum::routing::get(metrics))
        .route("/", axum::routing::get(home))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(names, guard))
        .with_state(Serving::new(app, tasks))
}

/// The OpenAPI document, made when it is first asked for.
async fn describe(State(serving): State<Arc<Serving>>, headers: HeaderMap) -> Response {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| openapi::document(&mut routes()).to_string());
    match viewer(&serving.app, &headers) {
        Ok(_) => ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn metrics(State(serving): State<Arc<Serving>>, headers: HeaderMap) -> Response {
    if !serving.app.metrics_open {
        match viewer(&serving.app, &headers) {
            Ok(viewer) if viewer.team().is_none() => {}
            Ok(_) => {
                return ApiError::forbidden("these are figures of the whole house").into_response();
            }
            Err(error) => return error.into_response(),
        }
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match serving.run(false, |app| Ok(app.control.metrics())).await {
        Ok(text) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn nothing_here() -> Response {
    ApiError::not_found("there is nothing at this path; /admin/v1/openapi.json lists what is")
        .into_response()
}

async fn wrong_method() -> Response {
    ApiError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        ..ApiError::invalid(
            "",
            "this path does not take this method; /admin/v1/openapi.json lists what it takes",
        )
    }
    .into_response()
}
