//! One small request to somebody who gives credentials, bounded in time and bytes.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};

use super::token::Asked;
use crate::upstream::{SendError, Upstream};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long all of it may take.
const TOTAL: Duration = Duration::from_secs(10);
/// Bytes that an answer may have.
const ANSWER_MAX: usize = 256 * 1024;

/// Sends it and reads the whole answer: its status and its body.
///
/// # Errors
/// Why there is none, as a clause without any credential.
pub(super) async fn fetch(
    upstream: &Upstream,
    (origin, request): Asked,
) -> Result<(u16, Vec<u8>), String> {
    let asked = async {
        let response = upstream.send(&origin, request, CONNECT).await;
        let response = response.map_err(|error| match error {
            SendError::NotSent { why, .. } | SendError::Ambiguous { why, .. } => {
                format!("{origin} does not answer: {why}")
            }
        })?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| format!("the answer of {origin} broke off: {error}"))?;
        Ok((status, body.to_bytes().to_vec()))
    };
    let late = |_| {
        Err(format!(
            "{origin} did not answer within {} s",
            TOTAL.as_secs()
        ))
    };
    tokio::time::timeout(TOTAL, asked)
        .await
        .unwrap_or_else(late)
}
