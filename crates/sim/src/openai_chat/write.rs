//! Writing chat completions, whole and streamed, in the provider's field order.
//!
//! Chunks are written by hand, since a benchmark's answer is mostly chunks.
//! Whole answers are indented JSON, as the provider sends them.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::pretty;
use crate::answer::{Answer, Call, Choice, Finish, Usage, pieces};
use crate::ask::{Ask, Thinking};
use crate::dialect::{Job, Meter};
use crate::json::{put_escaped, put_int, put_str, put_value};
use crate::play::Tape;
use crate::words::Rng;

const FINGERPRINT: &str = "fp_5105ca1e00";
const PADDING: &str = "aB3dE7gH1jK9mN5p";
/// Bytes of tool arguments in one chunk.
const FRAGMENT: usize = 7;

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let id = job.rng().id("chatcmpl-", 29);
    let choices = job.answer.choices.iter().zip(0..);
    let out = Completion {
        id: &id,
        object: "chat.completion",
        created: job.created,
        model: &job.ask.model,
        choices: choices
            .map(|(choice, index)| choice_out(job, choice, index))
            .collect(),
        usage: (!job.usage_missing()).then(|| UsageOut::new(job, 1)),
        service_tier: "default",
        system_fingerprint: FINGERPRINT,
    };
    let mut tape = Tape {
        buf: BytesMut::from(pretty(&out)),
        ..Tape::default()
    };
    tape.mark(job.answer.usage.output, true);
    tape
}

/// A streamed answer.
pub(super) fn stream(job: &Job<'_>) -> Tape {
    let mut tapes = Vec::new();
    for (choice, index) in job.answer.choices.iter().zip(0..) {
        let mut chunks = Chunks::new(job, index);
        chunks.choice(job.answer, choice);
        tapes.push(chunks.tape);
    }
    let mut tape = if tapes.len() == 1 {
        tapes.pop().unwrap_or_default()
    } else {
        woven(&tapes)
    };
    let tokens = job.answer.usage.output;
    let times = if job.usage_shrinks() { 2 } else { 1 };
    if job.ask.include_usage && !job.usage_missing() {
        for share in 1..=times {
            let mut chunks = Chunks::new(job, 0);
            chunks.usage(&UsageOut::new(job, share));
            tape.buf.put_slice(&chunks.tape.buf);
            tape.mark(tokens, false);
        }
    }
    tape.buf.put_slice(b"data: [DONE]\n\n");
    tape.mark(tokens, false);
    tape
}

/// The chunks of all choices, one of each in turn.
fn woven(tapes: &[Tape]) -> Tape {
    let mut out = Tape::default();
    let mut tokens: Vec<u64> = vec![0; tapes.len()];
    let longest = tapes.iter().map(|t| t.marks.len()).max().unwrap_or(0);
    for at in 0..longest {
        for (tape, spent) in tapes.iter().zip(0..) {
            let Some(mark) = tape.marks.get(at) else {
                continue;
            };
            let from = at
                .checked_sub(1)
                .and_then(|i| tape.marks.get(i))
                .map_or(0, |m| m.end);
            out.buf
                .put_slice(tape.buf.get(from..mark.end).unwrap_or_default());
            if let Some(own) = tokens.get_mut(spent) {
                *own = mark.tokens;
            }
            out.mark(tokens.iter().sum(), mark.content);
        }
    }
    out
}

/// Writes the chunks of one choice.
struct Chunks<'a> {
    job: &'a Job<'a>,
    ask: &'a Ask,
    tape: Tape,
    meter: Meter,
    index: u64,
    head: BytesMut,
    other_id: Option<BytesMut>,
}

