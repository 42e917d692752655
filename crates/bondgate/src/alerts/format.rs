//! What goes over the wire: the signed JSON of a webhook, and Slack's message.
//!
//! Slack's format: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks> and
//! its block kit. The signature is described in `docs/alerts.md`.

use aws_lc_rs::hmac;
use serde_json::{Map, Value, json};
use store::keys::hex;

use super::alert::{Alert, Severity};
use super::text::{clip, rfc3339};

/// The header that a webhook's signature stands in.
pub(super) const SIGNATURE: &str = "x-bondgate-signature";

/// The most that Slack shows in a header, in characters.
const SLACK_HEADER_MAX: usize = 150;

/// An alert that is told: the same each time it is tried.
pub(super) struct Said {
    /// A ULID.
    pub(super) id: String,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// What.
    pub(super) alert: Alert,
}

/// The signature of a body at that time, in seconds since 1970: `t=UNIX,v1=HEX`, the
/// HMAC-SHA-256 over the time's digits, a dot and the body.
pub(super) fn signature(secret: &str, at_s: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(at_s.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    format!("t={at_s},v1={}", hex(context.sign().as_ref()))
}

/// The body for a webhook.
pub(super) fn webhook(said: &Said) -> Value {
    let alert = &said.alert;
    let mut body = Map::new();
    let mut say = |name: &str, text: String| body.insert(name.to_owned(), text.into());
    say("id", said.id.clone());
    say("at", rfc3339(said.at_ms));
    say("kind", alert.kind.to_string());
    say("severity", alert.severity.to_string());
    say("message", alert.message.clone());
    say("key", alert.key.clone());
    body.extend(alert.details.clone());
    Value::Object(body)
}

/// The body for an incoming webhook of Slack.
pub(super) fn slack(said: &Said) -> Value {
    let alert = &said.alert;
    let message = escaped(&alert.message);
    let header = format!("{} Bondgate: {}", mark(alert.severity), alert.kind);
    let context = format!("{} · {} · {}", alert.severity, rfc3339(said.at_ms), said.id);
    json!({
        "text": format!("Bondgate, {} ({}): {message}", alert.kind, alert.severity),
        "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": clip(&header, SLACK_HEADER_MAX) } },
            { "type": "section", "text": { "type": "mrkdwn", "text": message } },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": context }] },
        ],
    })
}

fn mark(severity: Severity) -> char {
    match severity {
        Severity::Info => '🟢',
        Severity::Warning => '🟡',
        Severity::Critical => '🔴',
    }
}

/// Slack's three control characters: without them nobody can be mentioned and nothing linked.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
