//! Vectors of OpenAI's API. It packs them where `encoding_format` says so.

use super::OpenAi;
use crate::codec::Broken;
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::Losses;
use crate::task::Task;
use crate::task::vectors::{
    VectorAnswer, VectorCodec, VectorRequest, foreign, packed, read, whole, write,
};

impl VectorCodec for OpenAi {
    fn decode_request(&self, _: Task, body: &[u8]) -> Result<VectorRequest, Invalid> {
        let mut request = VectorRequest {
            is_batch: true,
            as_numbers: true,
            ..VectorRequest::default()
        };
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| {
            match (key, value.peek()?) {
                ("model", _) | (_, Kind::Null) => {
                    value.skip()?;
                }
                ("input", Kind::String) => request.inputs.push(value.string()?.into_owned()),
                ("input", _) => value.array(|_, one| {
                    if one.peek()? != Kind::String {
                        return Err(foreign("token numbers"));
                    }
                    request.inputs.push(one.string()?.into_owned());
                    Ok(())
                })?,
                ("dimensions", _) => request.dimensions = Some(value.u64()?),
                ("encoding_format", _) => {
                    request.packed = match &*value.string()? {
                        "base64" => true,
                        "float" => false,
                        _ => return Err(Invalid::new("`float` or `base64` was expected")),
                    };
                    request.as_numbers = !request.packed;
                }
                _ => {
                    value.skip()?;
                    request.unknown.push((key.to_owned(), false));
                }
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(request)
    }

    fn encode_request(
        &self,
        request: &VectorRequest,
        model: &str,
        losses: &mut Losses,
    ) -> Result<(Task, Vec<u8>), &'static str> {
        request.report_unknown(losses);
        request.report_purpose(losses);
        request.report_truncate(losses);
        let mut out = Writer::default();
        out.object(|out| {
            out.key("model").string(model);
            out.key("input").array(|out| {
                for input in &request.inputs {
                    out.string(input);
                }
            });
            out.key("encoding_format").string("float");
            if let Some(dimensions) = request.dimensions {
                out.key("dimensions").number(dimensions);
            }
        });
        Ok((Task::Embed, out.into_bytes()))
    }

    fn decode_answer(&self, body: &[u8]) -> Result<Vec<Vec<f32>>, Broken> {
        let mut vectors: Vec<(u64, Vec<f32>)> = Vec::new();
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| {
            if key != "data" {
                return value.skip().map(drop);
            }
            value.array(|at, one| {
                let (mut index, mut vector) = (at as u64, Vec::new());
                one.object(|key, value| {
                    match key {
                        "index" => index = value.u64()?,
                        "embedding" => vector = read(value)?,
                        _ => {
                            value.skip()?;
                        }
                    }
                    Ok(())
                })?;
                vectors.push((index, vector));
                Ok(())
            })
        })?;
        vectors.sort_by_key(|(index, _)| *index);
        if vectors
            .iter()
            .zip(0..)
            .any(|((index, _), due)| *index != due)
        {
            return Err(Broken::new(
                "the vectors are not numbered from 0 on, each once",
            ));
        }
        whole(vectors.into_iter().map(|(_, vector)| vector).collect())
    }

    fn encode_answer(&self, answer: &VectorAnswer, request: &VectorRequest) -> Vec<u8> {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("object").string("list");
            out.key("data").array(|out| {
                for (index, vector) in answer.vectors.iter().enumerate() {
                    out.object(|out| {
                        out.key("object").string("embedding");
                        out.key("index").number(index);
                        out.key("embedding");
                        if request.packed {
                            out.string(&packed(vector));
                        } else {
                            write(out, vector);
                        }
                    });
                }
            });
            out.key("model").string(&answer.model);
            out.key("usage").object(|out| {
                out.key("prompt_tokens").number(answer.input_tokens);
                out.key("total_tokens").number(answer.input_tokens);
            });
        });
        out.into_bytes()
    }
}
