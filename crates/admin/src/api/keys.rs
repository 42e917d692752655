//! Virtual keys: beyond what all objects have, a secret that is told once, and an end.
//!
//! A key that is revoked or deleted is refused from then on. A revoked one stays visible and
//! keeps its name; a deleted one is in the audit trail and the records only.

use http::{Method, StatusCode};
use policy::secret::Secret;
use policy::viewer::Viewer;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use store::objects::{Created, KeySpec, New};

use super::objects::{Shown, in_force, reading, schema_of_new, writing};
use crate::App;
use crate::error::ApiError;
use crate::reading::{back, now_ms, read_body};
use crate::route::{Answer, Ask, Nothing, Routes};

/// Adds the functions.
pub(super) fn add(mut routes: Routes) -> Routes {
    let new = routes.schema(schema_of_new::<KeySpec>);
    let rotation = routes.schema(SchemaGenerator::subschema_for::<Rotation>);
    let nothing = routes.schema(SchemaGenerator::subschema_for::<Nothing>);
    let routes = reading::<KeySpec>(routes, ["/keys", "/keys/{id}"]);
    let routes = routes.raw(
        (
            Method::POST,
            "/keys",
            "Make one; its secret is told here only",
        ),
        StatusCode::CREATED,
        new,
        create,
    );
    writing::<KeySpec>(routes, "/keys/{id}")
        .raw(
            (
                Method::POST,
                "/keys/{id}/rotate",
                "Give it a new secret, told here only; the one before stays good for `grace`",
            ),
            StatusCode::CREATED,
            rotation,
            rotate,
        )
        .raw(
            (
                Method::POST,
                "/keys/{id}/revoke",
                "Refuse it from now on, for good; it stays visible",
            ),
            StatusCode::OK,
            nothing,
            revoke,
        )
}

/// How a key gets a new secret.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    /// How long the secret before stays good, `0s` to `90d`, such as `24h`; not at all when absent.
    grace: Option<String>,
}

/// A key with its secret.
#[derive(Serialize, JsonSchema)]
struct KeyCreated {
    #[serde(flatten)]
    key: Shown<KeySpec>,
    /// What applications show. It is nowhere else and cannot be had again.
    #[serde(serialize_with = "told")]
    #[schemars(with = "String")]
    secret: Secret,
    /// Whether the running gateway knows it already; false only where it could not take it over.
    in_force: bool,
}

fn create(app: &App, viewer: &Viewer, ask: &Ask) -> Answer<KeyCreated> {
    let now_ms = now_ms();
    let new = New::<KeySpec>::from_json(&ask.body, now_ms)?;
    Ok(created(app, app.objects.create_key(viewer, new, now_ms)?))
}

fn rotate(app: &App, viewer: &Viewer, ask: &Ask) -> Answer<KeyCreated> {
    let Rotation { grace } = read_body(&ask.body)?;
    let grace_ms = match grace.as_deref().map(back) {
        None => 0,
        Some(Some(grace_ms)) => grace_ms,
        Some(None) => {
            let message = "is a duration from `0s` to `90d`, such as `24h`";
            return Err(ApiError::invalid("grace", message));
        }
    };
    let rotated = app.objects.rotate_key(viewer, &ask.id, grace_ms, now_ms());
    Ok(created(app, rotated?))
}

fn revoke(app: &App, viewer: &Viewer, ask: &Ask) -> Answer<Shown<KeySpec>> {
    let Nothing {} = read_body(&ask.body)?;
    let revoked = app.objects.revoke_key(viewer, &ask.id, now_ms())?;
    in_force(app)?;
    Ok(Shown(revoked))
}

/// The secret is told even where the key is not in force yet: it would be lost.
fn created(app: &App, created: Created) -> KeyCreated {
    KeyCreated {
        key: Shown(created.object),
        secret: created.secret,
        in_force: in_force(app).is_ok(),
    }
}

fn told<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.reveal())
}
