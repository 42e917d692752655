//! The provider catalogue: what is known of each provider, as rows of data.
//!
//! A row says where a provider is, what it speaks, how it is shown its key, which
//! environment variable usually holds that key and where it differs from its dialect. A
//! new provider is a new row here and nothing else; a configuration can override each
//! column. No code may ask for a provider by name.

use dialect::Dialect;
use policy::provider::{Auth, Quirks};

/// What is known of one provider.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in configurations.
    pub name: &'static str,
    /// Its versioned root.
    pub base_url: &'static str,
    /// What it speaks.
    pub dialect: Dialect,
    /// How it is shown a key.
    pub auth: Auth,
    /// Environment variables that usually hold the key, the most usual first; none where
    /// it usually asks for no key.
    pub key_env: &'static [&'static str],
    /// Where it differs from its dialect.
    pub quirks: Quirks,
}

/// The row of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// How a dialect's own provider is shown a key.
#[must_use]
pub fn usual_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::OpenaiChat => Auth::Bearer,
        Dialect::AnthropicMessages => Auth::Header("x-api-key"),
    }
}

/// Signed for Bedrock.
pub const BEDROCK_SIGNED: Auth = Auth::SigV4 { service: "bedrock" };

const USUAL: Quirks = Quirks { stream_usage: true };

/// Refuses `stream_options`; says usage at the end of streams without being asked.
const USAGE_UNASKED: Quirks = Quirks {
    stream_usage: false,
};

const fn hosted(
    name: &'static str,
    base_url: &'static str,
    key_env: &'static [&'static str],
) -> Row {
    Row {
        name,
        base_url,
        dialect: Dialect::OpenaiChat,
        auth: Auth::Bearer,
        key_env,
        quirks: USUAL,
    }
}

/// An engine on this machine, which shows a key only where it was started with one.
const fn engine(name: &'static str, base_url: &'static str) -> Row {
    hosted(name, base_url, &[])
}

/// All rows, the best known first, then engines that one hosts oneself.
pub const ROWS: &[Row] = &[
    hosted("openai", "https://api.openai.com/v1", &["OPENAI_API_KEY"]),
    Row {
        name: "anthropic",
        base_url: "https://api.anthropic.com/v1",
        dialect: Dialect::AnthropicMessages,
        auth: Auth::Header("x-api-key"),
        key_env: &["ANTHROPIC_API_KEY"],
        quirks: USUAL,
    },
    hosted(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    ),
    Row {
        quirks: USAGE_UNASKED,
        ..hosted("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"])
    },
    hosted(
        "openrouter",
        "https://openrouter.ai/api/v1",
        &["OPENROUTER_API_KEY"],
    ),
    hosted("groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"]),
    hosted(
        "deepseek",
        "https://api.deepseek.com/v1",
        &["DEEPSEEK_API_KEY"],
    ),
    hosted("xai", "https://api.x.ai/v1", &["XAI_API_KEY"]),
    hosted(
        "together",
        "https://api.together.xyz/v1",
        &["TOGETHER_API_KEY"],
    ),
    hosted(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        &["FIREWORKS_API_KEY"],
    ),
    hosted(
        "cerebras",
        "https://api.cerebras.ai/v1",
        &["CEREBRAS_API_KEY"],
    ),
    Row {
        quirks: USAGE_UNASKED,
        ..hosted(
            "perplexity",
            "https://api.perplexity.ai",
            &["PERPLEXITY_API_KEY"],
        )
    },
    hosted(
        "moonshot",
        "https://api.moonshot.ai/v1",
        &["MOONSHOT_API_KEY"],
    ),
    hosted(
        "nvidia",
        "https://integrate.api.nvidia.com/v1",
        &["NVIDIA_API_KEY"],
    ),
    hosted(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        &["DEEPINFRA_API_KEY"],
    ),
    hosted(
        "sambanova",
        "https://api.sambanova.ai/v1",
        &["SAMBANOVA_API_KEY"],
    ),
    hosted(
        "novita",
        "https://api.novita.ai/v3/openai",
        &["NOVITA_API_KEY"],
    ),
    hosted(
        "nebius",
        "https://api.studio.nebius.com/v1",
        &["NEBIUS_API_KEY"],
    ),
    hosted("zai", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY"]),
    hosted(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        &["DASHSCOPE_API_KEY"],
    ),
    hosted("minimax", "https://api.minimax.io/v1", &["MINIMAX_API_KEY"]),
    hosted(
        "baseten",
        "https://inference.baseten.co/v1",
        &["BASETEN_API_KEY"],
    ),
    hosted(
        "scaleway",
        "https://api.scaleway.ai/v1",
        &["SCW_SECRET_KEY"],
    ),
    hosted(
        "vercel",
        "https://ai-gateway.vercel.sh/v1",
        &["AI_GATEWAY_API_KEY"],
    ),
    engine("vllm", "http://127.0.0.1:8000/v1"),
    engine("sglang", "http://127.0.0.1:30000/v1"),
    engine("llama-cpp", "http://127.0.0.1:8080/v1"),
    engine("ollama", "http://127.0.0.1:11434/v1"),
    engine("lm-studio", "http://127.0.0.1:1234/v1"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use policy::origin::{BaseUrl, Scheme};

    use super::ROWS;

    #[test]
    fn every_row_can_be_reached_and_is_named_once() {
        let mut names = BTreeSet::new();
        for row in ROWS {
            let base = BaseUrl::parse(row.base_url).unwrap();
            let local = base.origin.host == "127.0.0.1";
            assert!(local || base.origin.scheme == Scheme::Https, "{}", row.name);
            assert_eq!(local, row.key_env.is_empty(), "{}", row.name);
            assert!(names.insert(row.name), "{} stands twice", row.name);
        }
    }
}
