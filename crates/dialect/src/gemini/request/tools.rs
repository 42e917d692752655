//! Tools and which of them must be called.
//!
//! Google keeps functions in lists and hosted tools beside them, in one object or in
//! several; the first of each object is noted, so that the same ones are written again.

use super::encode::{Writing, keep_members, write_members};
use crate::chat::{Extra, Request, Tool, ToolChoice, ToolKind, given};
use crate::gemini::wire::write::lose_extra;
use crate::gemini::wire::{names, repeated, required, schema, spelled, text, with_asides};
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::LossKind;

/// The path of a mode that says more than the hub does.
pub(super) const VALIDATED: &str = "toolConfig.functionCallingConfig.mode";

/// Reads the tools; says whether one stood for a list.
pub(super) fn read_tools(reader: &mut Reader<'_>) -> Result<(Vec<Tool>, bool), Invalid> {
    let mut tools = Vec::new();
    let one = repeated(reader, |element| read_tool(element, &mut tools))?;
    Ok((tools, one))
}

/// Reads one object of tools: functions, hosted ones, or both.
fn read_tool(reader: &mut Reader<'_>, tools: &mut Vec<Tool>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let mut functions = Vec::new();
    let mut rest = Extra::default();
    let mut notes = Extra::default();
    reader.object(|key, member| {
        let plain = names::read(key, &mut notes);
        if plain == "functionDeclarations" && member.peek()? == Kind::Array {
            return member.array(|_, element| {
                functions.push(read_function(element)?);
                Ok(())
            });
        }
        rest.push(key, member.json()?);
        Ok(())
    })?;
    if functions.is_empty() && rest.is_empty() {
        tools.push(hosted(whole.json()?));
        return Ok(());
    }
    let before = tools.len();
    if let Some(first) = functions.first_mut()
        && notes.noted("function_declarations")
    {
        first.extra.note("function_declarations");
    }
    tools.append(&mut functions);
    tools.extend(rest.iter().map(|(name, value)| {
        hosted(Json::written(|out| {
            out.object(|out| {
                out.key(name).json(value);
            });
        }))
    }));
    if let Some(first) = tools.get_mut(before) {
        first.extra.note(spelled::FIRST);
    }
    Ok(())
}

fn hosted(raw: Json) -> Tool {
    let mut kind = String::new();
    // The value is an object, so the read cannot fail.
    let _ = raw.reader().object(|key, member| {
        if kind.is_empty() {
            key.clone_into(&mut kind);
        }
        member.skip().map(drop)
    });
    Tool {
        kind: ToolKind::Hosted { kind, raw },
        cache: None,
        extra: Extra::default(),
    }
}

fn read_function(reader: &mut Reader<'_>) -> Result<Tool, Invalid> {
    let (mut name, mut description, mut parameters) = (None, None, None);
    let mut extra = with_asides();
    reader.object(|key, member| {
        match names::read(key, &mut extra) {
            "name" => name = Some(text(member)?),
            "description" => description = given(member, &mut extra, key, text)?,
            "parametersJsonSchema" if parameters.is_none() && member.peek()? == Kind::Object => {
                parameters = Some(member.json()?);
            }
            "parameters" if parameters.is_none() && member.peek()? == Kind::Object => {
                parameters = Some(own_schema(member.json()?, "parameters", &mut extra));
            }
            other => extra.push(other, member.json()?),
        }
        Ok(())
    })?;
    Ok(Tool {
        kind: ToolKind::Function {
            name: required(name, "name")?,
            description,
            parameters,
            strict: None,
        },
        cache: None,
        extra,
    })
}

/// Google's schema as JSON Schema. Where that changes it, it is kept as it was, too.
pub(super) fn own_schema(raw: Json, name: &str, extra: &mut Extra) -> Json {
    extra.note(spelled::SCHEMA);
    let turned = schema::to_json_schema(&raw);
    extra.push(name, raw);
    turned
}

