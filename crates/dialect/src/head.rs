//! The head of a request: the few fields that the road reads, and where they stand.

use crate::json::Span;
use crate::needs::Needs;
use crate::task::{Task, Work};

/// What the road knows of a request without decoding it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The model asked for, in the application's words. Empty where the body names none,
    /// which is right where the path does.
    pub model: String,
    /// Whether `model` was named elsewhere, so that the body's own name is not it.
    pub model_elsewhere: bool,
    /// Where the value of `model` stands.
    pub model_span: Option<Span>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Whether the client asked for usage in the stream.
    pub stream_usage: bool,
    /// Where the object that switches usage on stands, if it does.
    pub stream_options_span: Option<Span>,
    /// What to put where, so that usage is reported in the stream; none where that is
    /// so already or the dialect has no switch.
    pub usage_switch: Option<(Span, &'static str)>,
    /// Most tokens of output that the client allows.
    pub max_output_tokens: Option<u64>,
    /// Where that number stands.
    pub max_output_tokens_span: Option<Span>,
    /// Where the limit goes that the client did not give, in a dialect that has a place for it apart
    /// from the top level: what it replaces, and what stands before and behind the number.
    pub limit_place: Option<(Span, &'static str, &'static str)>,
    /// The same limit under a second name, where the client said it twice: a provider
    /// may know only this one.
    pub second_limit: Option<(u64, Span)>,
    /// How many answers are wanted; 1 where nothing is said.
    pub candidates: u64,
    /// The service tier asked for, in the dialect's words; where the answer does not say which
    /// one served.
    pub service_tier: Option<String>,
    /// What the request asks of a target, as far as its top level tells.
    pub needs: Needs,
    /// The earlier answer that it goes on from, where that is all that it goes on from.
    pub previous: Option<String>,
    /// Whether the provider keeps the answer, so that it can be asked for by its id.
    pub stores: bool,
    /// How much a request of another task than chat asks for.
    pub work: Option<Box<Work>>,
    /// Offset just behind the brace that opens the request, or of a form's first boundary.
    pub body_start: usize,
}

impl Head {
    /// Takes the model's name from elsewhere than the body; it wins over the body's own.
    pub fn name_model(&mut self, model: String) {
        self.model = model;
        self.model_elsewhere = true;
    }

    /// What is asked for.
    #[must_use]
    pub fn task(&self) -> Task {
        self.work.as_ref().map_or(Task::Chat, |work| work.task)
    }

    /// Whether the answer is a stream for certain, so that its head may go out before it has begun:
    /// of other tasks some models stream whatever is asked, and some do not.
    #[must_use]
    pub fn begins_early(&self) -> bool {
        self.stream && matches!(self.task(), Task::Chat | Task::Complete)
    }

    /// Whether the body's own bytes name that model.
    pub(crate) fn says_model(&self, model: &str) -> bool {
        !self.model_elsewhere && self.model_span.is_some() && self.model == model
    }
}
