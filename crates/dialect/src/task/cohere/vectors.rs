//! Vectors of Cohere's API, which wants to know what they are for.

use super::Cohere;
use crate::codec::Broken;
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};
use crate::task::Task;
use crate::task::vectors::{
    Purpose, Truncate, VectorAnswer, VectorCodec, VectorRequest, Words, foreign, packed, read_all,
    whole, write,
};

/// What vectors are for, in Cohere's words.
const PURPOSES: [(&str, Purpose); 4] = [
    ("search_query", Purpose::Query),
    ("search_document", Purpose::Document),
    ("classification", Purpose::Classification),
    ("clustering", Purpose::Clustering),
];

/// Why a purpose is approximated that nobody said.
const UNSAID: &str = "not said, and Cohere must know it: taken for search_document";

impl VectorCodec for Cohere {
    fn decode_request(&self, _: Task, body: &[u8]) -> Result<VectorRequest, Invalid> {
        let mut request = VectorRequest {
            is_batch: true,
            // What Cohere does where nothing is said.
            truncate: Some(Truncate::End),
            words: Words {
                purpose: "input_type",
                truncate: "truncate",
            },
            ..VectorRequest::default()
        };
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| {
            match (key, value.peek()?) {
                ("model", _) | (_, Kind::Null) => {
                    value.skip()?;
                }
                ("texts", _) => value.array(|_, one| {
                    request.inputs.push(one.string()?.into_owned());
                    Ok(())
                })?,
                ("images" | "inputs", _) => return Err(foreign("images and mixed inputs")),
                ("input_type", _) => {
                    let word = value.string()?;
                    let known = PURPOSES.iter().find(|(known, _)| *known == word);
                    request.purpose = Some(known.map_or(Purpose::Other, |(_, purpose)| *purpose));
                }
                ("output_dimension", _) => request.dimensions = Some(value.u64()?),
                ("truncate", _) => {
                    request.truncate = match &*value.string()? {
                        "START" => Some(Truncate::Start),
                        "END" => Some(Truncate::End),
                        "NONE" => None,
                        _ => return Err(Invalid::new("NONE, START or END was expected")),
                    };
                }
                ("embedding_types", _) => value.array(|_, one| {
                    match &*one.string()? {
                        "float" => request.as_numbers = true,
                        "base64" => request.packed = true,
                        other => request
                            .unknown
                            .push((format!("embedding_types ({other})"), true)),
                    }
                    Ok(())
                })?,
                _ => {
                    value.skip()?;
                    request.unknown.push((key.to_owned(), false));
                }
            }
            Ok(())
        })?;
        reader.end()?;
        request.as_numbers |= !request.packed;
        Ok(request)
    }

    fn encode_request(
        &self,
        request: &VectorRequest,
        model: &str,
        losses: &mut Losses,
    ) -> Result<(Task, Vec<u8>), &'static str> {
        request.report_unknown(losses);
        let known = PURPOSES
            .iter()
            .find(|(_, known)| Some(*known) == request.purpose);
        if known.is_none() {
            // Where the client's words have no name for it, Cohere's says what is missing.
            let (path, why) = match (request.purpose, request.words.purpose) {
                (Some(_), path) => (path, "near what Cohere calls search_document"),
                (None, "") => ("input_type", UNSAID),
                (None, path) => (path, UNSAID),
            };
            losses.tuning(path, LossKind::Approximated, why);
        }
        let mut out = Writer::default();
        out.object(|out| {
            out.key("model").string(model);
            // It must be said; documents are what is stored most.
            let purpose = known.map_or("search_document", |(word, _)| *word);
            out.key("input_type").string(purpose);
            out.key("texts").array(|out| {
                for input in &request.inputs {
                    out.string(input);
                }
            });
            out.key("embedding_types").array(|out| {
                out.string("float");
            });
            if let Some(dimensions) = request.dimensions {
                out.key("output_dimension").number(dimensions);
            }
            out.key("truncate").string(match request.truncate {
                Some(Truncate::Start) => "START",
                Some(Truncate::End) => "END",
                None => "NONE",
            });
        });
        Ok((Task::Embed, out.into_bytes()))
    }

    fn decode_answer(&self, body: &[u8]) -> Result<Vec<Vec<f32>>, Broken> {
        let mut vectors = Vec::new();
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| {
            if key != "embeddings" || value.peek()? != Kind::Object {
                return value.skip().map(drop);
            }
            value.object(|key, value| {
                if key == "float" {
                    vectors = read_all(value)?;
                    return Ok(());
                }
                value.skip().map(drop)
            })
        })?;
        whole(vectors)
    }

    fn encode_answer(&self, answer: &VectorAnswer, request: &VectorRequest) -> Vec<u8> {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("id").string(&answer.id);
            out.key("texts").array(|out| {
                for input in &request.inputs {
                    out.string(input);
                }
            });
            out.key("embeddings").object(|out| {
                if request.as_numbers {
                    out.key("float").array(|out| {
                        for vector in &answer.vectors {
                            write(out, vector);
                        }
                    });
                }
                if request.packed {
                    out.key("base64").array(|out| {
                        for vector in &answer.vectors {
                            out.string(&packed(vector));
                        }
                    });
                }
            });
            out.key("meta").object(|out| {
                out.key("api_version").object(|out| {
                    out.key("version").string("2");
                });
                out.key("billed_units").object(|out| {
                    out.key("input_tokens").number(answer.input_tokens);
                });
            });
            out.key("response_type").string("embeddings_by_type");
        });
        out.into_bytes()
    }
}