/// Reads `toolConfig`.
pub(super) fn read_choice(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut rest = Extra::default();
    reader.object(|key, member| {
        let notes = &mut request.extra;
        match (names::read(key, notes), member.peek()?) {
            ("functionCallingConfig", Kind::Object) => {
                request.tool_choice = Some(read_calling(member, notes)?);
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    request.extra.note(spelled::TOOL_CONFIG);
    keep_members(&mut request.extra, "toolConfig", &rest);
    Ok(())
}

fn read_calling(reader: &mut Reader<'_>, notes: &mut Extra) -> Result<ToolChoice, Invalid> {
    let mut whole = reader.clone();
    let (mut mode, mut allowed, mut others) = (None, None, false);
    let mut cases = Extra::default();
    reader.object(|key, member| {
        match (names::read(key, &mut cases), member.peek()?) {
            ("mode", Kind::String) => mode = Some(text(member)?),
            ("allowedFunctionNames", Kind::Array) => {
                let mut list = Vec::new();
                member.array(|_, name| {
                    list.push(text(name)?);
                    Ok(())
                })?;
                allowed = Some(list);
            }
            _ => {
                others = true;
                member.skip()?;
            }
        }
        Ok(())
    })?;
    let plain = !others && !cases.noted("allowed_function_names");
    Ok(match (mode.as_deref(), allowed.as_deref()) {
        (Some("AUTO"), None) if plain => ToolChoice::Auto,
        (Some(mode @ "VALIDATED"), None) if plain => {
            // The model decides, and what it calls fits the schema: the latter is named where lost.
            notes.push(VALIDATED, Json::string(mode));
            ToolChoice::Auto
        }
        (Some("NONE"), None) if plain => ToolChoice::None,
        (Some("ANY"), None) if plain => ToolChoice::Required,
        (Some("ANY"), Some([only])) if !others => {
            if cases.noted("allowed_function_names") {
                notes.note("allowed_function_names");
            }
            ToolChoice::Tool(only.clone())
        }
        _ => ToolChoice::Other(whole.json()?),
    })
}

/// Where a tool stands: a function in the list of its object, a hosted one beside that.
pub(crate) fn tool_place(request: &Request, at: usize) -> String {
    let mut places = (0usize, 0usize);
    for (index, tool) in request.tools.iter().enumerate().take(at + 1) {
        if index > 0 && tool.extra.noted(spelled::FIRST) {
            places = (places.0 + 1, 0);
        } else if index > 0 {
            places.1 += 1;
        }
    }
    let (object, function) = places;
    let object = match request.extra.noted(spelled::ONE_TOOL) {
        true => "tools".to_owned(),
        false => format!("tools[{object}]"),
    };
    match request.tools.get(at).map(|tool| &tool.kind) {
        Some(ToolKind::Function { .. }) => format!("{object}.functionDeclarations[{function}]"),
        Some(ToolKind::Hosted { kind, .. }) if !kind.is_empty() => format!("{object}.{kind}"),
        Some(ToolKind::Hosted { .. }) | None => object,
    }
}

impl Writing<'_> {
    /// Writes the tools; ours in the objects that they stood in, those of others in one list.
    pub(super) fn tools(&mut self, out: &mut Writer) {
        let request = self.request;
        if self.ours {
            let said = !request.tools.is_empty() || request.extra.noted(spelled::NO_TOOLS);
            let starts = |tool: &Tool| tool.extra.noted(spelled::FIRST);
            let groups = request.tools.chunk_by(|_, next| !starts(next));
            if request.extra.noted(spelled::ONE_TOOL) {
                out.key("tools");
                groups.for_each(|group| own_group(out, group));
            } else if said {
                out.key("tools").array(|out| {
                    groups.for_each(|group| own_group(out, group));
                });
            }
            self.choice(out);
            return;
        }
        let mut functions = Vec::new();
        for (at, tool) in request.tools.iter().enumerate() {
            if matches!(tool.kind, ToolKind::Function { .. }) {
                functions.push((at, tool));
                continue;
            }
            let why = "only its own dialect has it";
            self.losses
                .functional(request.tool_place(at), LossKind::Dropped, why);
        }
        if !functions.is_empty() {
            out.key("tools").array(|out| {
                out.object(|out| {
                    out.key("functionDeclarations").array(|out| {
                        functions
                            .iter()
                            .for_each(|(at, tool)| self.function(out, *at, tool));
                    });
                });
            });
            self.choice(out);
        } else if matches!(
            request.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Other(_))
        ) {
            let why = "there is no tool to call";
            self.losses
                .functional(self.request.words().tool_choice, LossKind::Dropped, why);
        }
    }

    fn function(&mut self, out: &mut Writer, at: usize, tool: &Tool) {
        write_function(out, tool, false);
        let path = self.request.tool_place(at);
        if let ToolKind::Function {
            strict: Some(true), ..
        } = tool.kind
        {
            let why = "followed as well as the model can";
            self.losses
                .tuning(format!("{path}.strict"), LossKind::Approximated, why);
        }
        if tool.cache.is_some() {
            self.lost(
                format!("{path}.cache_control"),
                "contents are cached by themselves",
            );
        }
        lose_extra(self.losses, &path, &tool.extra);
    }

    fn choice(&mut self, out: &mut Writer) {
        let request = self.request;
        if request.parallel_tool_calls == Some(false) {
            self.lost(
                self.request.words().parallel,
                "the API cannot switch it off",
            );
        }
        let notes = &request.extra;
        let (mode, name) = match &request.tool_choice {
            Some(ToolChoice::Auto) => ("AUTO", None),
            Some(ToolChoice::None) => ("NONE", None),
            Some(ToolChoice::Required) => ("ANY", None),
            Some(ToolChoice::Tool(name)) => ("ANY", Some(name)),
            Some(ToolChoice::Other(raw)) if self.ours => {
                return self.choose(out, |out| {
                    out.json(raw);
                });
            }
            Some(ToolChoice::Other(_)) => {
                let why = "only its own dialect knows it";
                self.losses
                    .functional(self.request.words().tool_choice, LossKind::Dropped, why);
                return;
            }
            None => {
                if self.ours && notes.noted(spelled::TOOL_CONFIG) {
                    out.key(names::write("toolConfig", notes))
                        .object(|out| write_members(out, notes, "toolConfig"));
                }
                return;
            }
        };
        self.choose(out, |out| {
            out.object(|out| {
                match notes.get(VALIDATED).filter(|_| self.ours) {
                    Some(whole) => out.key("mode").json(whole),
                    None => out.key("mode").string(mode),
                };
                if let Some(name) = name {
                    out.key(names::write("allowedFunctionNames", notes))
                        .array(|out| {
                            out.string(name);
                        });
                }
            });
        });
    }

    /// Writes `toolConfig` around what says which tools may be called.
    fn choose(&self, out: &mut Writer, calling: impl FnOnce(&mut Writer)) {
        let notes = &self.request.extra;
        out.key(names::write("toolConfig", notes)).object(|out| {
            calling(out.key(names::write("functionCallingConfig", notes)));
            if self.ours {
                write_members(out, notes, "toolConfig");
            }
        });
    }
}

/// Writes one of our own objects of tools.
fn own_group(out: &mut Writer, group: &[Tool]) {
    let is_function = |tool: &&Tool| matches!(tool.kind, ToolKind::Function { .. });
    let (functions, hosted): (Vec<&Tool>, Vec<&Tool>) = group.iter().partition(is_function);
    let raw = |tool: &Tool| match &tool.kind {
        ToolKind::Hosted { raw, .. } => Some(raw.clone()),
        ToolKind::Function { .. } => None,
    };
    if let ([], [only]) = (functions.as_slice(), hosted.as_slice()) {
        if let Some(raw) = raw(only) {
            out.json(&raw);
        }
        return;
    }
    out.object(|out| {
        if let Some(first) = functions.first() {
            out.key(names::write("functionDeclarations", &first.extra))
                .array(|out| {
                    functions
                        .iter()
                        .for_each(|tool| write_function(out, tool, true));
                });
        }
        for raw in hosted.iter().filter_map(|tool| raw(tool)) {
            raw.write_members(out, &[]);
        }
    });
}

fn write_function(out: &mut Writer, tool: &Tool, ours: bool) {
    let ToolKind::Function {
        name,
        description,
        parameters,
        ..
    } = &tool.kind
    else {
        return;
    };
    out.object(|out| {
        out.key("name").string(name);
        if let Some(description) = description {
            out.key("description").string(description);
        }
        let kept = ours && tool.extra.noted(spelled::SCHEMA);
        if let Some(schema) = parameters.as_ref().filter(|_| !kept) {
            let name = if ours {
                names::write("parametersJsonSchema", &tool.extra)
            } else {
                "parametersJsonSchema"
            };
            out.key(name).json(schema);
        }
        if ours {
            tool.extra.write(out);
        }
    });
}
