//! The paths that pass through to a provider, as rows of data.
//!
//! Each is below the provider's root, or from its host where it begins with a slash; `*` is any one
//! segment. A method before a path allows that one only. What is not listed is refused: a path that shows
//! or changes the account itself, its keys, its members, its bills, must never stand here.

use std::fmt::Write as _;

use dialect::Dialect;

use super::ROWS;

/// What stands above the lists in their document.
const HEADING: &str = "
## Pass-through

The paths of a provider's own that keys with `passthrough` may call, as \
[reference.md](reference.md#pass-through) tells: below its root, or from its host where they begin with a \
slash. `*` is one segment. Without a method before it a path takes any.

";

/// Writes the lists as a document.
pub(super) fn write(text: &mut String) {
    text.push_str(HEADING);
    for dialect in Dialect::ALL {
        let passed = shown(usual_passed(dialect));
        let _ = writeln!(text, "- whoever speaks `{}`: {passed}", dialect.name());
    }
    for row in ROWS.iter().filter(|row| !row.passed.is_empty()) {
        let _ = writeln!(text, "- `{}` also: {}", row.name, shown(row.passed));
    }
}

fn shown(paths: &[&str]) -> String {
    let paths = paths.iter().map(|path| format!("`{path}`"));
    paths.collect::<Vec<_>>().join(", ")
}

/// The paths that pass through to any provider of a dialect, written as [`Row::passed`](super::Row::passed) is: models, and
/// what asks them. Not `responses`: whoever names an earlier answer or an item reaches what the provider
/// keeps, which the road binds to who made it.
#[must_use]
pub fn usual_passed(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => &[
            "GET models",
            "GET models/*",
            "GET models/*/*",
            "POST chat/completions",
            "POST completions",
            "POST embeddings",
        ],
        Dialect::AnthropicMessages => &[
            "GET models",
            "GET models/*",
            "POST messages",
            "POST messages/count_tokens",
        ],
        Dialect::Gemini => &["GET models", "GET models/*", "POST models/*"],
        Dialect::BedrockConverse => &[
            "POST model/*/converse",
            "POST model/*/converse-stream",
            "POST model/*/invoke",
            "POST model/*/invoke-with-response-stream",
            "POST model/*/count-tokens",
        ],
        Dialect::Cohere => &[
            "GET /v1/models",
            "GET /v1/models/*",
            "POST chat",
            "POST embed",
            "POST rerank",
            "POST /v1/tokenize",
            "POST /v1/detokenize",
        ],
    }
}

/// What OpenAI keeps for later: files, uploads, batches, searchable stores; of tuning what is read. Media
/// that are made of a request, and verdicts.
pub(super) const OPENAI: &[&str] = &[
    "files",
    "files/*",
    "GET files/*/content",
    "POST uploads",
    "POST uploads/*/parts",
    "POST uploads/*/complete",
    "POST uploads/*/cancel",
    "batches",
    "GET batches/*",
    "POST batches/*/cancel",
    "vector_stores",
    "vector_stores/*",
    "POST vector_stores/*/search",
    "vector_stores/*/files",
    "vector_stores/*/files/*",
    "GET vector_stores/*/files/*/content",
    "POST vector_stores/*/file_batches",
    "GET vector_stores/*/file_batches/*",
    "GET vector_stores/*/file_batches/*/files",
    "POST vector_stores/*/file_batches/*/cancel",
    "GET fine_tuning/jobs",
    "GET fine_tuning/jobs/*",
    "GET fine_tuning/jobs/*/events",
    "GET fine_tuning/jobs/*/checkpoints",
    "POST moderations",
    "POST images/generations",
    "POST images/edits",
    "POST audio/speech",
    "POST audio/transcriptions",
    "POST audio/translations",
];

/// What Anthropic keeps for later.
pub(super) const ANTHROPIC: &[&str] = &[
    "messages/batches",
    "messages/batches/*",
    "POST messages/batches/*/cancel",
    "GET messages/batches/*/results",
    "files",
    "files/*",
    "GET files/*/content",
];

/// Files that are there, what is cached of requests, batches.
pub(super) const GEMINI: &[&str] = &[
    "GET files",
    "files/*",
    "cachedContents",
    "cachedContents/*",
    "GET batches",
    "batches/*",
];

/// What is kept for batches, by most who speak as OpenAI does.
pub(super) const BATCHES: &[&str] = &[
    "files",
    "files/*",
    "GET files/*/content",
    "batches",
    "GET batches/*",
    "POST batches/*/cancel",
];

/// Mistral's own.
pub(super) const MISTRAL: &[&str] = &[
    "files",
    "files/*",
    "GET files/*/content",
    "batch/jobs",
    "GET batch/jobs/*",
    "POST batch/jobs/*/cancel",
    "POST fim/completions",
    "POST ocr",
    "POST moderations",
];

/// What engines tell of themselves beside the usual.
pub(super) const ENGINE: &[&str] = &[
    "GET /health",
    "GET /version",
    "POST /tokenize",
    "POST /detokenize",
    "POST rerank",
    "POST score",
];
