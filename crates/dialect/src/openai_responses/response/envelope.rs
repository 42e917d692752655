//! The envelope of an answer, whole and in streams, and how an answer ends.
//!
//! Members that repeat the request are written as they came from this dialect;
//! for another's answer those that clients need hold what is usual. The end
//! must never be told kinder than it was.

use super::super::failure;
use super::usage::write_usage;
use crate::chat::{Candidate, Extra, Finish, FinishReason, Usage};
use crate::codec::Broken;
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};
use crate::openai_responses::wire::{TIERS, spelled, text};

/// The status of an answer that said all it wanted.
pub(crate) const COMPLETED: &str = "completed";
/// The status of an answer that a bound or a filter ended.
pub(crate) const INCOMPLETE: &str = "incomplete";

/// What an answer says of its end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Its `status`.
    pub(crate) status: String,
    /// Its `error`, where it is one.
    pub(crate) error: Option<Json>,
    /// Why it is incomplete.
    pub(crate) reason: Option<String>,
    /// What else stood beside that reason.
    rest: Extra,
    /// Whether `incomplete_details` were an object.
    detailed: bool,
}

impl Ending {
    /// Reads `incomplete_details`.
    pub(crate) fn details(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        self.detailed = true;
        reader.object(|key, member| {
            if key == "reason" && member.peek()? == Kind::String {
                self.reason = Some(text(member)?);
            } else {
                self.rest.push(key, member.json()?);
            }
            Ok(())
        })
    }

    /// Keeps what of the details the reason alone does not tell.
    pub(crate) fn keep(&self, extra: &mut Extra) {
        let told = self.status == INCOMPLETE && self.reason.is_some() && self.rest.is_empty();
        if self.detailed && !told {
            let whole = Json::written(|out| {
                out.object(|out| {
                    if let Some(reason) = &self.reason {
                        out.key("reason").string(reason);
                    }
                    self.rest.write(out);
                });
            });
            extra.push("incomplete_details", whole);
        }
    }

    /// What the provider says of a failure in place of an answer.
    pub(crate) fn failed(&self) -> Option<Broken> {
        let error = self.error.as_ref()?;
        let said = failure::reported(error);
        Some(Broken::new(format!(
            "the provider reported an error: {said}"
        )))
    }
}

/// Why an answer ended; `calls` is whether it asks for tools.
///
/// # Errors
/// [`Broken`] where it did not end, or ended by failing.
pub(crate) fn ending(end: &Ending, calls: bool) -> Result<Finish, Broken> {
    if let Some(failed) = end.failed() {
        return Err(failed);
    }
    let (reason, raw) = match end.status.as_str() {
        COMPLETED if calls => (FinishReason::ToolCalls, COMPLETED),
        COMPLETED => (FinishReason::Stop, COMPLETED),
        INCOMPLETE => match end.reason.as_deref() {
            Some(word @ "max_output_tokens") => (FinishReason::Length, word),
            Some(word @ "content_filter") => (FinishReason::ContentFilter, word),
            Some(word) if word != COMPLETED => (FinishReason::Other, word),
            Some(_) | None => (FinishReason::Other, INCOMPLETE),
        },
        "" => return Err(Broken::new("the answer has no status")),
        other => {
            let short = other.get(..other.floor_char_boundary(40));
            let short = short.unwrap_or_default();
            return Err(Broken::new(format!("the answer's status is `{short}`")));
        }
    };
    Ok(Finish {
        reason,
        raw: raw.to_owned(),
        stop_sequence: None,
        service_tier: None,
    })
}

/// The status for an end of any dialect, and the reason where it is incomplete.
pub(crate) fn status(finish: Option<&Finish>, ours: bool) -> (&'static str, Option<&str>) {
    let Some(finish) = finish else {
        return (COMPLETED, None);
    };
    if ours {
        return match finish.raw.as_str() {
            COMPLETED => (COMPLETED, None),
            INCOMPLETE => (INCOMPLETE, None),
            word => (INCOMPLETE, Some(word)),
        };
    }
    match finish.reason {
        FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::ToolCalls
        | FinishReason::Pause
        | FinishReason::Other => (COMPLETED, None),
        FinishReason::Length | FinishReason::ContextWindow => {
            (INCOMPLETE, Some("max_output_tokens"))
        }
        FinishReason::ContentFilter | FinishReason::Refusal => (INCOMPLETE, Some("content_filter")),
    }
}

/// What the status cannot tell of another dialect's end; `calls` is whether tools are asked for.
pub(crate) fn report_finish(finish: &Finish, calls: bool, losses: &mut Losses) {
    if finish.stop_sequence.is_some() {
        let why = "responses do not tell which stop text was met";
        losses.tuning("stop_sequence", LossKind::Dropped, why);
    }
    let told = match finish.reason {
        FinishReason::Stop => !calls,
        FinishReason::ToolCalls => calls,
        FinishReason::Length | FinishReason::ContentFilter => true,
        FinishReason::StopSequence
        | FinishReason::Pause
        | FinishReason::ContextWindow
        | FinishReason::Refusal
        | FinishReason::Other => false,
    };
    if !told {
        let why = "a response is completed, or cut short by a bound or a filter";
        losses.tuning("finish_reason", LossKind::Approximated, why);
    }
}

