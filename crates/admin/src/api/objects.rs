//! Teams, users, organisations, budgets, providers and prices: made, shown, changed, deleted.
//!
//! What is changed is in force when it is answered. Objects of the configuration's file are
//! shown and never changed here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use http::{Method, StatusCode};
use policy::viewer::Viewer;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use store::objects::{
    BudgetSpec, Change, Error, Kind, New, Object, OrganisationSpec, Plain, PriceSpec, ProviderSpec,
    Query, Spec, TeamSpec, UserSpec, change_schema, new_schema, object_schema,
};

use crate::App;
use crate::error::ApiError;
use crate::openapi::component;
use crate::page::Page;
use crate::reading::now_ms;
use crate::route::{Answer, Ask, Routes};

/// Adds the functions.
pub(super) fn add(routes: Routes) -> Routes {
    let routes = kind::<TeamSpec>(routes, ["/teams", "/teams/{id}"]);
    let routes = kind::<UserSpec>(routes, ["/users", "/users/{id}"]);
    let paths = ["/organisations", "/organisations/{id}"];
    let routes = kind::<OrganisationSpec>(routes, paths);
    let routes = kind::<BudgetSpec>(routes, ["/budgets", "/budgets/{id}"]);
    let routes = kind::<ProviderSpec>(routes, ["/providers", "/providers/{id}"]);
    import(kind::<PriceSpec>(routes, ["/prices", "/prices/{id}"]))
}

/// Many prices in one call.
fn import(mut routes: Routes) -> Routes {
    let of_one = schema_of_new::<PriceSpec>(&mut routes.schemas);
    let schema = json!({
        "type": "object",
        "properties": { "prices": { "type": "array", "items": of_one, "minItems": 1 } },
        "required": ["prices"],
        "additionalProperties": false,
    });
    let body = component(&mut routes.schemas, "PricesImport", schema);
    let head = (
        Method::POST,
        "/prices/import",
        "Make all of these, or none where one cannot be",
    );
    routes.raw(head, StatusCode::CREATED, body, import_prices)
}

/// What was made.
#[derive(serde::Serialize, JsonSchema)]
struct Imported {
    /// The prices, in the order in which they were given.
    items: Vec<Shown<PriceSpec>>,
}

fn import_prices(app: &App, viewer: &Viewer, ask: &Ask) -> Answer<Imported> {
    let now_ms = now_ms();
    let rows = New::<PriceSpec>::many_from_json(&ask.body, "prices", now_ms)?;
    let made = app.objects.create_all(viewer, rows, now_ms);
    let made = made.map_err(|(n, error)| {
        let at = format!("prices[{n}]");
        if let Error::Invalid(invalid) = error {
            return invalid.within(&at).into();
        }
        let name = matches!(error, Error::Taken { .. }).then(|| format!("{at}.name"));
        ApiError {
            field: name,
            ..error.into()
        }
    })?;
    in_force(app)?;
    Ok(Imported {
        items: made.into_iter().map(Shown).collect(),
    })
}

fn kind<S: Plain + 'static>(mut routes: Routes, [all, each]: [&'static str; 2]) -> Routes {
    let body = schema_of_new::<S>(&mut routes.schemas);
    routes = reading::<S>(routes, [all, each]);
    routes = routes.raw(
        (Method::POST, all, "Make one"),
        StatusCode::CREATED,
        body,
        create::<S>,
    );
    writing::<S>(routes, each)
}

/// Lists and single objects of a kind.
pub(super) fn reading<S: Spec + 'static>(routes: Routes, [all, each]: [&'static str; 2]) -> Routes {
    routes
        .get(all, "All, in the order of their names", list::<S>)
        .get_one(each, "One, by its name or id", one::<S>)
}

