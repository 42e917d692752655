//! A simulated model provider, over HTTP/1.1 and cleartext HTTP/2.
//!
//! It speaks `openai-chat` and `anthropic-messages` as the real providers do,
//! makes its content from a seed, fails on command, and keeps its own bill. It
//! is the oracle that a gateway is measured against, so it must never share
//! code with one.
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
//! | `POST …/chat/completions` | OpenAI chat; Azure's `/openai/deployments/{model}/…` too |
//! | `POST …/messages`, `…/messages/count_tokens` | Anthropic Messages |
//! | `GET …/models`, `…/models/{id}` | Anthropic's form when `anthropic-version` is sent |
//! | `HEAD /` | 200 |
//! | `GET /sim/bill`, `GET /sim/seen` | the books: [`Bill`], the last 200 requests |
//! | `POST /sim/script`, `POST /sim/reset` | another script; clear the books and the rules' counts |
//!
//! Any key is accepted, none is a 401. A request that is wrong is answered as
//! the provider answers it and asks no rule.
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
//! | Anthropic `thinking`; OpenAI `reasoning_effort`; a model with `deepseek` or `reasoner` in its name | a signed thinking block; reasoning tokens; `reasoning_content` |
//! | text with `REFUSE` | a refusal |
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
//! | `when` | `model` `path` (globs) · `dialect` · `text` (part of the last user text) · `stream` · `header: {name: value}` · `nth: [from, to]` of the requests for which the rest holds | all |
//! | `do` | a fault, or a list of them | – |
//! | `seed` | fixes content and ids | – |
//! | `split: {bytes}` | every answer in writes of so many bytes | – |
//! | `keys` | API keys that are accepted | any |
//! | `prices` | list of `{ model (glob), input, cached, output }` in nano-dollars a token | 1000, 100, 2000 |
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
//! | `wrong_id` | | OpenAI: another id from the fourth chunk on; Anthropic: a block index that never began |
//! | `split` | `bytes` | as at the top level |
//!
//! On HTTP/2 `rst` is RST_STREAM and `fin` closes the whole connection.
//!
//! # The bill
//!
//! A call is charged when the head of its answer goes out: input at once,
//! output as it is generated. Errors are never charged. Cached input is
//! counted beside other input, not within it.

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
