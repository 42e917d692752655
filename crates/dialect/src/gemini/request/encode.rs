//! Writes a request for a provider: all but its turns, its tools and `generationConfig`.
//!
//! What came from this dialect is written as it was read. What came from another is
//! fitted to the API's rules; each step that changes something is a reported loss, and
//! nothing may be left out without one.

use super::resource;
use super::tools::VALIDATED;
use crate::chat::{Extra, Request, Role};
use crate::codec::TargetModel;
use crate::gemini::wire::write::idle;
use crate::gemini::wire::{OWN, names, spelled};
use crate::json::Writer;
use crate::loss::{LossKind, Losses};

/// Writes a request for a provider.
pub(crate) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let before = losses.as_slice().len();
    let mut writing = Writing {
        request,
        ours: request.origin == OWN,
        losses,
    };
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        if writing.ours && request.extra.noted(spelled::MODEL) {
            out.key("model").string(&resource(target.model));
        }
        writing.turns(out);
        writing.tools(out);
        writing.config(out);
        writing.rest(out);
    });
    losses.tell_in(request.words(), before);
    out.into_bytes()
}

/// A request on its way out.
pub(super) struct Writing<'a> {
    pub(super) request: &'a Request,
    /// Whether it came from this dialect.
    pub(super) ours: bool,
    pub(super) losses: &'a mut Losses,
}

/// Where what the hub has no word for of how functions are called is kept.
const CALLING: &str = "functionCallingConfig";

/// Members of which the hub understands a part; each of their others is kept under its path.
const SHARED: [&str; 3] = ["toolConfig", CALLING, "generationConfig"];

impl Writing<'_> {
    pub(super) fn lost(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.tuning(path, LossKind::Dropped, why);
    }

    fn rest(&mut self, out: &mut Writer) {
        let request = self.request;
        let extra = &request.extra;
        if self.ours {
            if let Some(tier) = &request.service_tier {
                out.key(names::write("serviceTier", extra)).string(tier);
            }
            for (name, value) in extra.iter() {
                let inner = |shared: &&str| member_of(name, shared).is_some();
                if SHARED.iter().any(inner) {
                    continue;
                }
                out.key(written(name, extra)).json(value);
            }
            return;
        }
        match request.service_tier.as_deref() {
            Some("flex") => {
                out.key("serviceTier").string("flex");
            }
            Some("priority") => {
                out.key("serviceTier").string("priority");
            }
            Some("default" | "standard_only" | "standard") => {
                out.key("serviceTier").string("standard");
            }
            Some(_) => self.lost(
                self.request.words().service_tier,
                "the word means nothing here",
            ),
            None => {}
        }
        if request.user.is_some() {
            self.lost(self.request.words().user, "the API names no user");
        }
        for (name, value) in extra.said() {
            if idle(value) {
                continue;
            }
            let why = "contents have no such field";
            if extra.is_weighty(name) {
                self.losses.functional(name, LossKind::Dropped, why);
            } else {
                self.lost(name, why);
            }
        }
    }

    /// Whether a message holds instructions.
    pub(super) fn instructs(role: Role) -> bool {
        matches!(role, Role::System | Role::Developer)
    }
}

/// Keeps what else stood in an object that is understood in part, each member under its path.
pub(super) fn keep_members(extra: &mut Extra, under: &str, rest: &Extra) {
    for (name, value) in rest.iter() {
        extra.push(&format!("{under}.{name}"), value.clone());
    }
}

/// Writes what was kept so as members of the object being written.
pub(super) fn write_members(out: &mut Writer, extra: &Extra, under: &str) {
    for (name, value) in extra.iter().filter(|(name, _)| *name != VALIDATED) {
        if let Some(member) = member_of(name, under) {
            out.key(written(member, extra)).json(value);
        }
    }
}

/// The member's name, where the path leads into that object.
pub(super) fn member_of<'n>(path: &'n str, under: &str) -> Option<&'n str> {
    path.strip_prefix(under)?.strip_prefix('.')
}

/// A member's name as it was written at the top of the request.
fn written<'n>(name: &'n str, notes: &Extra) -> &'n str {
    match name {
        "cachedContent" => names::write("cachedContent", notes),
        "safetySettings" => names::write("safetySettings", notes),
        "systemInstruction" => names::write("systemInstruction", notes),
        "toolConfig" => names::write("toolConfig", notes),
        "generationConfig" => names::write("generationConfig", notes),
        "serviceTier" => names::write("serviceTier", notes),
        "responseMimeType" => names::write("responseMimeType", notes),
        "responseSchema" => names::write("responseSchema", notes),
        "responseJsonSchema" => names::write("responseJsonSchema", notes),
        "responseModalities" => names::write("responseModalities", notes),
        "speechConfig" => names::write("speechConfig", notes),
        "mediaResolution" => names::write("mediaResolution", notes),
        other => other,
    }
}