/// Changing and deleting objects of a kind.
pub(super) fn writing<S: Spec + 'static>(mut routes: Routes, each: &'static str) -> Routes {
    let name = format!("{}Change", noun(S::KIND));
    let schema = change_schema::<S>(&mut routes.schemas);
    let body = component(&mut routes.schemas, &name, schema);
    routes
        .raw(
            (
                Method::PATCH,
                each,
                "Change what is said of it: what is absent stays, null clears",
            ),
            StatusCode::OK,
            body,
            change::<S>,
        )
        .delete(each, "Delete it", delete::<S>)
}

/// Schema of a request that makes one.
pub(super) fn schema_of_new<S: Spec>(schemas: &mut SchemaGenerator) -> Schema {
    let schema = new_schema::<S>(schemas);
    component(schemas, &format!("{}New", noun(S::KIND)), schema)
}

/// Takes over what was changed.
pub(super) fn in_force(app: &App) -> Answer<()> {
    app.control.refresh().map_err(|why| {
        tracing::error!(why, "a change is kept and not in force");
        ApiError::not_in_force(&why)
    })
}

fn list<S: Spec>(app: &App, viewer: &Viewer, query: &List<S>) -> Answer<Page<Shown<S>>> {
    let page: Page<Object<S>> = app.objects.list::<S>(viewer, &query.query)?.into();
    Ok(page.map(Shown))
}

fn one<S: Spec>(app: &App, viewer: &Viewer, id: &str) -> Answer<Shown<S>> {
    Ok(Shown(app.objects.get(viewer, id)?))
}

fn create<S: Plain>(app: &App, viewer: &Viewer, ask: &Ask) -> Answer<Shown<S>> {
    let now_ms = now_ms();
    let new = New::<S>::from_json(&ask.body, now_ms)?;
    let made = app.objects.create(viewer, new, now_ms)?;
    in_force(app)?;
    Ok(Shown(made))
}

fn change<S: Spec>(app: &App, viewer: &Viewer, ask: &Ask) -> Answer<Shown<S>> {
    let now_ms = now_ms();
    let change = Change::<S>::from_json(&ask.body, now_ms)?;
    let changed = app.objects.change(viewer, &ask.id, &change, now_ms)?;
    in_force(app)?;
    Ok(Shown(changed))
}

fn delete<S: Spec>(app: &App, viewer: &Viewer, id: &str) -> Answer<()> {
    app.objects.delete::<S>(viewer, id, now_ms())?;
    in_force(app)
}

/// An object with a plain name in the document.
#[derive(serde::Serialize)]
#[serde(transparent, bound = "S: Spec")]
pub(super) struct Shown<S: Spec>(pub(super) Object<S>);

impl<S: Spec> JsonSchema for Shown<S> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed(noun(S::KIND))
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        Schema::try_from(object_schema::<S>(schemas)).unwrap_or_default()
    }
}

/// The word in the document.
fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Key => "Key",
        Kind::Team => "Team",
        Kind::User => "User",
        Kind::Organisation => "Organisation",
        Kind::Budget => "Budget",
        Kind::Provider => "Provider",
        Kind::Price => "Price",
    }
}

/// Which objects are wanted.
struct List<S> {
    query: Query,
    kind: PhantomData<S>,
}

impl<'de, S: Spec> Deserialize<'de> for List<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut pairs: BTreeMap<String, String> = BTreeMap::deserialize(deserializer)?;
        let limit = pairs.remove("limit").map(|text| text.parse());
        Ok(Self {
            query: Query {
                cursor: pairs.remove("cursor"),
                limit: limit
                    .transpose()
                    .map_err(|_| serde::de::Error::custom("`limit` is a number from 1 to 1000"))?,
                filters: pairs.into_iter().collect(),
            },
            kind: PhantomData,
        })
    }
}

impl<S: Spec> JsonSchema for List<S> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("{}List", noun(S::KIND)))
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = crate::page::PageQuery::json_schema(schemas);
        let filters = S::FILTERS.iter().map(|field| {
            let what = format!("Those whose `{field}` is this.");
            let text = json!({ "type": "string", "minLength": 1, "description": what });
            ((*field).to_owned(), text)
        });
        let filters: Map<String, Value> = filters.collect();
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.extend(filters);
        }
        schema
    }
}
