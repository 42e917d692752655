//! Vectors of Amazon's Titan, one text a request, as Bedrock's `invoke` has them; for clients of other
//! dialects only.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>.

use std::borrow::Cow;

use super::answer::{enough, number, read as read_answer};
use super::vectors::{VectorAnswer, VectorCodec, VectorRequest, read, whole};
use super::{Content, Task, TaskCodec, Tasks, Work};
use crate::chat::Usage;
use crate::codec::{Broken, Edits, EventDecoder, Weighed, percent_encoded};
use crate::head::Head;
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::Losses;
use crate::patch::Patch;

/// Titan's vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Titan;

fn no_client() -> Invalid {
    Invalid::new("Titan's own requests are not read")
}

impl TaskCodec for Titan {
    fn tasks(&self) -> Tasks {
        Tasks::CHAT
    }

    fn head(&self, _: Task, _: Content<'_>) -> Result<Head, Invalid> {
        Err(no_client())
    }

    fn patch(&self, _: &Head, _: &Work, _: &Edits<'_>) -> Patch {
        Patch::default()
    }

    fn path(&self, _: Task, model: &str) -> Cow<'static, str> {
        format!("/model/{}/invoke", percent_encoded(model)).into()
    }

    fn weigh<'a>(&self, work: &Work, answer: Content<'a>) -> Result<Weighed<'a>, Broken> {
        let mut found = None;
        let weighed = read_answer(answer.bytes, |key, value, weighed| {
            match (key, value.peek()?) {
                ("embedding", Kind::Array) => {
                    value.skip()?;
                    found = Some(1);
                }
                ("inputTextTokenCount", Kind::Number) => {
                    weighed.usage = Some(Usage {
                        input: number(value)?,
                        ..Usage::default()
                    });
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        enough(found, "embedding", work.inputs)?;
        Ok(weighed)
    }

    fn decoder(&self, _: &Work, _: u64) -> Option<Box<dyn EventDecoder>> {
        None
    }

    fn vectors(&self) -> Option<&'static dyn VectorCodec> {
        Some(&Titan)
    }
}

impl VectorCodec for Titan {
    fn decode_request(&self, _: Task, _: &[u8]) -> Result<VectorRequest, Invalid> {
        Err(no_client())
    }

    fn encode_request(
        &self,
        request: &VectorRequest,
        model: &str,
        losses: &mut Losses,
    ) -> Result<(Task, Vec<u8>), &'static str> {
        let [input] = request.inputs.as_slice() else {
            return Err("it takes one text a request");
        };
        if !model.contains("titan-embed") {
            return Err("of Bedrock's models only Titan's make vectors here");
        }
        request.report_unknown(losses);
        request.report_purpose(losses);
        request.report_truncate(losses);
        let mut out = Writer::default();
        out.object(|out| {
            out.key("inputText").string(input);
            if let Some(dimensions) = request.dimensions {
                out.key("dimensions").number(dimensions);
            }
        });
        Ok((Task::Embed, out.into_bytes()))
    }

    fn decode_answer(&self, body: &[u8]) -> Result<Vec<Vec<f32>>, Broken> {
        let mut vectors = Vec::new();
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| {
            if key != "embedding" {
                return value.skip().map(drop);
            }
            vectors.push(read(value)?);
            Ok(())
        })?;
        whole(vectors)
    }

    fn encode_answer(&self, _: &VectorAnswer, _: &VectorRequest) -> Vec<u8> {
        Vec::new()
    }
}