impl<'a> Chunks<'a> {
    fn new(job: &'a Job<'_>, index: u64) -> Chunks<'a> {
        let mut rng = job.rng();
        let head = chunk_head(job, &rng.id("chatcmpl-", 29));
        let other_id = job
            .wrong_id
            .then(|| chunk_head(job, &rng.id("chatcmpl-", 29)));
        Chunks {
            job,
            ask: job.ask,
            tape: Tape::default(),
            meter: Meter::default(),
            index,
            head,
            other_id,
        }
    }

    fn choice(&mut self, answer: &Answer, choice: &Choice) {
        let shown = self.index == 0 && self.ask.thinking == Thinking::Shown;
        self.role(choice, shown);
        if shown {
            for piece in pieces(self.ask, answer.thinking.as_deref().unwrap_or_default()) {
                let tokens = self.meter.more(piece);
                self.text("reasoning_content", piece, tokens);
            }
            self.meter.next();
        } else if self.index == 0 {
            self.meter.hidden(answer.usage.reasoning);
        }
        for piece in pieces(self.ask, &choice.text) {
            let tokens = self.meter.more(piece);
            self.text("content", piece, tokens);
        }
        self.meter.next();
        for (call, at) in choice.calls.iter().zip(0..) {
            self.call(call, at);
        }
        for piece in pieces(self.ask, choice.refusal.as_deref().unwrap_or_default()) {
            let tokens = self.meter.more(piece);
            self.text("refusal", piece, tokens);
        }
        self.open();
        self.tape.buf.put_slice(b"{}");
        self.close(Some(finish_word(&choice.finish)), None);
        self.tape.mark(self.meter.now(), false);
    }

    fn role(&mut self, choice: &Choice, shown: bool) {
        self.open();
        let content: &[u8] = if choice.calls.is_empty() || !choice.text.is_empty() {
            b"\"\""
        } else {
            b"null"
        };
        self.tape
            .buf
            .put_slice(b"{\"role\":\"assistant\",\"content\":");
        self.tape.buf.put_slice(content);
        let rest: &[u8] = if shown {
            b",\"reasoning_content\":\"\"}"
        } else {
            b",\"refusal\":null}"
        };
        self.tape.buf.put_slice(rest);
        self.close(None, None);
        self.tape.mark(0, false);
    }

    fn text(&mut self, field: &str, piece: &str, tokens: u64) {
        self.open();
        self.tape.buf.put_slice(b"{\"");
        self.tape.buf.put_slice(field.as_bytes());
        self.tape.buf.put_slice(b"\":\"");
        put_escaped(&mut self.tape.buf, piece);
        self.tape.buf.put_slice(b"\"}");
        let logged = (field == "content").then_some(self.ask.logprobs).flatten();
        let logprobs = logged.map(|top| logprobs(std::iter::once(piece), top));
        self.close(None, logprobs.as_ref());
        self.tape.mark(tokens, true);
    }

    fn call(&mut self, call: &Call, at: u64) {
        let tokens = self.meter.more(&call.name);
        self.open();
        self.tape.buf.put_slice(b"{\"tool_calls\":[{\"index\":");
        put_int(&mut self.tape.buf, at);
        self.tape.buf.put_slice(b",\"id\":");
        put_str(&mut self.tape.buf, &call_id(self.job, call));
        self.tape
            .buf
            .put_slice(b",\"type\":\"function\",\"function\":{\"name\":");
        put_str(&mut self.tape.buf, &call.name);
        self.tape.buf.put_slice(b",\"arguments\":\"\"}}]}");
        self.close(None, None);
        self.tape.mark(tokens, true);
        self.meter.next();
        let mut rest = call.arguments.as_str();
        while !rest.is_empty() {
            let end = rest.ceil_char_boundary(FRAGMENT.min(rest.len()));
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            let tokens = self.meter.more(piece);
            self.open();
            self.tape.buf.put_slice(b"{\"tool_calls\":[{\"index\":");
            put_int(&mut self.tape.buf, at);
            self.tape.buf.put_slice(b",\"function\":{\"arguments\":");
            put_str(&mut self.tape.buf, piece);
            self.tape.buf.put_slice(b"}}]}");
            self.close(None, None);
            self.tape.mark(tokens, true);
        }
        self.meter.next();
    }

    fn usage(&mut self, usage: &UsageOut) {
        self.tape.buf.put_slice(&self.head);
        self.tape.buf.put_slice(b"],\"usage\":");
        put_value(&mut self.tape.buf, usage);
        self.pad();
    }

    /// Everything before the delta.
    fn open(&mut self) {
        let other = self.other_id.as_ref().filter(|_| self.tape.marks.len() > 2);
        self.tape.buf.put_slice(other.unwrap_or(&self.head));
        self.tape.buf.put_slice(b"{\"index\":");
        put_int(&mut self.tape.buf, self.index);
        self.tape.buf.put_slice(b",\"delta\":");
    }

    /// Everything behind the delta.
    fn close(&mut self, finish: Option<&str>, logprobs: Option<&Logprobs<'_>>) {
        self.tape.buf.put_slice(b",\"logprobs\":");
        match logprobs {
            Some(logged) => put_value(&mut self.tape.buf, logged),
            None => self.tape.buf.put_slice(b"null"),
        }
        self.tape.buf.put_slice(b",\"finish_reason\":");
        match finish {
            Some(word) => put_str(&mut self.tape.buf, word),
            None => self.tape.buf.put_slice(b"null"),
        }
        self.tape.buf.put_slice(b"}]");
        if self.ask.include_usage {
            self.tape.buf.put_slice(b",\"usage\":null");
        }
        self.pad();
    }

    fn pad(&mut self) {
        if self.ask.obfuscate {
            let len = self.tape.marks.len() * 5 % PADDING.len() + 1;
            self.tape.buf.put_slice(b",\"obfuscation\":");
            put_str(&mut self.tape.buf, PADDING.get(..len).unwrap_or(PADDING));
        }
        self.tape.buf.put_slice(b"}\n\n");
    }
}

