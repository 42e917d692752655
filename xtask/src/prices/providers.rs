//! Which catalogue's provider is which row of ours.

/// A provider in our catalogue's words and in theirs.
pub(super) struct Provider {
    /// Ours.
    pub(super) id: &'static str,
    /// In genai-prices.
    pub(super) genai: Option<&'static str>,
    /// In LiteLLM; its names may begin with any of these and a slash.
    pub(super) litellm: &'static [&'static str],
    /// Models of others that genai-prices files under it and that it does not serve.
    pub(super) not: &'static [&'static str],
}

const fn row(id: &'static str, genai: &'static str, litellm: &'static [&'static str]) -> Provider {
    Provider {
        id,
        genai: Some(genai),
        litellm,
        not: &[],
    }
}

const fn only(id: &'static str, litellm: &'static [&'static str]) -> Provider {
    Provider {
        id,
        genai: None,
        litellm,
        not: &[],
    }
}

/// The providers that at least one catalogue prices. Engines that one hosts oneself are not
/// here: what the catalogues say of them is nothing, and nothing is no price.
pub(super) const ALL: &[Provider] = &[
    row("openai", "openai", &["openai", "text-completion-openai"]),
    row("anthropic", "anthropic", &["anthropic"]),
    Provider {
        not: &["claude"],
        ..row("gemini", "google", &["gemini"])
    },
    row("mistral", "mistral", &["mistral"]),
    row("openrouter", "openrouter", &["openrouter"]),
    row("groq", "groq", &["groq"]),
    row("deepseek", "deepseek", &["deepseek"]),
    row("xai", "x-ai", &["xai"]),
    row("together", "together", &["together_ai"]),
    row(
        "fireworks",
        "fireworks",
        &["fireworks_ai", "fireworks_ai-embedding-models"],
    ),
    row("cerebras", "cerebras", &["cerebras"]),
    row("perplexity", "perplexity", &["perplexity"]),
    row("moonshot", "moonshotai", &["moonshot"]),
    only("nvidia", &["nvidia_nim"]),
    only("deepinfra", &["deepinfra"]),
    only("sambanova", &["sambanova"]),
    row("novita", "novita", &["novita"]),
    only("nebius", &["nebius"]),
    row("zai", "zai", &["zai"]),
    only("dashscope", &["dashscope"]),
    row("minimax", "minimax", &["minimax"]),
    row("baseten", "baseten", &["baseten"]),
    only("scaleway", &["scaleway"]),
    only("vercel", &["vercel_ai_gateway"]),
    row("bedrock", "aws", &["bedrock", "bedrock_converse"]),
    row("azure", "azure", &["azure"]),
    row(
        "vertex",
        "google",
        &[
            "vertex_ai",
            "vertex_ai-language-models",
            "vertex_ai-anthropic_models",
            "vertex_ai-mistral_models",
            "vertex_ai-llama_models",
            "vertex_ai-embedding-models",
            "vertex_ai-deepseek_models",
            "vertex_ai-qwen_models",
            "vertex_ai-openai_models",
            "vertex_ai-zai_models",
            "vertex_ai-moonshot_models",
            "vertex_ai-minimax_models",
        ],
    ),
    row("cohere", "cohere", &["cohere", "cohere_chat"]),
    row("voyage", "voyageai", &["voyage"]),
];
