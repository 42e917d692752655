//! The one place where a failure becomes an answer in the client's dialect.

use std::time::Duration;

use dialect::Spoken;
use dialect::failure::{ClientFailure, FailureDetails};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use policy::failure::{Code, Failure};

use crate::bill::Bill;
use crate::exchange::{Exchange, Outcome};
use crate::relay::Body;
use crate::respond;

/// Answers with a failure and settles the exchange.
pub(crate) async fn rescue(
    dialect: Spoken,
    failure: &Failure,
    mut exchange: Box<Exchange>,
) -> Response<Body> {
    exchange.conclude(Outcome::Refused(failure.code));
    exchange.status = status(failure);
    if let Some(receipt) = exchange.settle() {
        // Lost or kept, there is a failure to tell.
        let _ = receipt.durable().await;
    }
    let told = tell(failure, &exchange);
    let mut response = Response::new(Body::full(dialect.server().encode_failure(&told)));
    *response.status_mut() = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    respond::common(headers, dialect, &exchange, None);
    respond::limits(headers, dialect, &exchange);
    if exchange.bill.as_ref().is_some_and(Bill::is_billed) {
        respond::cost(headers, &exchange);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in dialect.server().failure_headers(&told) {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if let Some(after) = failure.retry_after.or_else(|| soon(failure.code)) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(after)));
    }
    if !worth_a_retry(failure) {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// The failure as the client is told it.
#[must_use]
pub(crate) fn tell(failure: &Failure, exchange: &Exchange) -> ClientFailure {
    let said = failure.provider.as_ref();
    ClientFailure {
        status: status(failure),
        code: failure.code.name(),
        message: failure.message.clone(),
        param: failure
            .param
            .clone()
            .or_else(|| said.and_then(|said| said.error.param.clone())),
        details: FailureDetails {
            request_id: exchange.id.to_string(),
            fault: failure.code.fault().name(),
            attempts: exchange.attempt_count(),
            retry_after_ms: failure
                .retry_after
                .or_else(|| soon(failure.code))
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            provider_code: said.and_then(|said| said.error.code.clone()),
            more: failure.facts.clone(),
        },
    }
}

fn status(failure: &Failure) -> u16 {
    match failure.code {
        Code::InvalidRequest
        | Code::CannotTranslate
        | Code::GuardrailBlocked
        | Code::LimitTooSmall
        | Code::TagsRequired => 400,
        Code::InvalidKey => 401,
        Code::ModelNotAllowed | Code::PolicyRefused | Code::UnboundedRequest => 403,
        Code::ModelNotFound | Code::NotFound => 404,
        Code::UpgradeRefused => 426,
        Code::SlowRequest => 408,
        Code::TooLarge => 413,
        Code::UnsupportedEncoding => 415,
        Code::RateLimited | Code::BudgetExceeded => 429,
        Code::ProviderRejected => failure
            .provider
            .as_ref()
            .map(|said| said.status)
            .filter(|status| (400..500).contains(status))
            .unwrap_or(400),
        Code::ProviderFailed => 502,
        Code::Overloaded | Code::NoTarget | Code::StorageUnavailable => 503,
        Code::Timeout => 504,
        Code::ClientGone => 499,
    }
}

/// The longest that the official client libraries wait for what `retry-after` says; of a longer time
/// they make a few seconds of their own.
const SDK_WAITS: Duration = Duration::from_secs(60);

/// A retry helps where the gateway itself was short of something, or where a time was named: a
/// budget that requests under way hold may have room again, one that is spent has none before its
/// reset. Nor does one help that comes long before a limit resets.
fn worth_a_retry(failure: &Failure) -> bool {
    let timed = matches!(failure.code, Code::ProviderFailed | Code::BudgetExceeded);
    let in_time = failure.retry_after.is_none_or(|after| after <= SDK_WAITS);
    let limited = failure.code == Code::RateLimited;
    (failure.code.is_retryable() && (in_time || !limited))
        || (timed && failure.retry_after.is_some())
}

/// What passes by itself is worth asking again after a second.
fn soon(code: Code) -> Option<Duration> {
    code.is_retryable().then_some(Duration::from_secs(1))
}

fn seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}
