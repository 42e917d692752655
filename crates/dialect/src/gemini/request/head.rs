//! The head that the road reads of a request, and the edits it makes to it.
//!
//! One pass over the top level and `generationConfig` that builds nothing.

use super::resource;
use crate::codec::Edits;
use crate::gemini::wire::{names, text};
use crate::head::Head;
use crate::json::{Invalid, Json, Kind, Reader};
use crate::media::{Media, MediaSearch, MediaWords};
use crate::needs::Need;
use crate::patch::Patch;

/// Most answers that may be asked for at once.
const CANDIDATES: u64 = 128;

/// Members that the head reads, and which may therefore stand only once, in whatever case.
const ONCE: [&str; 13] = [
    "model",
    "contents",
    "tools",
    "serviceTier",
    "generationConfig",
    "maxOutputTokens",
    "candidateCount",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseLogprobs",
    "thinkingConfig",
    "systemInstruction",
];

/// Which of them stood already, a bit for each.
#[derive(Default)]
struct Seen(u16);

impl Seen {
    fn note(&mut self, name: &str) -> Result<(), Invalid> {
        let Some(place) = ONCE.iter().position(|known| *known == name) else {
            return Ok(());
        };
        if self.0 & (1 << place) != 0 {
            return Err(Invalid::new("this member stands here twice"));
        }
        self.0 |= 1 << place;
        Ok(())
    }
}

/// Reads the head.
pub(crate) fn head(body: &[u8]) -> Result<Head, Invalid> {
    let mut reader = Reader::new(body)?;
    let mut head = Head {
        stream_usage: true,
        candidates: 1,
        body_start: reader.offset() + 1,
        ..Head::default()
    };
    let (mut seen, mut asked) = (Seen::default(), false);
    reader.object(|key, member| {
        let key = names::plain(key);
        seen.note(key)?;
        match (key, member.peek()?) {
            ("model", Kind::String) => {
                head.model_span = Some(member.clone().skip()?);
                head.model = bare(&text(member)?).to_owned();
            }
            ("contents", Kind::Array | Kind::Object | Kind::String) => {
                asked = true;
                member.skip()?;
            }
            ("contents", _) => member.array(|_, _| Ok(()))?,
            ("tools", Kind::Array | Kind::Object) => tools(&mut head, member)?,
            ("serviceTier", Kind::Null) => member.skip().map(drop)?,
            ("serviceTier", _) => head.service_tier = Some(text(member)?),
            ("generationConfig", kind) => {
                let span = member.clone().skip()?;
                let inside = span.start + 1..span.start + 1;
                head.limit_place = Some((span, r#"{"maxOutputTokens":"#, "}"));
                if kind == Kind::Null {
                    return member.skip().map(drop);
                }
                member.object(|key, member| {
                    head.limit_place = Some((inside.clone(), r#""maxOutputTokens":"#, ","));
                    let key = names::plain(key);
                    seen.note(key)?;
                    config(&mut head, key, member)
                })?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if !asked {
        return Err(Invalid::new("field required").under("contents"));
    }
    Ok(head)
}

/// The model's name without the collection that it is in.
pub(super) fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

fn tools(head: &mut Head, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let needs = &mut head.needs;
    crate::gemini::wire::repeated(reader, |tool| {
        if tool.peek()? != Kind::Object {
            return tool.object(|_, _| Ok(()));
        }
        tool.object(|key, member| {
            needs.add(match names::plain(key) {
                "functionDeclarations" => Need::Tools,
                _ => Need::HostedTools,
            });
            member.skip().map(drop)
        })
    })
    .map(drop)
}

fn config(head: &mut Head, key: &str, member: &mut Reader<'_>) -> Result<(), Invalid> {
    if key == "maxOutputTokens" {
        head.max_output_tokens_span = Some(member.clone().skip()?);
    }
    if member.peek()? == Kind::Null {
        return member.skip().map(drop);
    }
    match (key, member.peek()?) {
        ("maxOutputTokens", _) => {
            head.max_output_tokens = Some(member.u64()?);
        }
        ("candidateCount", _) => {
            head.candidates = candidates(member)?;
            if head.candidates > 1 {
                head.needs.add(Need::Candidates);
            }
        }
        ("responseMimeType", Kind::String) => {
            if member.string()? == "application/json" {
                head.needs.add(Need::Json);
            }
        }
        ("responseSchema" | "responseJsonSchema", _) => {
            head.needs.add(Need::JsonSchema);
            member.skip()?;
        }
        ("responseLogprobs", Kind::Bool) => {
            if member.bool()? {
                head.needs.add(Need::Logprobs);
            }
        }
        ("thinkingConfig", Kind::Object) => {
            let mut off = false;
            member.object(|key, inner| {
                off |= names::plain(key) == "thinkingBudget" && inner.clone().raw()? == "0";
                inner.skip().map(drop)
            })?;
            if !off {
                head.needs.add(Need::Reasoning);
            }
        }
        _ => {
            member.skip()?;
        }
    }
    Ok(())
}

/// Reads how many answers are wanted.
pub(super) fn candidates(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    match reader.u64()? {
        n @ 1..=CANDIDATES => Ok(n),
        n => Err(Invalid::new(format!(
            "a number of answers from 1 to {CANDIDATES} was expected, not {n}"
        ))),
    }
}

/// The edits that make the client's own bytes right for a target of this dialect.
pub(crate) fn patch(head: &Head, edits: &Edits<'_>) -> Patch {
    let mut patch = Patch::default();
    if let Some(span) = &head.model_span
        && !head.says_model(edits.model)
    {
        patch.replace(span.clone(), Json::string(&resource(edits.model)).text());
    }
    let Some(most) = edits
        .max_output_tokens
        .filter(|most| head.max_output_tokens.is_none_or(|given| given > *most))
    else {
        return patch;
    };
    match (&head.max_output_tokens_span, &head.limit_place) {
        (Some(span), _) => patch.replace(span.clone(), most.to_string()),
        (None, Some((span, before, after))) => {
            patch.replace(span.clone(), format!("{before}{most}{after}"));
        }
        (None, None) => {
            let front = format!(r#""generationConfig":{{"maxOutputTokens":{most}}},"#);
            patch.replace(head.body_start..head.body_start, front);
        }
    }
    patch
}

// Words that stand in either case of the members' names.
static MEDIA: MediaSearch = MediaSearch::new(MediaWords {
    image: "\"inline",
    documents: &["\"inline"],
    each: 1,
    unbounded: &[
        ("\"fileUri\"", "a file that the provider fetches"),
        ("\"file_uri\"", "a file that the provider fetches"),
        ("\"cachedContent\"", "a context that the provider keeps"),
        ("\"cached_content\"", "a context that the provider keeps"),
        ("\"google", "a search that the provider runs"),
        ("\"urlContext\"", "a page that the provider fetches"),
        ("\"url_context\"", "a page that the provider fetches"),
        ("\"codeExecution\"", "code that the provider runs"),
        ("\"code_execution\"", "code that the provider runs"),
        ("\"fileSearch\"", "files that the provider searches"),
        ("\"file_search\"", "files that the provider searches"),
        ("\"retrieval\"", "a search that the provider runs"),
        ("\"enterpriseWebSearch\"", "a search that the provider runs"),
        (
            "\"enterprise_web_search\"",
            "a search that the provider runs",
        ),
    ],
});

/// Counts what of a request is not text.
pub(crate) fn media(body: &[u8]) -> Media {
    MEDIA.count(body)
}
