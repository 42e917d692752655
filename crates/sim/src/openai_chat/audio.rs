//! Sound: `…/audio/speech` from words, as bytes or as events;
//! `…/audio/transcriptions` and `…/audio/translations` from a form, whole in
//! several formats or streamed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::{model_of, pretty};
use crate::answer::{Usage, pieces};
use crate::ask::{Ask, Framing};
use crate::dialect::{Head, Job, Meter, Op, Refusal, type_error};
use crate::json::{put_value, text};
use crate::multipart::parts;
use crate::play::Tape;
use crate::task::{SOUND_BYTES, Speak, Task, seed_of, sound};
use crate::words;

/// Bytes of sound in one write.
const CHUNK: usize = 1_024;
const WORDS: usize = 24;

/// Reads a request for speech.
///
/// # Errors
/// What the provider would say.
pub(super) fn read_speech(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
    let mut ask = Ask {
        model: model_of(head, text(&body, "model"))?,
        stream: true,
        ..Ask::default()
    };
    let input = text(&body, "input").filter(|i| !i.is_empty());
    let input = input.ok_or_else(|| missing("input"))?;
    if body.get("voice").is_none() {
        return Err(missing("voice"));
    }
    ask.hear(input).map_err(Refusal::bad)?;
    input.clone_into(&mut ask.last_text);
    let media_type = match text(&body, "response_format").unwrap_or("mp3") {
        "mp3" => "audio/mpeg",
        "opus" => "audio/opus",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "pcm" => "audio/pcm",
        other => {
            return Err(Refusal::bad(format!("Invalid value: '{other}'. Supported values are: 'mp3', 'opus', 'aac', 'flac', 'wav', and 'pcm'.")).at("response_format"));
        }
    };
    if text(&body, "stream_format") != Some("sse") {
        ask.framing = Framing::Bytes;
    }
    ask.task = Task::Speak(Speak {
        media_type,
        bytes: input.len() * SOUND_BYTES,
    });
    Ok(ask)
}

/// Reads a form with sound to be written down.
///
/// # Errors
/// What the provider would say.
pub(super) fn read_form(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let mut ask = Ask {
        choices: 1,
        ..Ask::default()
    };
    let mut model = None;
    let mut format = "json".to_owned();
    let mut heard = false;
    for part in parts(head, body).map_err(Refusal::bad)? {
        match part.name.as_str() {
            "file" if part.file => {
                if part.data.is_empty() {
                    return Err(Refusal::bad(
                        "Audio file is too short. Minimum audio length is 0.1 seconds.",
                    ));
                }
                ask.attach(part.data.len());
                ask.seed = Some(words::hash(0, part.data));
                heard = true;
            }
            "model" => model = Some(part.text()),
            "response_format" => format = part.text(),
            "stream" => ask.stream = part.data == b"true",
            "prompt" => {
                ask.last_text = part.text();
                let prompt = ask.last_text.clone();
                ask.hear(&prompt).map_err(Refusal::bad)?;
            }
            _ => {}
        }
    }
    if !heard {
        return Err(missing("file"));
    }
    ask.model = model_of(head, model.as_deref())?;
    let known = ["json", "text", "srt", "verbose_json", "vtt"];
    if !known.contains(&format.as_str()) {
        return Err(Refusal::bad(format!("Invalid value: '{format}'. Supported values are: 'json', 'text', 'srt', 'verbose_json', and 'vtt'.")).at("response_format"));
    }
    // Only the newer models stream.
    ask.stream &= !ask.model.starts_with("whisper");
    ask.directive.words.get_or_insert(WORDS);
    ask.own = json!({ "format": format });
    Ok(ask)
}

fn missing(name: &str) -> Refusal {
    Refusal {
        code: Some("missing_required_parameter".to_owned()),
        ..Refusal::bad(format!("Missing required parameter: '{name}'.")).at(name)
    }
}

/// The content type of either.
pub(super) fn content_type(job: &Job<'_>) -> &'static str {
    if let (Task::Speak(speak), Framing::Bytes) = (&job.ask.task, job.ask.framing) {
        return speak.media_type;
    }
    if job.ask.stream {
        return "text/event-stream; charset=utf-8";
    }
    match format_of(job) {
        "text" | "srt" | "vtt" => "text/plain; charset=utf-8",
        _ => "application/json",
    }
}

fn format_of<'a>(job: &Job<'a>) -> &'a str {
    text(&job.ask.own, "format").unwrap_or("json")
}

