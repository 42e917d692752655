//! Alerts on targets and on the credentials that are shown to them.

use policy::health::Cause;

use super::alert::{Alert, DAY_MS, Kind, NAME_MAX, Once, Severity, texts};
use super::text::{clip, key, rfc3339};

impl Alert {
    /// A target that is left alone until then, or that is well again; told once until that changes.
    pub(super) fn breaker(target: &str, open_until_ms: Option<i64>) -> Self {
        let name = clip(target, NAME_MAX);
        let (severity, message, phase, once) = match open_until_ms {
            Some(until_ms) => {
                let until = rfc3339(until_ms);
                let message = format!("`{name}` fails and is left alone until {until}");
                (Severity::Warning, message, "begun", Once::Begins)
            }
            None => {
                let message = format!("`{name}` answers again");
                (Severity::Info, message, "over", Once::Ends)
            }
        };
        Self {
            kind: Kind::Target,
            severity,
            message,
            key: key(&["target", target], &[]),
            once,
            details: texts([("target", &name), ("phase", phase)]),
        }
    }

    /// A provider does not have a model any more; told once a day.
    pub(super) fn model_gone(target: &str, at_ms: i64) -> Self {
        let name = clip(target, NAME_MAX);
        let day = at_ms.div_euclid(DAY_MS);
        Self {
            kind: Kind::Target,
            severity: Severity::Warning,
            message: format!(
                "the provider of `{name}` says that it has no such model; \
                 name another one, or look at the credential's rights"
            ),
            key: key(&["model_gone", target], &[day]),
            once: Once::Until((day + 1).saturating_mul(DAY_MS)),
            details: texts([("target", &name)]),
        }
    }

    /// A credential that is shown to nobody until then; told once until that time.
    pub(super) fn credential((target, name): (&str, &str), cause: Cause, until_ms: i64) -> Self {
        let (at, credential) = (clip(target, NAME_MAX), clip(name, NAME_MAX));
        let why = match cause {
            Cause::Exhausted => "has used up its quota or credit",
            Cause::Quarantined | Cause::RateLimited | Cause::Breaker => {
                "was refused again and again"
            }
        };
        let until = rfc3339(until_ms);
        Self {
            kind: Kind::Credential,
            severity: Severity::Critical,
            message: format!(
                "the credential `{credential}` {why} at `{at}`: it is shown again from {until}"
            ),
            key: key(&["credential", name, cause.name()], &[]),
            once: Once::Until(until_ms),
            details: texts([
                ("credential", &credential),
                ("target", &at),
                ("cause", cause.name()),
                ("until", &until),
            ]),
        }
    }
}
