//! From a request to a function of the table and back.
//!
//! Functions may wait for the database, so each runs on a thread of its own; how many run at
//! once, and how many of them may be slow, has a bound. What was begun is ended, whether the
//! caller waits or not.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use policy::viewer::Viewer;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::App;
use crate::auth::viewer;
use crate::error::ApiError;
use crate::route::{Answer, Ask, Function, ROOT, Reply, Routes};

/// Largest body that is read, in bytes.
pub(crate) const BODY_MAX: usize = 1 << 20;

/// Largest query string that is read, in bytes.
const QUERY_MAX: usize = 16 << 10;

/// How long a body may take.
const BODY_WAITS: Duration = Duration::from_secs(30);

/// Functions that run at once.
const AT_ONCE: usize = 32;

/// Functions that run at once and may take seconds.
const HEAVY_AT_ONCE: usize = 4;

/// How long a function waits for its turn.
const TURN_WAITS: Duration = Duration::from_secs(10);

/// What stands for `{id}` in a path.
type Id = Result<Option<Path<String>>, PathRejection>;

/// What requests are served with.
pub(crate) struct Serving {
    pub(crate) app: Arc<App>,
    turns: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Serving {
    pub(crate) fn new(app: Arc<App>, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            app,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            heavy: Arc::new(Semaphore::new(HEAVY_AT_ONCE)),
            tasks,
        })
    }

    /// Runs something for whoever calls, where it may wait for the database.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        heavy: bool,
        function: impl FnOnce(&App) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let turns = if heavy { &self.heavy } else { &self.turns };
        let turn = timeout(TURN_WAITS, Arc::clone(turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(ApiError::overloaded(
                "others are being answered; ask again in a while",
            ));
        };
        let app = Arc::clone(&self.app);
        let ran = self.tasks.spawn_blocking(move || {
            let answer = function(&app);
            drop(turn);
            answer
        });
        ran.await
            .unwrap_or_else(|_panicked| Err(ApiError::internal("it failed; the log says why")))
    }
}

/// The router of all rows.
pub(crate) fn router(routes: &Routes) -> Router<Arc<Serving>> {
    let mut router = Router::new();
    for row in &routes.rows {
        let (heavy, function) = (row.heavy, Arc::clone(&row.function));
        let handler = move |State(serving): State<Arc<Serving>>, id: Id, request: Request| async move {
            answer(&serving, (heavy, function), id, request)
                .await
                .unwrap_or_else(IntoResponse::into_response)
        };
        // The table has methods that there are filters for.
        if let Ok(filter) = MethodFilter::try_from(row.method.clone()) {
            router = router.route(&format!("{ROOT}{}", row.path), on(filter, handler));
        }
    }
    router
}

async fn answer(
    serving: &Serving,
    (heavy, function): (bool, Function),
    id: Id,
    request: Request,
) -> Answer<Response> {
    let viewer: Viewer = viewer(&serving.app, request.headers())?;
    let ask = ask(id, request).await?;
    let reply = serving.run(heavy, move |app| function(app, &viewer, &ask));
    Ok(respond(reply.await?))
}

async fn ask(id: Id, request: Request) -> Answer<Ask> {
    let id = match id {
        Ok(id) => id.map(|Path(id)| id).unwrap_or_default(),
        Err(_) => return Err(ApiError::not_found("the path is no text")),
    };
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    if query.len() > QUERY_MAX {
        let message = format!("the query string has more than {QUERY_MAX} bytes");
        return Err(ApiError::too_large(message));
    }
    let body = if matches!(parts.method, Method::POST | Method::PATCH) {
        whole(&parts.headers, body).await?
    } else {
        Bytes::new()
    };
    Ok(Ask {
        id,
        query: query.to_owned(),
        body,
    })
}

async fn whole(headers: &HeaderMap, body: axum::body::Body) -> Answer<Bytes> {
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        return Err(ApiError {
            status: http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: "unsupported_encoding",
            ..ApiError::invalid(
                "",
                "bodies are sent as they are, without `content-encoding`",
            )
        });
    }
    let read = timeout(BODY_WAITS, Limited::new(body, BODY_MAX).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(format!(
            "the body has more than {BODY_MAX} bytes"
        ))),
        Ok(Err(_)) => Err(ApiError::invalid("", "the body ended before it was whole")),
        Err(_) => Err(ApiError::invalid("", "the body took too long")),
    }
}

fn respond(reply: Reply) -> Response {
    match reply.json {
        Some(json) => (reply.status, [(CONTENT_TYPE, "application/json")], json).into_response(),
        None => reply.status.into_response(),
    }
}
