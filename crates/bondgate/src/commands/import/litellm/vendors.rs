//! LiteLLM's names of providers, and the rows of the catalogue that they mean.

use super::super::finding::Grade;

/// What one of LiteLLM's prefixes means here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    /// LiteLLM's name.
    pub(super) prefix: &'static str,
    /// Row of the catalogue; empty: an OpenAI-compatible place that the file names.
    pub(super) row: &'static str,
    /// What differs; empty: nothing.
    pub(super) differs: &'static str,
    /// Whether it is Azure's OpenAI.
    pub(super) azure: bool,
}

impl Vendor {
    pub(super) fn grade(&self) -> Grade {
        if self.differs.is_empty() {
            Grade::Exact
        } else {
            Grade::Approximate
        }
    }

    /// What its providers are called.
    pub(super) fn name(&self) -> &'static str {
        match (self.azure, self.row) {
            (true, _) => "azure",
            (false, "") => "compatible",
            (false, row) => row,
        }
    }
}

const fn same(prefix: &'static str, row: &'static str) -> Vendor {
    nearly(prefix, row, "")
}

const fn nearly(prefix: &'static str, row: &'static str, differs: &'static str) -> Vendor {
    Vendor {
        prefix,
        row,
        differs,
        azure: false,
    }
}

const OLLAMA: &str = "Ollama is called at its OpenAI-compatible endpoint, not its native one";

/// All that can be carried over.
pub(super) const VENDORS: [Vendor; 32] = [
    same("openai", "openai"),
    same("anthropic", "anthropic"),
    nearly(
        "gemini",
        "gemini",
        "Gemini is called at its OpenAI-compatible endpoint: what only its native one knows does not cross",
    ),
    same("mistral", "mistral"),
    same("groq", "groq"),
    same("deepseek", "deepseek"),
    same("xai", "xai"),
    same("openrouter", "openrouter"),
    same("together_ai", "together"),
    nearly(
        "fireworks_ai",
        "fireworks",
        "Fireworks wants the whole name of a model, `accounts/fireworks/models/…`",
    ),
    same("cerebras", "cerebras"),
    same("perplexity", "perplexity"),
    same("moonshot", "moonshot"),
    same("nvidia_nim", "nvidia"),
    same("deepinfra", "deepinfra"),
    same("sambanova", "sambanova"),
    same("novita", "novita"),
    same("nebius", "nebius"),
    same("zai", "zai"),
    same("dashscope", "dashscope"),
    same("minimax", "minimax"),
    same("baseten", "baseten"),
    same("scaleway", "scaleway"),
    same("vercel_ai_gateway", "vercel"),
    same("hosted_vllm", "vllm"),
    nearly(
        "vllm",
        "vllm",
        "vLLM is called over HTTP, not within the process",
    ),
    nearly("ollama", "ollama", OLLAMA),
    nearly("ollama_chat", "ollama", OLLAMA),
    same("lm_studio", "lm-studio"),
    same("openai_like", ""),
    nearly(
        "litellm_proxy",
        "",
        "it is called as an OpenAI-compatible place, whose key spends there too",
    ),
    Vendor {
        prefix: "azure",
        row: "",
        differs: "Azure is called at its `/openai/v1`, where the deployment is the model; `api_version` is not needed",
        azure: true,
    },
];

/// LiteLLM's prefixes that it shares with others.
const ALSO: [(&str, &str); 2] = [
    ("custom_openai", "openai_like"),
    ("llamafile", "openai_like"),
];

/// The vendor of that prefix.
pub(super) fn find(prefix: &str) -> Option<&'static Vendor> {
    let also = ALSO.iter().find(|(name, _)| *name == prefix);
    let prefix = also.map_or(prefix, |(_, same)| same);
    VENDORS.iter().find(|vendor| vendor.prefix == prefix)
}

/// The prefix that LiteLLM takes for a model without one.
pub(super) fn usual_prefix(model: &str) -> Option<&'static str> {
    const STARTS: [(&str, &str); 12] = [
        ("gpt-", "openai"),
        ("chatgpt-", "openai"),
        ("o1", "openai"),
        ("o3", "openai"),
        ("o4", "openai"),
        ("ft:gpt-", "openai"),
        ("text-embedding-", "openai"),
        ("claude-", "anthropic"),
        ("gemini-", "vertex_ai"),
        ("command", "cohere"),
        ("mistral.", "bedrock"),
        ("anthropic.", "bedrock"),
    ];
    let found = STARTS.iter().find(|(start, _)| model.starts_with(start));
    found.map(|(_, prefix)| *prefix)
}

#[cfg(test)]
mod tests {
    use gateway::upstream::catalog;

    use super::VENDORS;

    #[test]
    fn every_vendor_is_a_row_of_the_catalogue() {
        for vendor in VENDORS {
            let there = vendor.row.is_empty() || catalog::find(vendor.row).is_some();
            assert!(there, "{}", vendor.prefix);
        }
    }
}