fn chunk_head(job: &Job<'_>, id: &str) -> BytesMut {
    let mut out = BytesMut::from("data: {\"id\":");
    put_str(&mut out, id);
    out.put_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
    put_int(&mut out, job.created);
    out.put_slice(b",\"model\":");
    put_str(&mut out, &job.ask.model);
    out.put_slice(b",\"service_tier\":\"default\",\"system_fingerprint\":");
    put_str(&mut out, FINGERPRINT);
    out.put_slice(b",\"choices\":[");
    out
}

fn choice_out<'a>(job: &'a Job<'_>, choice: &'a Choice, index: u64) -> ChoiceOut<'a> {
    let silent = choice.text.is_empty() && (!choice.calls.is_empty() || choice.refusal.is_some());
    let shown = index == 0 && job.ask.thinking == Thinking::Shown;
    let calls = choice.calls.iter().map(|call| CallOut {
        id: call_id(job, call),
        kind: "function",
        function: FunctionOut {
            name: &call.name,
            arguments: &call.arguments,
        },
    });
    ChoiceOut {
        index,
        message: MessageOut {
            role: "assistant",
            content: (!silent).then_some(choice.text.as_str()),
            reasoning_content: job.answer.thinking.as_deref().filter(|_| shown),
            tool_calls: calls.collect(),
            refusal: choice.refusal.as_deref(),
            annotations: [],
        },
        logprobs: job
            .ask
            .logprobs
            .map(|top| logprobs(pieces(job.ask, &choice.text), top)),
        finish_reason: finish_word(&choice.finish),
    }
}

fn call_id(job: &Job<'_>, call: &Call) -> String {
    Rng::new(call.id ^ job.ids).id("call_", 24)
}

fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Natural | Finish::Stop(_) | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

fn logprobs<'t>(pieces: impl Iterator<Item = &'t str>, top: u64) -> Logprobs<'t> {
    let entry = |token: &'t str| TopLogprob {
        token,
        logprob: -0.25,
        bytes: token.as_bytes(),
    };
    let content = pieces.map(|token| TokenLogprob {
        own: entry(token),
        top_logprobs: (0..top.min(20)).map(|_| entry(token)).collect(),
    });
    Logprobs {
        content: content.collect(),
        refusal: None,
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOut>,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: u64,
    message: MessageOut<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
    refusal: Option<&'a str>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct CallOut<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionOut<'a>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<TokenLogprob<'a>>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct TokenLogprob<'a> {
    #[serde(flatten)]
    own: TopLogprob<'a>,
    top_logprobs: Vec<TopLogprob<'a>>,
}

#[derive(Serialize)]
struct TopLogprob<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl UsageOut {
    /// The usage as told; a `share` above 1 tells only that part of the output.
    fn new(job: &Job<'_>, share: u64) -> UsageOut {
        let Usage {
            input,
            cached,
            output,
            reasoning,
        } = job.answer.usage;
        let prompt_tokens = job.told(input + cached);
        let completion_tokens = job.told(output / share.max(1));
        UsageOut {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails {
                cached_tokens: cached,
                audio_tokens: 0,
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}
