//! The API as a table: each row makes a route of the router and an operation of the OpenAPI document.
//!
//! A row's function gets the viewer and what was asked, and gives status and JSON. It knows no
//! HTTP beyond that, so that pages can call it too.

use std::sync::Arc;

use axum::body::Bytes;
use http::{Method, StatusCode};
use policy::viewer::Viewer;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::App;
use crate::error::ApiError;
use crate::openapi::{self, Parameter};
use crate::reading::{read_body, read_query};

/// What a function of the API gives.
pub type Answer<T> = Result<T, ApiError>;

/// Where the API stands.
pub const ROOT: &str = "/admin/v1";

/// A query string or body that takes nothing.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// What stands for `{id}` in the path; empty where nothing does.
    pub id: String,
    /// The query string.
    pub query: String,
    /// The body.
    pub body: Bytes,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// The body, JSON; none where there is nothing to say.
    pub json: Option<Vec<u8>>,
}

impl Reply {
    /// An answer with a body.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn new<R: Serialize>(status: StatusCode, value: &R) -> Answer<Self> {
        let json = serde_json::to_vec(value)
            .map_err(|error| ApiError::internal(format!("the answer is no JSON: {error}")))?;
        Ok(Self {
            status,
            json: Some(json),
        })
    }
}

/// A function of a row.
pub type Function = Arc<dyn Fn(&App, &Viewer, &Ask) -> Answer<Reply> + Send + Sync>;

/// One row of the table.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path below [`ROOT`], with `{id}` where a name or id stands.
    pub path: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What the query string may say.
    pub query: Vec<Parameter>,
    /// What the body must be.
    pub body: Option<Schema>,
    /// Status and body of a good answer.
    pub answer: (StatusCode, Option<Schema>),
    /// Whether it may take seconds; only a few of them run at once.
    pub heavy: bool,
    /// What it does.
    pub function: Function,
}

/// The table.
pub struct Routes {
    /// Its rows.
    pub rows: Vec<Route>,
    /// The schemas that they refer to; none where nobody asks for the document.
    pub(crate) schemas: Option<SchemaGenerator>,
}

/// Method, path below [`ROOT`] and what it does, in a line.
pub type Head = (Method, &'static str, &'static str);

impl Routes {
    /// An empty table whose rows say what they take and give.
    pub(crate) fn described() -> Self {
        Self {
            rows: Vec::new(),
            schemas: Some(openapi::generator()),
        }
    }

    /// An empty table whose rows only do what they do: making schemas costs memory that a gateway
    /// whose document nobody reads does not need.
    pub(crate) fn undescribed() -> Self {
        Self {
            rows: Vec::new(),
            schemas: None,
        }
    }

    /// A schema, if the rows say what they take and give.
    pub(crate) fn schema(&mut self, make: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Schema {
        self.schemas.as_mut().map(make).unwrap_or_default()
    }

    /// A function that reads: `GET` with a query string.
    #[must_use]
    pub fn get<Q, R>(
        self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &Q) -> Answer<R>,
    ) -> Self
    where
        Q: DeserializeOwned + JsonSchema + 'static,
        R: Serialize + JsonSchema + 'static,
    {
        let run = move |app: &App, viewer: &Viewer, ask: &Ask| {
            let answer = function(app, viewer, &read_query(&ask.query)?)?;
            Reply::new(StatusCode::OK, &answer)
        };
        let mut routes = self.row::<R>((Method::GET, path, summary), StatusCode::OK, None, run);
        let query = routes.schemas.as_mut().map(openapi::parameters::<Q>);
        if let (Some(row), Some(query)) = (routes.rows.last_mut(), query) {
            row.query = query;
        }
        routes
    }

    /// A function that reads one thing: `GET` with a name or id in the path.
    #[must_use]
    pub fn get_one<R>(
        self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &str) -> Answer<R>,
    ) -> Self
    where
        R: Serialize + JsonSchema + 'static,
    {
        let run = move |app: &App, viewer: &Viewer, ask: &Ask| {
            let Nothing {} = read_query(&ask.query)?;
            Reply::new(StatusCode::OK, &function(app, viewer, &ask.id)?)
        };
        self.row::<R>((Method::GET, path, summary), StatusCode::OK, None, run)
    }

    /// A function that does something: `POST` with a body.
    #[must_use]
    pub fn post<B, R>(
        mut self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &B) -> Answer<R>,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema + 'static,
        R: Serialize + JsonSchema + 'static,
    {
        let body = self.schema(SchemaGenerator::subschema_for::<B>);
        let run = move |app: &App, viewer: &Viewer, ask: &Ask| {
            let Nothing {} = read_query(&ask.query)?;
            let answer = function(app, viewer, &read_body(&ask.body)?)?;
            Reply::new(StatusCode::OK, &answer)
        };
        let head = (Method::POST, path, summary);
        self.row::<R>(head, StatusCode::OK, Some(body), run)
    }

    /// A function that reads its body by itself, such as one that makes or changes an object.
    #[must_use]
    pub fn raw<R>(
        self,
        head: Head,
        status: StatusCode,
        body: Schema,
        function: fn(&App, &Viewer, &Ask) -> Answer<R>,
    ) -> Self
    where
        R: Serialize + JsonSchema + 'static,
    {
        let run = move |app: &App, viewer: &Viewer, ask: &Ask| {
            let Nothing {} = read_query(&ask.query)?;
            Reply::new(status, &function(app, viewer, ask)?)
        };
        self.row::<R>(head, status, Some(body), run)
    }

    /// A function that removes one thing: `DELETE`.
    #[must_use]
    pub fn delete(
        mut self,
        path: &'static str,
        summary: &'static str,
        function: fn(&App, &Viewer, &str) -> Answer<()>,
    ) -> Self {
        let run = move |app: &App, viewer: &Viewer, ask: &Ask| {
            let Nothing {} = read_query(&ask.query)?;
            function(app, viewer, &ask.id)?;
            Ok(Reply {
                status: StatusCode::NO_CONTENT,
                json: None,
            })
        };
        self.rows.push(Route {
            method: Method::DELETE,
            path,
            summary,
            query: Vec::new(),
            body: None,
            answer: (StatusCode::NO_CONTENT, None),
            heavy: false,
            function: Arc::new(run),
        });
        self
    }

    /// The function added last may take seconds.
    #[must_use]
    pub fn heavy(mut self) -> Self {
        if let Some(row) = self.rows.last_mut() {
            row.heavy = true;
        }
        self
    }

    /// The row of that method and path below [`ROOT`], as it stands in the table.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<&Route> {
        self.rows
            .iter()
            .find(|row| row.method == *method && row.path == path)
    }

    fn row<R: JsonSchema>(
        mut self,
        (method, path, summary): Head,
        status: StatusCode,
        body: Option<Schema>,
        run: impl Fn(&App, &Viewer, &Ask) -> Answer<Reply> + Send + Sync + 'static,
    ) -> Self {
        let answer = self.schema(SchemaGenerator::subschema_for::<R>);
        self.rows.push(Route {
            method,
            path,
            summary,
            query: Vec::new(),
            body,
            answer: (status, Some(answer)),
            heavy: false,
            function: Arc::new(run),
        });
        self
    }
}
