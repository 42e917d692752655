//! Vectors of Gemini's API: one content a path, or several by another.

use super::{Gemini, MODELS};
use crate::codec::Broken;
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};
use crate::task::Task;
use crate::task::vectors::{
    Purpose, Truncate, VectorAnswer, VectorCodec, VectorRequest, Words, foreign, read, whole, write,
};

/// What vectors are for, in Gemini's words; what stands further down is told apart by Gemini alone.
const PURPOSES: [(&str, Purpose); 8] = [
    ("RETRIEVAL_QUERY", Purpose::Query),
    ("RETRIEVAL_DOCUMENT", Purpose::Document),
    ("CLASSIFICATION", Purpose::Classification),
    ("CLUSTERING", Purpose::Clustering),
    ("SEMANTIC_SIMILARITY", Purpose::Other),
    ("QUESTION_ANSWERING", Purpose::Other),
    ("FACT_VERIFICATION", Purpose::Other),
    ("CODE_RETRIEVAL_QUERY", Purpose::Other),
];

impl VectorCodec for Gemini {
    fn decode_request(&self, task: Task, body: &[u8]) -> Result<VectorRequest, Invalid> {
        let mut request = VectorRequest {
            is_batch: task == Task::EmbedBatch,
            as_numbers: true,
            words: Words {
                purpose: "taskType",
                truncate: "autoTruncate",
            },
            ..VectorRequest::default()
        };
        let mut reader = Reader::new(body)?;
        if !request.is_batch {
            content(&mut request, &mut reader)?;
            reader.end()?;
            return Ok(request);
        }
        let mut first: Option<VectorRequest> = None;
        reader.object(|key, value| {
            if key != "requests" {
                value.skip()?;
                request.unknown.push((key.to_owned(), false));
                return Ok(());
            }
            value.array(|_, one| {
                let mut own = VectorRequest::default();
                content(&mut own, one)?;
                request.inputs.append(&mut own.inputs);
                match &first {
                    Some(first) if *first != own => Err(Invalid::new(
                        "contents with different settings cannot be asked of another maker together",
                    )),
                    Some(_) => Ok(()),
                    None => {
                        first = Some(own);
                        Ok(())
                    }
                }
            })
        })?;
        reader.end()?;
        if let Some(first) = first {
            request.dimensions = first.dimensions;
            request.purpose = first.purpose;
            request.truncate = first.truncate;
            request.unknown.extend(first.unknown);
        }
        Ok(request)
    }

    fn encode_request(
        &self,
        request: &VectorRequest,
        model: &str,
        losses: &mut Losses,
    ) -> Result<(Task, Vec<u8>), &'static str> {
        request.report_unknown(losses);
        request.report_truncate(losses);
        let mut out = Writer::default();
        let one = |out: &mut Writer, input: &str| {
            out.object(|out| {
                out.key("model").string(&format!("{MODELS}{model}"));
                out.key("content").object(|out| {
                    out.key("parts").array(|out| {
                        out.object(|out| {
                            out.key("text").string(input);
                        });
                    });
                });
                let word = PURPOSES
                    .iter()
                    .find(|(_, known)| Some(*known) == request.purpose);
                if let Some((word, _)) = word {
                    out.key("taskType").string(word);
                }
                if let Some(dimensions) = request.dimensions {
                    out.key("outputDimensionality").number(dimensions);
                }
            });
        };
        if request.purpose == Some(Purpose::Other) {
            let why = "near what Gemini calls SEMANTIC_SIMILARITY";
            losses.tuning(request.words.purpose, LossKind::Approximated, why);
        }
        if let [only] = request.inputs.as_slice() {
            one(&mut out, only);
            return Ok((Task::Embed, out.into_bytes()));
        }
        out.object(|out| {
            out.key("requests").array(|out| {
                for input in &request.inputs {
                    one(out, input);
                }
            });
        });
        Ok((Task::EmbedBatch, out.into_bytes()))
    }

    fn decode_answer(&self, body: &[u8]) -> Result<Vec<Vec<f32>>, Broken> {
        let mut vectors = Vec::new();
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| match key {
            "embedding" => {
                vectors.push(values(value)?);
                Ok(())
            }
            "embeddings" => value.array(|_, one| {
                vectors.push(values(one)?);
                Ok(())
            }),
            _ => value.skip().map(drop),
        })?;
        whole(vectors)
    }

    fn encode_answer(&self, answer: &VectorAnswer, request: &VectorRequest) -> Vec<u8> {
        let mut out = Writer::default();
        let one = |out: &mut Writer, vector: &[f32]| {
            out.object(|out| write(out.key("values"), vector));
        };
        out.object(|out| {
            if request.is_batch {
                out.key("embeddings").array(|out| {
                    for vector in &answer.vectors {
                        one(out, vector);
                    }
                });
            } else if let Some(vector) = answer.vectors.first() {
                one(out.key("embedding"), vector);
            }
            out.key("usageMetadata").object(|out| {
                out.key("promptTokenCount").number(answer.input_tokens);
            });
        });
        out.into_bytes()
    }
}

/// Reads one content and what is said of it.
fn content(request: &mut VectorRequest, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    reader.object(|key, value| {
        match (key, value.peek()?) {
            ("model", _) | (_, Kind::Null) => {
                value.skip()?;
            }
            ("content", _) => {
                let mut text = String::new();
                value.object(|key, value| {
                    if key != "parts" {
                        return value.skip().map(drop);
                    }
                    value.array(|_, part| {
                        part.object(|key, value| {
                            if key != "text" {
                                return Err(foreign("parts that are no text"));
                            }
                            text.push_str(&value.string()?);
                            Ok(())
                        })
                    })
                })?;
                request.inputs.push(text);
            }
            ("taskType", _) => {
                let word = value.string()?;
                let known = PURPOSES.iter().find(|(known, _)| *known == word);
                request.purpose = Some(known.map_or(Purpose::Other, |(_, purpose)| *purpose));
            }
            ("outputDimensionality", _) => request.dimensions = Some(value.u64()?),
            ("autoTruncate", _) => request.truncate = value.bool()?.then_some(Truncate::End),
            _ => {
                value.skip()?;
                request.unknown.push((key.to_owned(), false));
            }
        }
        Ok(())
    })
}

fn values(reader: &mut Reader<'_>) -> Result<Vec<f32>, Invalid> {
    let mut vector = Vec::new();
    reader.object(|key, value| {
        if key == "values" {
            vector = read(value)?;
            return Ok(());
        }
        value.skip().map(drop)
    })?;
    Ok(vector)
}