/// Speech, a thousand bytes at a time.
pub(super) fn spoken(job: &Job<'_>) -> Tape {
    let mut tape = Tape::default();
    let Task::Speak(speak) = &job.ask.task else {
        return tape;
    };
    let all = sound(seed_of(&job.ask.last_text), speak.bytes);
    let tokens = job.answer.usage.output;
    let count = all.chunks(CHUNK).len() as u64;
    for (chunk, done) in all.chunks(CHUNK).zip(1_u64..) {
        if job.ask.framing == Framing::Bytes {
            tape.buf.put_slice(chunk);
        } else {
            let audio = STANDARD.encode(chunk);
            put_event(
                &mut tape,
                &json!({ "type": "speech.audio.delta", "audio": audio }),
            );
        }
        tape.mark(tokens * done / count.max(1), true);
    }
    if job.ask.framing == Framing::Sse {
        let mut event = json!({ "type": "speech.audio.done" });
        if let Some(fields) = event.as_object_mut().filter(|_| !job.usage_missing()) {
            fields.insert("usage".to_owned(), usage(job, 1));
        }
        put_event(&mut tape, &event);
        tape.mark(tokens, false);
    }
    tape
}

/// What was heard, whole.
pub(super) fn written(job: &Job<'_>) -> Tape {
    let words = heard(job);
    let body = match format_of(job) {
        "text" => BytesMut::from(format!("{words}\n").as_str()),
        "srt" => BytesMut::from(format!("1\n00:00:00,000 --> 00:00:04,000\n{words}\n\n").as_str()),
        "vtt" => {
            BytesMut::from(format!("WEBVTT\n\n00:00:00.000 --> 00:00:04.000\n{words}\n\n").as_str())
        }
        format => {
            let mut out = json!({ "text": words });
            if let Some(fields) = out.as_object_mut() {
                if format == "verbose_json" {
                    let task = if *job.op == Op::Translate {
                        "translate"
                    } else {
                        "transcribe"
                    };
                    fields.insert("task".to_owned(), json!(task));
                    fields.insert("language".to_owned(), json!("english"));
                    fields.insert("duration".to_owned(), json!(4.0));
                    fields.insert("segments".to_owned(), json!([segment(words)]));
                }
                if !job.usage_missing() && *job.op == Op::Transcribe {
                    fields.insert("usage".to_owned(), told(job));
                }
            }
            BytesMut::from(pretty(&out))
        }
    };
    let mut tape = Tape {
        buf: body,
        ..Tape::default()
    };
    tape.mark(job.answer.usage.output, true);
    tape
}

/// What was heard, as it is heard.
pub(super) fn dictated(job: &Job<'_>) -> Tape {
    let mut tape = Tape::default();
    let mut meter = Meter::default();
    let words = heard(job);
    for piece in pieces(job.ask, words) {
        meter.more(piece);
        put_event(
            &mut tape,
            &json!({ "type": "transcript.text.delta", "delta": piece }),
        );
        tape.mark(meter.now(), true);
    }
    let times = if job.usage_shrinks() { 2 } else { 1 };
    for share in 1..=times {
        let mut event = json!({ "type": "transcript.text.done", "text": words });
        if let Some(fields) = event.as_object_mut().filter(|_| !job.usage_missing()) {
            fields.insert("usage".to_owned(), usage(job, share));
        }
        put_event(&mut tape, &event);
        tape.mark(meter.now(), false);
    }
    tape
}

fn heard<'a>(job: &Job<'a>) -> &'a str {
    let choice = job.answer.choices.first();
    choice.map_or("", |c| c.refusal.as_deref().unwrap_or(&c.text))
}

fn segment(words: &str) -> Value {
    json!({
        "id": 0, "seek": 0, "start": 0.0, "end": 4.0, "text": words, "tokens": [1, 2, 3],
        "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.0, "no_speech_prob": 0.01,
    })
}

fn put_event(tape: &mut Tape, event: &Value) {
    tape.buf.put_slice(b"data: ");
    put_value(&mut tape.buf, event);
    tape.buf.put_slice(b"\n\n");
}

/// The older models count seconds, the newer tokens.
fn told(job: &Job<'_>) -> Value {
    if job.ask.model.starts_with("whisper") {
        return json!({ "type": "duration", "seconds": job.told(4) });
    }
    usage(job, 1)
}

fn usage(job: &Job<'_>, share: u64) -> Value {
    let Usage {
        input,
        cached,
        output,
        ..
    } = job.answer.usage;
    let (input, output) = (job.told(input + cached), job.told(output / share.max(1)));
    json!({
        "type": "tokens",
        "input_tokens": input,
        "input_token_details": { "text_tokens": 0, "audio_tokens": input },
        "output_tokens": output,
        "total_tokens": input.saturating_add(output),
    })
}
