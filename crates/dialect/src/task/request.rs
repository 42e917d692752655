//! What heads of all makers have in common: members that stand once, texts that are counted, the edits.

use crate::codec::Edits;
use crate::head::Head;
use crate::json::{Invalid, Json, Kind, Reader, Span};
use crate::patch::Patch;

use super::{Task, Work};

/// Most of anything that one request may ask for.
const COUNT_MAX: u64 = 1 << 20;

/// A head under way.
pub(super) struct Draft {
    pub(super) head: Head,
    pub(super) work: Work,
    seen: Vec<String>,
}

impl Draft {
    pub(super) fn new(task: Task) -> Self {
        Self {
            head: Head {
                candidates: 1,
                ..Head::default()
            },
            work: Work {
                task,
                ..Work::default()
            },
            seen: Vec::new(),
        }
    }

    /// Reads the members of a JSON body; those of `once` may stand there once.
    pub(super) fn json(
        &mut self,
        bytes: &[u8],
        once: &[&str],
        mut member: impl FnMut(&mut Self, &str, &mut Reader<'_>) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        let mut reader = Reader::new(bytes)?;
        self.head.body_start = reader.offset() + 1;
        reader.object(|key, value| {
            if once.contains(&key) {
                self.once(key)?;
            }
            member(self, key, value)
        })?;
        reader.end()
    }

    /// Notes a member that may stand here once.
    pub(super) fn once(&mut self, key: &str) -> Result<(), Invalid> {
        if self.has(key) {
            return Err(Invalid::new("this member stands here twice"));
        }
        self.seen.push(key.to_owned());
        Ok(())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.seen.iter().any(|seen| seen == key)
    }

    /// The head, if what must be there is.
    pub(super) fn finish(mut self, required: &[&str]) -> Result<Head, Invalid> {
        if let Some(missing) = required.iter().find(|name| !self.has(name)) {
            return Err(Invalid::new("field required").under(missing));
        }
        self.head.work = Some(Box::new(self.work));
        Ok(self.head)
    }

    /// Reads the model's name.
    pub(super) fn model(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        let span = reader.clone().skip()?;
        let model = reader.string()?;
        self.name(&model, span)
    }

    /// Takes the model's name from its place.
    pub(super) fn name(&mut self, model: &str, span: Span) -> Result<(), Invalid> {
        if model.is_empty() {
            return Err(Invalid::new("a model must be named"));
        }
        model.clone_into(&mut self.head.model);
        self.head.model_span = Some(span);
        Ok(())
    }
}

/// Reads a count from 1; none for `null`.
pub(super) fn count(reader: &mut Reader<'_>) -> Result<Option<u64>, Invalid> {
    if reader.null()? {
        return Ok(None);
    }
    counted(reader.u64()?).map(Some)
}

/// A count from 1 that is no absurd one.
pub(super) fn counted(count: u64) -> Result<u64, Invalid> {
    match count {
        1..=COUNT_MAX => Ok(count),
        _ => Err(Invalid::new(format!(
            "a number from 1 to {COUNT_MAX} was expected, not {count}"
        ))),
    }
}

/// Counts the texts of an input: one text, one list of token numbers, or a list of either.
pub(super) fn inputs(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    if reader.peek()? != Kind::Array {
        reader.string()?;
        return Ok(1);
    }
    let (mut many, mut numbers) = (0, 0);
    reader.array(|_, one| {
        match one.peek()? {
            Kind::Number => numbers += 1,
            Kind::String | Kind::Array | Kind::Object => many += 1,
            Kind::Null | Kind::Bool => {
                return Err(Invalid::new("a text or a list of numbers was expected"));
            }
        }
        one.skip().map(drop)
    })?;
    match (many, numbers) {
        (0, 0) => Err(Invalid::new("the list is empty")),
        (many, 0) => Ok(many),
        (0, _) => Ok(1),
        _ => Err(Invalid::new("texts and numbers stand in one list")),
    }
}

/// The edits that all makers have: the model's name, the switch for usage, the limit of the output.
pub(super) fn patch(head: &Head, work: &Work, edits: &Edits<'_>) -> Patch {
    let mut patch = Patch::default();
    let mut front = String::new();
    if !head.says_model(edits.model) {
        match &head.model_span {
            Some(span) => patch.replace(span.clone(), Json::string(edits.model).text()),
            None if work.model_spans.is_empty() => {
                front = format!(r#""model":{},"#, Json::string(edits.model).text());
            }
            None => {}
        }
    }
    for (span, before) in &work.model_spans {
        let name = format!("{before}{}", edits.model);
        patch.replace(span.clone(), Json::string(&name).text());
    }
    if let Some(most) = edits.max_output_tokens
        && head.max_output_tokens.is_none_or(|asked| asked > most)
    {
        match &head.max_output_tokens_span {
            Some(span) => patch.replace(span.clone(), most.to_string()),
            None => front.push_str(&format!(r#""max_tokens":{most},"#)),
        }
    }
    if edits.force_usage
        && head.stream
        && let Some((span, text)) = &head.usage_switch
    {
        if span.start == head.body_start {
            front.push_str(text);
        } else {
            patch.replace(span.clone(), *text);
        }
    }
    if !front.is_empty() {
        patch.replace(head.body_start..head.body_start, front);
    }
    patch
}
