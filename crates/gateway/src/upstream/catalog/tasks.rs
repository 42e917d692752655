//! What each provider does beside chat, by what it documents; a provider that is not listed does all
//! that the API of its dialect has.

use dialect::task::Task::{
    self, Complete, Embed, EmbedBatch, Image, ImageEdit, Moderate, Speech, Transcribe, Translate,
};
use dialect::task::Tasks;

/// Names of rows, and what those do.
const DOES: &[(&str, &[Task])] = &[
    ("bedrock", &[Embed]),
    ("vertex", &[Embed]),
    ("gemini", &[Embed, EmbedBatch, Image]),
    ("openrouter", &[Embed, Complete]),
    ("mistral", &[Embed, Moderate, Transcribe]),
    ("groq", &[Speech, Transcribe, Translate]),
    ("deepseek", &[]),
    ("xai", &[Image, ImageEdit]),
    (
        "together",
        &[Complete, Embed, Image, Speech, Transcribe, Translate],
    ),
    ("fireworks", &[Complete, Embed]),
    ("perplexity", &[]),
    ("cerebras", &[Complete]),
    ("moonshot", &[]),
    ("dashscope", &[Embed]),
    ("zai", &[Embed, Image]),
    ("nvidia", &[Complete, Embed]),
    ("sambanova", &[Embed, Transcribe, Translate]),
    ("databricks", &[Embed]),
    ("cloudflare-workers-ai", &[Embed]),
    ("huggingface", &[]),
    ("github-models", &[Embed]),
    ("deepinfra", &[Complete, Embed, Image, Speech, Transcribe]),
    ("novita", &[Complete, Embed]),
    ("nebius", &[Complete, Embed, Image]),
    ("minimax", &[]),
    ("baseten", &[]),
    ("scaleway", &[Embed, Transcribe]),
    ("vercel", &[Embed]),
    ("vllm", &[Complete, Embed, Transcribe, Translate]),
    ("sglang", &[Complete, Embed]),
    ("tgi", &[Complete]),
    ("llama-cpp", &[Complete, Embed]),
    ("ollama", &[Complete, Embed]),
    ("lm-studio", &[Complete, Embed]),
];

/// What the provider of that row does.
pub(super) fn of(name: &str) -> Tasks {
    let found = DOES.iter().find(|(row, _)| *row == name);
    found.map_or(Tasks::ALL, |(_, tasks)| Tasks::of(tasks))
}

#[cfg(test)]
mod tests {
    use super::super::ROWS;
    use super::DOES;

    #[test]
    fn every_entry_is_that_of_a_row_and_stands_once() {
        for (at, (name, _)) in DOES.iter().enumerate() {
            assert!(ROWS.iter().any(|row| row.name == *name), "{name}");
            assert!(DOES[..at].iter().all(|(other, _)| other != name), "{name}");
        }
    }
}
