//! Writes the tools that a request offers, and which of them must be asked for.
//!
//! The API has no word for forbidding tools and wants those of past calls declared;
//! what is done about either is a reported loss.

use std::collections::BTreeSet;

use super::encode::Writing;
use crate::bedrock_converse::wire::write::lose_extra;
use crate::bedrock_converse::wire::{spelled, write_cache};
use crate::chat::{PartKind, Tool, ToolChoice, ToolKind};
use crate::json::{Json, Writer};
use crate::loss::LossKind;

impl<'a> Writing<'a> {
    /// Writes the tools and the choice among them.
    pub(super) fn tools(&mut self, out: &mut Writer) {
        let request = self.request;
        let mut written = Vec::new();
        for (at, tool) in request.tools.iter().enumerate() {
            match &tool.kind {
                ToolKind::Hosted { .. } if !self.ours => {
                    let why = "only its own dialect has it";
                    self.losses
                        .functional(request.tool_place(at), LossKind::Dropped, why);
                }
                ToolKind::Hosted { .. } | ToolKind::Function { .. } => written.push((at, tool)),
            }
        }
        let called = if self.ours || !written.is_empty() {
            BTreeSet::new()
        } else {
            self.called()
        };
        if !called.is_empty() {
            let why = "tools that past turns called are declared";
            self.losses
                .tuning(self.request.words().tools, LossKind::Approximated, why);
        }
        let choice = self.choice(&mut written);
        let nothing = written.is_empty() && called.is_empty() && choice.is_none();
        if nothing && !request.extra.noted(spelled::TOOLS) {
            return;
        }
        out.key("toolConfig").object(|out| {
            let listed = self
                .shared("toolConfig")
                .is_none_or(|rest| !has(rest, "tools"));
            if !self.ours || !written.is_empty() || listed {
                out.key("tools").array(|out| {
                    for (at, tool) in &written {
                        self.tool(out, *at, tool);
                    }
                    called.iter().for_each(|name| write_undeclared(out, name));
                });
            }
            if let Some(choice) = choice {
                self.write_choice(out, choice);
            }
            self.write_rest(out, "toolConfig", &["toolChoice"]);
        });
    }

    /// Names of the tools that past turns called, which the API wants to know even where no
    /// tool is offered any more.
    fn called(&self) -> BTreeSet<&'a str> {
        let parts = self.request.messages.iter().flat_map(|m| &m.parts);
        let names = parts.filter_map(|part| match &part.kind {
            PartKind::ToolCall(call) => Some(call.name.as_str()),
            PartKind::Text(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolResult(_)
            | PartKind::Refusal(_)
            | PartKind::Opaque(_) => None,
        });
        names.collect()
    }

    /// The choice of a tool, as far as the API has a word for it. It has none for `none`: then no
    /// tool is offered, where no past turn used any.
    fn choice(&mut self, written: &mut Vec<(usize, &Tool)>) -> Option<&'a ToolChoice> {
        let request = self.request;
        if request.parallel_tool_calls == Some(false) {
            let why = "Converse cannot ask for one tool at a time";
            let path = request.words().parallel;
            self.losses.functional(path, LossKind::Dropped, why);
        }
        match &request.tool_choice {
            Some(ToolChoice::None) if written.is_empty() => None,
            Some(ToolChoice::None) if self.called().is_empty() => {
                written.clear();
                let why = "as none may be asked for, none is offered";
                self.losses
                    .tuning(self.request.words().tools, LossKind::Dropped, why);
                None
            }
            Some(ToolChoice::None) => {
                let why = "Converse cannot forbid tools that it is told of";
                self.losses
                    .functional(self.request.words().tool_choice, LossKind::Dropped, why);
                None
            }
            Some(ToolChoice::Other(_)) if !self.ours => {
                let why = "only its own dialect knows it";
                self.losses
                    .functional(self.request.words().tool_choice, LossKind::Dropped, why);
                None
            }
            Some(ToolChoice::Auto) if written.is_empty() && !self.ours => None,
            choice => choice.as_ref(),
        }
    }

    fn write_choice(&self, out: &mut Writer, choice: &ToolChoice) {
        let kind = match choice {
            ToolChoice::Auto => "auto",
            ToolChoice::Required => "any",
            ToolChoice::Tool(_) => "tool",
            ToolChoice::None => return,
            ToolChoice::Other(raw) => {
                out.key("toolChoice").json(raw);
                return;
            }
        };
        out.key("toolChoice").object(|out| {
            out.key(kind).object(|out| {
                if let ToolChoice::Tool(name) = choice {
                    out.key("name").string(name);
                }
                let kept = self.shared("toolConfig").map(Json::reader);
                // The text is valid, so reading stops early only where it is no object.
                let _ = kept.map(|mut kept| {
                    kept.object(|key, member| {
                        let value = member.json()?;
                        if key == "toolChoice" {
                            value.write_members(out, &[]);
                        }
                        Ok(())
                    })
                });
            });
        });
    }

    fn tool(&mut self, out: &mut Writer, at: usize, tool: &Tool) {
        match &tool.kind {
            ToolKind::Hosted { raw, .. } => {
                out.json(raw);
            }
            ToolKind::Function { .. } => {
                out.object(|out| {
                    out.key("toolSpec")
                        .object(|out| write_spec(out, tool, self.ours));
                });
            }
        }
        if let Some(marker) = &tool.cache {
            write_cache(out, marker, self.ours);
        }
        if !self.ours {
            lose_extra(self.losses, &self.request.tool_place(at), &tool.extra);
            if let Some(marker) = &tool.cache {
                let path = format!("{}.cache_control", self.request.tool_place(at));
                lose_extra(self.losses, &path, &marker.extra);
            }
        }
    }
}

/// Whether an object has a member of that name.
fn has(object: &Json, name: &str) -> bool {
    let mut found = false;
    // The text is valid, so reading stops early only where it is no object.
    let _ = object.reader().object(|key, member| {
        found |= key == name;
        member.skip().map(drop)
    });
    found
}

fn write_spec(out: &mut Writer, tool: &Tool, ours: bool) {
    let ToolKind::Function {
        name,
        description,
        parameters,
        strict,
    } = &tool.kind
    else {
        return;
    };
    out.key("name").string(name);
    let said = description.as_deref().filter(|d| ours || !d.is_empty());
    if let Some(description) = said {
        out.key("description").string(description);
    }
    if parameters.is_some() || !ours {
        out.key("inputSchema").object(|out| {
            out.key("json");
            match parameters {
                Some(schema) if ours => {
                    out.json(schema);
                }
                schema => write_schema(out, schema.as_ref()),
            }
        });
    }
    if let Some(strict) = strict.filter(|strict| *strict || ours) {
        out.key("strict").bool(strict);
    }
    if ours {
        tool.extra.write(out);
    }
}

/// Declares a tool of which only the name is known.
fn write_undeclared(out: &mut Writer, name: &str) {
    out.object(|out| {
        out.key("toolSpec").object(|out| {
            out.key("name").string(name);
            out.key("inputSchema").object(|out| {
                write_schema(out.key("json"), None);
            });
        });
    });
}

/// Writes a schema that says, as the models want it, that arguments are an object.
fn write_schema(out: &mut Writer, schema: Option<&Json>) {
    let Some(schema) = schema.filter(|schema| schema.text().starts_with('{')) else {
        out.raw(r#"{"type":"object","properties":{}}"#);
        return;
    };
    if has(schema, "type") {
        out.json(schema);
        return;
    }
    out.object(|out| {
        out.key("type").string("object");
        schema.write_members(out, &[]);
    });
}
