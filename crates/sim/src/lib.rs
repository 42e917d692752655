//! A simulated model provider, over HTTP/1.1 and cleartext HTTP/2.
//!
//! It speaks `openai-chat`, `openai-responses`, `anthropic-messages`, `gemini`,
//! `bedrock-converse` and `cohere` as the real providers do, makes its content
//! from a seed, fails on command, and keeps its own bill. It is the oracle that
//! a gateway is measured against, so it must never share code with one.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let script = sim::Script::from_json(r#"{
//!     "rules": [{ "when": { "model": "gpt-*", "nth": [1, 2] }, "do": { "cut": { "after_events": 3 } } }]
//! }"#)?;
//! let sim = sim::Sim::start("127.0.0.1:0", script).await?;
//! println!("{}/v1", sim.url());
//! # Ok(()) }
//! ```
//!
//! # Endpoints
//!
//! | path | what |
//! |---|---|
//! | `POST …/chat/completions` | OpenAI chat; Azure's `/openai/deployments/{model}/…` too, for all of OpenAI's |
//! | `POST …/responses`, `GET`, `DELETE …/responses/{id}`, `…/{id}/input_items`, `POST …/{id}/cancel` | OpenAI Responses, kept for the key that made them, at most 32 MiB |
//! | `POST …/responses/input_tokens` | counts of tokens |
//! | `GET`, `POST …/files` | one file, whatever is sent |
//! | `POST …/completions` `…/embeddings` `…/moderations` | OpenAI's legacy completions, vectors, verdicts |
//! | `POST …/images/generations`, `…/images/edits` | images, whole or streamed; edits from a form or from JSON |
//! | `POST …/audio/speech`, `…/audio/transcriptions`, `…/audio/translations` | bytes as they are made, or events; forms |
//! | `POST …/messages`, `…/messages/count_tokens` | Anthropic Messages |
//! | `POST /model/{id}/invoke`, `…/invoke-with-response-stream` | the same bodies on Bedrock |
//! | `POST …/publishers/anthropic/models/{model}:rawPredict`, `:streamRawPredict` | the same on Vertex AI; `count-tokens` is a model there |
//! | `POST …/models/{model}:generateContent`, `:streamGenerateContent` (with `alt=sse`; else a JSON array), `:countTokens`, `:embedContent`, `:batchEmbedContents` | Gemini; under `…/publishers/google/` as Vertex AI serves it |
//! | `POST /model/{id}/converse`, `…/converse-stream`, `…/count-tokens`, `GET /inference-profiles` | Bedrock |
//! | `POST /model/{id}/invoke` of a model with `titan-embed` or `cohere.embed` in its name | vectors on Bedrock |
//! | `POST /v2/chat`, `/v2/embed`, `/v2/rerank` | Cohere |
//! | `GET …/models`, `…/models/{id}` | Anthropic's form when `anthropic-version` is sent, Google's under `/v1beta` or with its key |
//! | `HEAD /` | 200 |
//! | `GET /sim/bill`, `GET /sim/seen` | the books: [`Bill`], the last 200 requests |
//! | `POST /sim/script`, `POST /sim/reset` | another script; clear the books and the rules' counts |
//!
//! Any key is accepted, none is a 401 (Google and AWS: 403). A request that is
//! wrong is answered as the provider answers it and asks no rule. Gemini and
//! Cohere refuse fields that they do not know.
//!
//! # Content
//!
//! It follows from the seed: the script's, else the request's `seed`, else a
//! hash of model and last user text. Ids differ from exchange to exchange.
//!
//! | in the request | in the answer |
//! |---|---|
//! | model `echo` | the last user text |
//! | any other model | 60 pseudo-random words, some not ASCII |
//! | text with `USE_TOOL`, `USE_TOOL name`, `USE_TOOLS n` (and tools) | that many tool calls, arguments by schema; with `SAY_FIRST` some text before; a forced `tool_choice` does it too |
//! | last message a tool's result | text that quotes it |
//! | last message the assistant's | the rest, if it begins what would be said |
//! | a JSON format | a document that fits the schema |
//! | a wish for reasoning, or a model with `reasoner` in its name (`openai-chat`: `deepseek` too) | thoughts in the dialect's form: shown, summed up or only counted, signed or sealed where the provider does that, for its model or owner alone. What comes back is checked, and where the provider insists that it comes back with the calls it led to, so does this one |
//! | text with `REFUSE` | a refusal; Gemini's `SAFETY`, and for `REFUSE_PROMPT` a blocked prompt |
//! | a Gemini model with `gemini-3` in its name | calls with ids, which need their thought signatures back |
//! | Cohere `documents` | citations of the first word |
//! | text with `CACHED` | half of the input counts as read from a cache |
//! | images | `[image TYPE N bytes]` |
//! | `[[chunks=100&gap_ms=10&delay_ms=0&bytes=4&words=60]]` in any text | so many content events of so many bytes, the time between them, the time before the head; or so many words |
//!
//! Output, reasoning included, never exceeds `max_tokens`. A token is four
//! bytes of a string, rounded up for each string; an image is 85.
//!
//! # Scripts
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `rules` | list of `{ when, do, times }`; the first that holds and has not fired `times` times is used | none |
//! | `when` | `model` `path` (globs) · `dialect` · `operation` (`chat`, `embed`, …, as on the bill) · `text` (part of the last user text) · `stream` · `header: {name: value}` · `nth: [from, to]` of the requests for which the rest holds | all |
//! | `do` | a fault, or a list of them | – |
//! | `seed` | fixes content and ids | – |
//! | `split: {bytes}` | every answer in writes of so many bytes | – |
//! | `keys` | API keys that are accepted; of a signed request its access key id | any |
//! | `aws` | secrets by access key id: signatures (SigV4) are checked | unchecked |
//! | `prices` | list of `{ model (glob), input, cached, output, request }` in nano-dollars a token, and a request | 1000, 100, 2000, 0 |
//! | `bill_cancelled` | `generated` or `full`: what is charged when the client hangs up | `generated` |
//! | `bill_input_on_start` | input is charged when a head goes out, not with the first output | true |
//!
//! Faults are written `{"name": {…}}`, or `"name"` where nothing is needed.
//! Events are counted from the start of the stream, all of them; a whole
//! answer is one event. A fault that finds no place in an answer (such as a
//! cut behind its end) does nothing and is not listed in [`Seen::faults`].
//!
//! | fault | fields | effect |
//! |---|---|---|
//! | `refuse` | `by`: `fin`, `rst` (default) | closes new connections; `when` may hold only `nth`, of connections |
//! | `hang_up` | `by`: `fin` (default), `rst` | reads the request, then closes |
//! | `stall_before` | `ms` | silent for a time, or for ever |
//! | `stall_inside` | `after_events`, `ms` | the same inside the answer (for ever: streams only) |
//! | `drip` | `bytes`, `ms` | so many bytes a write |
//! | `cut` | one of `after_bytes` `after_events` `at_fraction`; `by`: `fin` (default), `rst`; `clean` | ends early: by FIN without the last chunk, by RST, or with `clean` as a proper body that is too short |
//! | `error_event` | `after_events` | the dialect's own error in a stream, which then ends |
//! | `bad_json` | `at_event` | that event's JSON is broken (a whole answer: half of it) |
//! | `flip` | `at_event` | one bit in the middle of that event is another (in AWS's framing its CRC no longer fits) |
//! | `garbage` | `at_event`, `bytes` (64) | bytes that are not UTF-8 before that event |
//! | `status` | `status`, `code`, `message`, `retry_after`, `headers`, `body` | an error; the body is the dialect's own for the status |
//! | `slow` | `factor` (1), `delay_ms`, `gap_ms` | multiplies and adds waits |
//! | `no_newline` | `mib` | so many MiB of `a` before the answer |
//! | `html` | `status` (502) | a proxy's error page |
//! | `empty` | | 200 and no body |
//! | `wrong_content_type` | `value` (`text/plain`) | |
//! | `redirect` | `to`, `status` (307) | |
//! | `informational` | `count` | 103 so often, or for ever; HTTP/1.1 only |
//! | `usage` | `tell`: `missing`, `absurd`, `shrinking` | wrong token counts; the bill stays right |
//! | `wrong_id` | | OpenAI, Gemini: another id from about the fourth event on; Anthropic, Bedrock, Cohere: the index of a block that never began |
//! | `split` | `bytes` | as at the top level |
//!
//! On HTTP/2 `rst` is RST_STREAM and `fin` closes the whole connection.
//!
//! # The bill
//!
//! A call is charged when the head of its answer goes out: input at once,
//! output as it is generated. Errors are never charged. Cached input is
//! counted beside other input, not within it. Verdicts are free, ranks cost
//! what a request costs; an image is 272 tokens of output, sound one for each
//! 256 bytes. Cohere charges no thoughts and knows no cheaper input, so that
//! what it bills is less than all the tokens it tells.

mod admin;
mod answer;
mod anthropic;
mod ask;
mod bedrock;
mod books;
mod cohere;
mod dialect;
mod fault;
mod gemini;
mod json;
mod multipart;
mod openai_chat;
mod openai_responses;
mod plan;
mod play;
mod schema;
mod script;
mod serve;
mod server;
mod shelf;
mod task;
mod wire;
mod words;

pub use books::{Bill, Call, Event, Outcome, Seen, What};
pub use fault::{Cut, Fault, Status, UsageLie};
pub use script::{CancelledBill, InputBill, Price, Rule, Script, ScriptError, Secrets, When};
pub use server::Sim;
pub use wire::By;
