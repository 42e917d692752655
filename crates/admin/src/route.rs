//! The API as a table: each row makes a route of the router and an operation of the OpenAPI document.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode};
use policy::viewer::Viewer;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::App;
use crate::auth::viewer;
use crate::error::ApiError;
use crate::openapi;

/// What a function of the API gives.
pub type Answer<T> = Result<T, ApiError>;

/// Where the API stands.
pub const ROOT: &str = "/admin/v1";

/// Largest body that is read, in bytes.
pub const BODY_MAX: usize = 1 << 20;

/// A query string or body that takes nothing.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// One row of the table.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path below [`ROOT`], with `{id}` where a name or id stands.
    pub path: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What the query string may say.
    pub query: Option<Schema>,
    /// What the body must be.
    pub body: Option<Schema>,
    /// Status and body of a good answer.
    pub answer: (StatusCode, Option<Schema>),
    serve: MethodRouter<Arc<App>>,
}

/// The table.
pub struct Routes {
    /// Its rows.
    pub rows: Vec<Route>,
    /// The schemas that they refer to.
    pub schemas: SchemaGenerator,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            schemas: openapi::generator(),
        }
    }
}

impl Routes {
    /// A function that reads: `GET` with a query string.
    #[must_use]
    pub fn get<Q, R>(
        mut self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, Q) -> Answer<R>,
    ) -> Self
    where
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + Send + 'static,
    {
        let serve = axum::routing::get(
            move |State(app): State<Arc<App>>, headers: HeaderMap, RawQuery(query): RawQuery| {
                run(app, headers, move |app, viewer| {
                    function(app, viewer, read_query(query.as_deref())?).map(ok)
                })
            },
        );
        let row = Route {
            method: Method::GET,
            path,
            summary,
            query: Some(self.schemas.subschema_for::<Q>()),
            body: None,
            answer: (StatusCode::OK, Some(self.schemas.subschema_for::<R>())),
            serve,
        };
        self.rows.push(row);
        self
    }

    /// A function that reads one thing: `GET` with a name or id in the path.
    #[must_use]
    pub fn get_one<R>(
        mut self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &str) -> Answer<R>,
    ) -> Self
    where
        R: Serialize + JsonSchema + Send + 'static,
    {
        let serve = axum::routing::get(
            move |State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>| {
                run(app, headers, move |app, viewer| {
                    function(app, viewer, &id).map(ok)
                })
            },
        );
        let row = Route {
            method: Method::GET,
            path,
            summary,
            query: None,
            body: None,
            answer: (StatusCode::OK, Some(self.schemas.subschema_for::<R>())),
            serve,
        };
        self.rows.push(row);
        self
    }

    /// A function that makes something: `POST`, answered with `status`.
    #[must_use]
    pub fn post<B, R>(
        mut self,
        path: &'static str,
        summary: &'static str,
        status: StatusCode,
        function: fn(&App, &Viewer, B) -> Answer<R>,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + Send + 'static,
    {
        let serve = axum::routing::post(
            move |State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes| {
                run(app, headers, move |app, viewer| {
                    let made = function(app, viewer, read_body(&body)?)?;
                    Ok((status, Json(made)).into_response())
                })
            },
        );
        let row = Route {
            method: Method::POST,
            path,
            summary,
            query: None,
            body: Some(self.schemas.subschema_for::<B>()),
            answer: (status, Some(self.schemas.subschema_for::<R>())),
            serve,
        };
        self.rows.push(row);
        self
    }

    /// A function that does something with one thing: `POST` or `PATCH` with a name or id in the path.
    #[must_use]
    pub fn change<B, R>(
        mut self,
        method: Method,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &str, B) -> Answer<R>,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + Send + 'static,
    {
        let handler = move |State(app): State<Arc<App>>,
                            headers: HeaderMap,
                            Path(id): Path<String>,
                            body: Bytes| {
            run(app, headers, move |app, viewer| {
                function(app, viewer, &id, read_body(&body)?).map(ok)
            })
        };
        let serve = if method == Method::PATCH {
            axum::routing::patch(handler)
        } else {
            axum::routing::post(handler)
        };
        let row = Route {
            method,
            path,
            summary,
            query: None,
            body: Some(self.schemas.subschema_for::<B>()),
            answer: (StatusCode::OK, Some(self.schemas.subschema_for::<R>())),
            serve,
        };
        self.rows.push(row);
        self
    }

    /// A function that removes one thing: `DELETE`.
    #[must_use]
    pub fn delete(
        mut self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &str) -> Answer<()>,
    ) -> Self {
        let serve = axum::routing::delete(
            move |State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>| {
                run(app, headers, move |app, viewer| {
                    function(app, viewer, &id)?;
                    Ok(StatusCode::NO_CONTENT.into_response())
                })
            },
        );
        self.rows.push(Route {
            method: Method::DELETE,
            path,
            summary,
            query: None,
            body: None,
            answer: (StatusCode::NO_CONTENT, None),
            serve,
        });
        self
    }

    /// The router of all rows.
    pub fn router(self) -> Router<Arc<App>> {
        let mut router = Router::new();
        for row in self.rows {
            router = router.route(&format!("{ROOT}{}", row.path), row.serve);
        }
        router
    }
}

fn ok<R: Serialize>(value: R) -> Response {
    Json(value).into_response()
}

/// Runs a function for whoever calls, where it may wait for the database.
async fn run<F>(app: Arc<App>, headers: HeaderMap, function: F) -> Response
where
    F: FnOnce(&App, &Viewer) -> Answer<Response> + Send + 'static,
{
    let viewer = match viewer(&app, &headers) {
        Ok(viewer) => viewer,
        Err(error) => return error.into_response(),
    };
    let ran = tokio::task::spawn_blocking(move || function(&app, &viewer)).await;
    match ran {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => error.into_response(),
        Err(_panicked) => {
            ApiError::unavailable("the function failed; the log says why").into_response()
        }
    }
}

fn read_query<Q: DeserializeOwned>(query: Option<&str>) -> Answer<Q> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let pairs = serde_html_form::Deserializer::new(pairs);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let field = error.path().to_string();
        ApiError::invalid(named(&field), error.into_inner().to_string())
    })
}

fn read_body<B: DeserializeOwned>(body: &[u8]) -> Answer<B> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut text = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let field = error.path().to_string();
        ApiError::invalid(named(&field), error.into_inner().to_string())
    })?;
    text.end()
        .map_err(|error| ApiError::invalid("", error.to_string()))?;
    Ok(value)
}

/// The path of a field; the root has none.
fn named(path: &str) -> &str {
    if path == "." || path == "?" { "" } else { path }
}
