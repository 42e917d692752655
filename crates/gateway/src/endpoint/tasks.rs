//! The paths of tasks beside chat.

use dialect::Dialect;
use dialect::task::Task;

use super::{AZURE, GEMINI, Means, NONE, OPENAI, Row, post};

const fn of_openai(path: &'static str, task: Task) -> Row {
    post(Dialect::OpenaiChat, OPENAI, path, Means::Task(task))
}

const fn of_azure(path: &'static str, task: Task) -> Row {
    post(Dialect::OpenaiChat, AZURE, path, Means::Task(task))
}

/// The rows, what is asked most first.
pub(super) static ROWS: &[Row] = &[
    of_openai("/embeddings", Task::Embed),
    of_openai("/completions", Task::Complete),
    of_openai("/moderations", Task::Moderate),
    of_openai("/images/generations", Task::Image),
    of_openai("/images/edits", Task::ImageEdit),
    of_openai("/audio/speech", Task::Speech),
    of_openai("/audio/transcriptions", Task::Transcribe),
    of_openai("/audio/translations", Task::Translate),
    post(
        Dialect::Gemini,
        GEMINI,
        "/models/{path}:embedContent",
        Means::Task(Task::Embed),
    ),
    post(
        Dialect::Gemini,
        GEMINI,
        "/models/{path}:batchEmbedContents",
        Means::Task(Task::EmbedBatch),
    ),
    post(Dialect::Cohere, NONE, "/v2/embed", Means::Task(Task::Embed)),
    post(
        Dialect::Cohere,
        NONE,
        "/v2/rerank",
        Means::Task(Task::Rerank),
    ),
    of_azure("/{model}/embeddings", Task::Embed),
    of_azure("/{model}/completions", Task::Complete),
    of_azure("/{model}/images/generations", Task::Image),
    of_azure("/{model}/images/edits", Task::ImageEdit),
    of_azure("/{model}/audio/speech", Task::Speech),
    of_azure("/{model}/audio/transcriptions", Task::Transcribe),
    of_azure("/{model}/audio/translations", Task::Translate),
];
