//! Where alerts go. URLs are secrets: an incoming webhook's is its own credential.

use http::Uri;
use policy::secret::Secret;

use super::MIN_SECRET;
use crate::config::file::AlertsFile;
use crate::config::problem::Problem;
use crate::config::values::{At, SecretText};
use crate::config::{Alerts, Webhook};

/// Resolves `alerts`.
pub fn resolve(written: Option<&At<AlertsFile>>, problems: &mut Vec<Problem>) -> Alerts {
    let Some(written) = written else {
        return Alerts::default();
    };
    let file = &written.value;
    match (&file.webhook, &file.secret) {
        (Some(webhook), None) if written.whole => {
            let mend = "add `secret`, with which receivers verify that it is ours";
            problems.push(Problem::at(
                webhook.place,
                "`webhook` has no `secret`",
                mend,
            ));
        }
        (None, Some(secret)) if written.whole => {
            let what = "`secret` does nothing without `webhook`";
            problems.push(Problem::at(secret.place, what, "leave it out"));
        }
        (Some(_) | None, _) => {}
    }
    if let Some(secret) = &file.secret
        && secret.value.0.reveal().chars().count() < MIN_SECRET
    {
        let what = format!("`alerts.secret` has fewer than {MIN_SECRET} characters");
        let mend = "make one with `openssl rand -base64 32`";
        problems.push(Problem::at(secret.place, what, mend));
    }
    let url = file
        .webhook
        .as_ref()
        .and_then(|url| self::url(url, "webhook", problems));
    let secret = file.secret.as_ref().map(|secret| copy(&secret.value.0));
    Alerts {
        webhook: url.zip(secret).map(|(url, secret)| Webhook { url, secret }),
        slack: file
            .slack
            .as_ref()
            .and_then(|url| self::url(url, "slack", problems)),
    }
}

fn url(written: &At<SecretText>, name: &str, problems: &mut Vec<Problem>) -> Option<Secret> {
    let text = written.value.0.reveal();
    let uri = text.parse::<Uri>().ok();
    let good = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|h| !h.is_empty())
    });
    if good {
        return Some(copy(&written.value.0));
    }
    let what = format!("`{name}` is no URL");
    let mend = "write `https://host/path`, as its receiver gives it";
    problems.push(Problem::at(written.place, what, mend));
    None
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.reveal().to_owned())
}