/// Names the answers that have no place here.
pub(crate) fn candidates_but_the_first<'a>(
    others: impl Iterator<Item = &'a Candidate>,
    losses: &mut Losses,
) {
    for other in others {
        let path = format!("choices[{}]", other.index);
        losses.functional(path, LossKind::Dropped, "a response is one answer");
    }
}

/// What stands around an answer's output.
pub(crate) struct Envelope<'a> {
    pub(crate) id: &'a str,
    pub(crate) model: &'a str,
    pub(crate) created: Option<u64>,
    pub(crate) tier: Option<&'a str>,
    pub(crate) extra: &'a Extra,
    /// Whether the answer came from this dialect.
    pub(crate) ours: bool,
}

/// Members that are written from what the hub knows, and so not as extra ones.
const WRITTEN: [&str; 3] = ["status", "output", "service_tier"];

impl Envelope<'_> {
    /// Writes the answer while nothing of it was said.
    pub(crate) fn write_start(&self, out: &mut Writer) {
        out.object(|out| {
            self.head(out, "in_progress", "[]");
            out.key("usage").null();
            if let Some(tier) = self.known_tier() {
                out.key("service_tier").string(tier);
            }
            self.null(out, "error");
            self.null(out, "incomplete_details");
            self.rest(out, &Extra::default(), &["usage"]);
        });
    }

    /// Writes the answer that failed, with the error that `error` writes.
    pub(crate) fn write_failed(&self, out: &mut Writer, error: impl FnOnce(&mut Writer)) {
        out.object(|out| {
            self.head(out, "failed", "[]");
            out.key("usage").null();
            out.key("error");
            error(out);
            self.null(out, "incomplete_details");
            self.rest(out, &Extra::default(), &["usage", "error"]);
        });
    }

    /// Writes the whole answer: its output as a list of items, its usage, and why it ended
    /// with what else stood there.
    pub(crate) fn write_end(
        &self,
        out: &mut Writer,
        output: &str,
        usage: Option<&Usage>,
        (finish, last): (Option<&Finish>, &Extra),
    ) {
        let (status, reason) = status(finish, self.ours);
        out.object(|out| {
            self.head(out, status, output);
            match usage {
                Some(usage) => write_usage(out.key("usage"), usage, self.ours),
                None if self.ours
                    && (self.extra.get("usage").is_some()
                        || self.extra.noted(spelled::NO_USAGE)) => {}
                None => {
                    out.key("usage").null();
                }
            }
            let told = last.get("service_tier").filter(|_| self.ours);
            match (told, self.known_tier()) {
                (Some(told), _) => {
                    out.key("service_tier").json(told);
                }
                (None, Some(tier)) => {
                    out.key("service_tier").string(tier);
                }
                (None, None) => {}
            }
            self.null(out, "error");
            let detailed = self.ours
                && [self.extra, last].iter().any(|extra| {
                    extra
                        .get("incomplete_details")
                        .is_some_and(|d| !d.is_null())
                });
            let mut written: &[&str] = &[];
            match reason {
                Some(reason) if !detailed => {
                    written = &["incomplete_details"];
                    out.key("incomplete_details").object(|out| {
                        out.key("reason").string(reason);
                    });
                }
                Some(_) | None => self.null(out, "incomplete_details"),
            }
            self.rest(out, last, written);
        });
    }

    fn head(&self, out: &mut Writer, status: &str, output: &str) {
        out.key("id").string(self.id);
        if !(self.ours && self.extra.get("object").is_some()) {
            out.key("object").string("response");
        }
        if !(self.ours && self.extra.get("created_at").is_some()) {
            out.key("created_at")
                .number(self.created.unwrap_or_default());
        }
        out.key("status").string(status);
        out.key("model").string(self.model);
        out.key("output").raw(output);
    }

    /// The tier, where it has a word here; another provider's is none of the answer.
    fn known_tier(&self) -> Option<&str> {
        self.tier.filter(|tier| self.ours || TIERS.contains(tier))
    }

    /// Writes a member that is there to say that there is nothing to say.
    fn null(&self, out: &mut Writer, name: &str) {
        if !self.ours {
            out.key(name).null();
        }
    }

    fn rest(&self, out: &mut Writer, last: &Extra, written: &[&str]) {
        if self.ours {
            let told: Vec<&str> = last.iter().map(|(name, _)| name).collect();
            let told = [&WRITTEN, written, &told].concat();
            self.extra.write_but(out, &told);
            last.write_but(out, &[&WRITTEN, written].concat());
            return;
        }
        // What the client asked for is not known here, and its readers need the members.
        out.key("instructions").null();
        out.key("metadata").object(|_| ());
        out.key("parallel_tool_calls").bool(true);
        out.key("temperature").null();
        out.key("tool_choice").string("auto");
        out.key("tools").array(|_| ());
        out.key("top_p").null();
    }
}
