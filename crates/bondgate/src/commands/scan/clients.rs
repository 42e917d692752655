//! Clients of providers that a program makes, and base URLs that it gives them.

use regex::Regex;

use super::kind::Language;
use super::{Found, Of};

/// In which language, which provider's, and how the making of a client is written.
const MAKINGS: [(Language, &str, &str); 31] = [
    (Language::Python, "openai", r"\b(?:Async)?OpenAI\("),
    (Language::Python, "azure", r"\b(?:Async)?AzureOpenAI\("),
    (
        Language::Python,
        "openai",
        r"\bopenai\.(?:api_key|api_base|base_url)\s*=",
    ),
    (
        Language::Python,
        "openai",
        r"\bopenai\.ChatCompletion\.a?create\(",
    ),
    (Language::Python, "anthropic", r"\b(?:Async)?Anthropic\("),
    (
        Language::Python,
        "bedrock",
        r"\b(?:Async)?AnthropicBedrock\(",
    ),
    (Language::Python, "vertex", r"\b(?:Async)?AnthropicVertex\("),
    (
        Language::Python,
        "openai",
        r"\b(?:ChatOpenAI|OpenAIEmbeddings|OpenAILike|OpenAIModel|OpenAIChatModel)\(",
    ),
    (
        Language::Python,
        "anthropic",
        r"\b(?:ChatAnthropic|AnthropicModel)\(",
    ),
    (
        Language::Python,
        "gemini",
        r"\bgenai\.(?:Client|configure|GenerativeModel)\(",
    ),
    (Language::Python, "mistral", r"\bMistral(?:Client)?\("),
    (Language::Python, "groq", r"\b(?:Async)?Groq\("),
    (
        Language::Python,
        "cohere",
        r"\bcohere\.(?:Async)?Client(?:V2)?\(",
    ),
    (
        Language::Python,
        "",
        r"\blitellm\.a?(?:completion|embedding)\(",
    ),
    (Language::Script, "openai", r"\bnew\s+OpenAI\("),
    (Language::Script, "azure", r"\bnew\s+AzureOpenAI\("),
    (Language::Script, "anthropic", r"\bnew\s+Anthropic\("),
    (
        Language::Script,
        "gemini",
        r"\bnew\s+Google(?:GenAI|GenerativeAI)\(",
    ),
    (Language::Script, "groq", r"\bnew\s+Groq\("),
    (Language::Script, "mistral", r"\bnew\s+Mistral\("),
    (
        Language::Script,
        "openai",
        r"\b(?:createOpenAI|createOpenAICompatible)\(|\bnew\s+ChatOpenAI\(",
    ),
    (
        Language::Script,
        "anthropic",
        r"\bcreateAnthropic\(|\bnew\s+ChatAnthropic\(",
    ),
    (
        Language::Go,
        "openai",
        r"\bopenai\.(?:NewClient|NewClientWithConfig|DefaultConfig)\(",
    ),
    (Language::Go, "anthropic", r"\banthropic\.NewClient\("),
    (
        Language::Jvm,
        "openai",
        r"\bOpenAIOkHttpClient(?:Async)?\b|\bOpenAiChatModel\.builder\(",
    ),
    (
        Language::Jvm,
        "anthropic",
        r"\bAnthropicOkHttpClient(?:Async)?\b|\bAnthropicChatModel\.builder\(",
    ),
    (
        Language::DotNet,
        "openai",
        r"\bnew\s+(?:OpenAIClient|ChatClient)\(",
    ),
    (Language::DotNet, "azure", r"\bnew\s+AzureOpenAIClient\("),
    (Language::Ruby, "openai", r"\bOpenAI::Client\.new\b"),
    (Language::Php, "openai", r"\bOpenAI::(?:client|factory)\("),
    (
        Language::Rust,
        "openai",
        r"\basync_openai::Client::(?:new|with_config)\(|\bOpenAIConfig::new\(",
    ),
];

/// A base URL that is given to some client.
const BASE_URL: &str = r#"(?-u:\b)(?:base_url|baseURL|baseUrl|api_base|apiBase|azure_endpoint|server_url|WithBaseURL|uri_base)["']?\s*[=:(]\s*["'`](https?://[^"'`\s/]+)"#;

/// Finds clients.
pub(super) struct Clients {
    makings: Vec<(Language, &'static str, Regex)>,
    base_url: Regex,
    about: Regex,
}

impl Clients {
    pub(super) fn new() -> anyhow::Result<Self> {
        let makings = MAKINGS.into_iter().map(|(language, provider, making)| {
            Ok((language, provider, Regex::new(&format!("(?-u){making}"))?))
        });
        Ok(Self {
            makings: makings.collect::<anyhow::Result<_>>()?,
            base_url: Regex::new(BASE_URL)?,
            about: Regex::new("(?i-u)openai|anthropic|litellm|genai|mistral")?,
        })
    }

    /// Clients of a file; `known` are the addresses that were found in it.
    pub(super) fn find(&self, text: &str, language: Language, known: &[Found]) -> Vec<Found> {
        // Other programs have base URLs too.
        if !self.about.is_match(text) {
            return Vec::new();
        }
        let makings = self.makings.iter().filter(|(of, ..)| *of == language);
        let made = makings.flat_map(|(_, provider, making)| {
            making.find_iter(text).map(|found| Found {
                at: found.start(),
                of: Of::Client,
                what: found.as_str().trim_end_matches('(').to_owned(),
                provider,
            })
        });
        let given = self.base_url.captures_iter(text).filter_map(|captures| {
            let (whole, host) = (captures.get(0)?, captures.get(1)?);
            let within = |url: &Found| (whole.start()..whole.end()).contains(&url.at);
            // An address may hold a password.
            if known.iter().any(within) || host.as_str().contains('@') {
                return None;
            }
            Some(Found {
                at: whole.start(),
                of: Of::BaseUrl,
                what: host.as_str().to_owned(),
                provider: "",
            })
        });
        made.chain(given).collect()
    }
}
