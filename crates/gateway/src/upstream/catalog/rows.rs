//! The rows.

use dialect::Dialect::{
    AnthropicMessages, BedrockConverse, Cohere, Gemini, OpenaiChat, OpenaiResponses,
};
use dialect::task::Tasks;
use dialect::{Dialect, Spoken};
use policy::provider::{Auth, Quirks};

use super::passed::{ANTHROPIC, BATCHES, ENGINE, GEMINI, MISTRAL, OPENAI};
use super::{BEDROCK_SIGNED, Cancelled, Obtains, Row, Speaks};

/// What stands above the rows in their document.
pub(super) const HEADING: &str = "# Providers

The catalogue: what is known of each provider. `providers: { NAME: { … } }` with a name of this list \
needs a credential and, where its root has braces, those values (`region`, `project`, `resource`, \
`account`); everything else may be said otherwise, as [reference.md](reference.md) tells. Of several \
dialects the first is spoken, unless `dialect` names another. Any other provider gives \
`base_url` and `dialect`. How a row is added: [adding-a-provider.md](adding-a-provider.md).

*Usage*: whether streams tell it when asked by `stream_options`, or unasked. *Cancelled*: what becomes \
of the work and the bill when the connection is closed in mid-answer, by what the provider or its users say.

This page is written by `BONDGATE_WRITE_DOCS=1 cargo nextest run -p bondgate -E 'test(the_providers_are_documented)'`.

| provider | dialects and roots | shown as | credential | usage | cancelled |
|---|---|---|---|---|---|
";

const USUAL: Quirks = Quirks {
    stream_usage: true,
    plain_reasoning: false,
    tasks: Tasks::ALL,
};

/// Refuses `stream_options`; says usage at the end of streams without being asked.
const USAGE_UNASKED: Quirks = Quirks {
    stream_usage: false,
    ..USUAL
};

/// Wants `reasoning_content` back with the calls that it led to, and refuses a history without it
/// where its model thinks (<https://api-docs.deepseek.com/guides/thinking_mode>).
const REASONING_BACK: Quirks = Quirks {
    plain_reasoning: true,
    ..USUAL
};

/// Google's key, in a header of its own.
const GOOGLE_KEY: Auth = Auth::Header("x-goog-api-key");
/// Azure's key.
const AZURE_KEY: Auth = Auth::Header("api-key");
/// Anthropic's key.
const ANTHROPIC_KEY: Auth = Auth::Header("x-api-key");

const fn speaks(dialect: Dialect, root: &'static str) -> Speaks {
    carries(Spoken::of(dialect), root)
}

/// The same of a dialect under a cloud's own paths.
const fn carries(spoken: Spoken, root: &'static str) -> Speaks {
    Speaks {
        spoken,
        root,
        auth: None,
        deployments: None,
    }
}

const fn shown(speaks: Speaks, auth: Auth) -> Speaks {
    Speaks {
        auth: Some(auth),
        ..speaks
    }
}

/// A provider whose key is given, and shown as a bearer token.
const fn hosted(
    name: &'static str,
    speaks: &'static [Speaks],
    key_env: &'static [&'static str],
) -> Row {
    Row {
        name,
        aliases: &[],
        priced_as: name,
        speaks,
        auth: Auth::Bearer,
        obtains: Obtains::Given,
        key_env,
        quirks: USUAL,
        cancelled: Cancelled::Unknown,
        passed: &[],
        counts: None,
    }
}

/// The same with paths of its own that pass through.
const fn passing(row: Row, passed: &'static [&'static str]) -> Row {
    Row { passed, ..row }
}

/// The same, and closing the connection ends the bill.
const fn ending(row: Row) -> Row {
    Row {
        cancelled: Cancelled::Ends,
        ..row
    }
}

/// The same, and it wants its reasoning back.
const fn remembering(row: Row) -> Row {
    Row {
        quirks: REASONING_BACK,
        ..row
    }
}

/// An engine on this machine, which shows a key only where it was started with one.
const fn engine(name: &'static str, speaks: &'static [Speaks]) -> Row {
    passing(ending(hosted(name, speaks, &[])), ENGINE)
}

/// All rows, the best known first, then engines that one hosts oneself.
pub const ROWS: &[Row] = &[
    Row {
        passed: OPENAI,
        counts: Some(Dialect::OpenaiResponses),
        ..ending(hosted(
            "openai",
            &[
                speaks(OpenaiChat, "https://api.openai.com/v1"),
                speaks(OpenaiResponses, "https://api.openai.com/v1"),
            ],
            &["OPENAI_API_KEY"],
        ))
    },
    Row {
        auth: ANTHROPIC_KEY,
        passed: ANTHROPIC,
        ..ending(hosted(
            "anthropic",
            &[speaks(AnthropicMessages, "https://api.anthropic.com/v1")],
            &["ANTHROPIC_API_KEY"],
        ))
    },
    Row {
        aliases: &["azure"],
        priced_as: "azure",
        auth: AZURE_KEY,
        passed: OPENAI,
        ..ending(hosted(
            "azure-openai",
            &[
                Speaks {
                    deployments: Some("https://{resource}.openai.azure.com/openai"),
                    ..speaks(OpenaiChat, "https://{resource}.openai.azure.com/openai/v1")
                },
                speaks(
                    OpenaiResponses,
                    "https://{resource}.openai.azure.com/openai/v1",
                ),
            ],
            &["AZURE_OPENAI_API_KEY"],
        ))
    },
    Row {
        auth: BEDROCK_SIGNED,
        obtains: Obtains::Aws,
        cancelled: Cancelled::BilledInFull,
        ..hosted(
            "bedrock",
            &[
                speaks(
                    BedrockConverse,
                    "https://bedrock-runtime.{region}.amazonaws.com",
                ),
                speaks(
                    OpenaiChat,
                    "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
                ),
                carries(
                    Spoken::BEDROCK_INVOKE,
                    "https://bedrock-runtime.{region}.amazonaws.com",
                ),
            ],
            &["AWS_BEARER_TOKEN_BEDROCK"],
        )
    },
    Row {
        obtains: Obtains::Google,
        ..hosted(
            "vertex",
            &[
                speaks(
                    Gemini,
                    "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/google",
                ),
                speaks(
                    OpenaiChat,
                    "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
                ),
                carries(
                    Spoken::VERTEX_PREDICT,
                    "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}",
                ),
            ],
            &[],
        )
    },
    passing(
        hosted(
            "gemini",
            &[
                shown(
                    speaks(Gemini, "https://generativelanguage.googleapis.com/v1beta"),
                    GOOGLE_KEY,
                ),
                speaks(
                    OpenaiChat,
                    "https://generativelanguage.googleapis.com/v1beta/openai",
                ),
            ],
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        ),
        GEMINI,
    ),
    ending(hosted(
        "openrouter",
        &[
            speaks(OpenaiChat, "https://openrouter.ai/api/v1"),
            speaks(OpenaiResponses, "https://openrouter.ai/api/v1"),
        ],
        &["OPENROUTER_API_KEY"],
    )),
    Row {
        quirks: USAGE_UNASKED,
        passed: MISTRAL,
        ..hosted(
            "mistral",
            &[speaks(OpenaiChat, "https://api.mistral.ai/v1")],
            &["MISTRAL_API_KEY"],
        )
    },
    passing(
        hosted(
            "groq",
            &[speaks(OpenaiChat, "https://api.groq.com/openai/v1")],
            &["GROQ_API_KEY"],
        ),
        BATCHES,
    ),
    remembering(hosted(
        "deepseek",
        &[
            speaks(OpenaiChat, "https://api.deepseek.com/v1"),
            shown(
                speaks(AnthropicMessages, "https://api.deepseek.com/anthropic/v1"),
                ANTHROPIC_KEY,
            ),
        ],
        &["DEEPSEEK_API_KEY"],
    )),
    ending(hosted(
        "xai",
        &[
            speaks(OpenaiChat, "https://api.x.ai/v1"),
            speaks(OpenaiResponses, "https://api.x.ai/v1"),
        ],
        &["XAI_API_KEY"],
    )),
    passing(
        ending(hosted(
            "together",
            &[speaks(OpenaiChat, "https://api.together.xyz/v1")],
            &["TOGETHER_API_KEY"],
        )),
        BATCHES,
    ),
    ending(hosted(
        "fireworks",
        &[speaks(OpenaiChat, "https://api.fireworks.ai/inference/v1")],
        &["FIREWORKS_API_KEY"],
    )),
    ending(hosted(
        "cohere",
        &[
            speaks(Cohere, "https://api.cohere.com/v2"),
            speaks(OpenaiChat, "https://api.cohere.ai/compatibility/v1"),
        ],
        &["CO_API_KEY", "COHERE_API_KEY"],
    )),
    Row {
        quirks: USAGE_UNASKED,
        ..hosted(
            "perplexity",
            &[speaks(OpenaiChat, "https://api.perplexity.ai")],
            &["PERPLEXITY_API_KEY"],
        )
    },
    hosted(
        "cerebras",
        &[speaks(OpenaiChat, "https://api.cerebras.ai/v1")],
        &["CEREBRAS_API_KEY"],
    ),
    remembering(hosted(
        "moonshot",
        &[
            speaks(OpenaiChat, "https://api.moonshot.ai/v1"),
            shown(
                speaks(AnthropicMessages, "https://api.moonshot.ai/anthropic/v1"),
                ANTHROPIC_KEY,
            ),
        ],
        &["MOONSHOT_API_KEY"],
    )),
    hosted(
        "dashscope",
        &[speaks(
            OpenaiChat,
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        )],
        &["DASHSCOPE_API_KEY"],
    ),
    remembering(hosted(
        "zai",
        &[
            speaks(OpenaiChat, "https://api.z.ai/api/paas/v4"),
            shown(
                speaks(AnthropicMessages, "https://api.z.ai/api/anthropic/v1"),
                ANTHROPIC_KEY,
            ),
        ],
        &["ZAI_API_KEY"],
    )),
    Row {
        aliases: &["nvidia-nim"],
        ..hosted(
            "nvidia",
            &[speaks(OpenaiChat, "https://integrate.api.nvidia.com/v1")],
            &["NVIDIA_API_KEY"],
        )
    },
    hosted(
        "sambanova",
        &[speaks(OpenaiChat, "https://api.sambanova.ai/v1")],
        &["SAMBANOVA_API_KEY"],
    ),
    hosted(
        "databricks",
        &[speaks(
            OpenaiChat,
            "https://{resource}.cloud.databricks.com/serving-endpoints",
        )],
        &["DATABRICKS_TOKEN"],
    ),
    hosted(
        "cloudflare-workers-ai",
        &[speaks(
            OpenaiChat,
            "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
        )],
        &["CLOUDFLARE_API_TOKEN"],
    ),
    hosted(
        "huggingface",
        &[speaks(OpenaiChat, "https://router.huggingface.co/v1")],
        &["HF_TOKEN"],
    ),
    hosted(
        "github-models",
        &[speaks(OpenaiChat, "https://models.github.ai/inference")],
        &["GITHUB_MODELS_TOKEN"],
    ),
    ending(hosted(
        "deepinfra",
        &[speaks(OpenaiChat, "https://api.deepinfra.com/v1/openai")],
        &["DEEPINFRA_API_KEY"],
    )),
    hosted(
        "novita",
        &[speaks(OpenaiChat, "https://api.novita.ai/v3/openai")],
        &["NOVITA_API_KEY"],
    ),
    hosted(
        "nebius",
        &[speaks(OpenaiChat, "https://api.studio.nebius.com/v1")],
        &["NEBIUS_API_KEY"],
    ),
    hosted(
        "minimax",
        &[speaks(OpenaiChat, "https://api.minimax.io/v1")],
        &["MINIMAX_API_KEY"],
    ),
    hosted(
        "baseten",
        &[speaks(OpenaiChat, "https://inference.baseten.co/v1")],
        &["BASETEN_API_KEY"],
    ),
    hosted(
        "scaleway",
        &[speaks(OpenaiChat, "https://api.scaleway.ai/v1")],
        &["SCW_SECRET_KEY"],
    ),
    hosted(
        "vercel",
        &[speaks(OpenaiChat, "https://ai-gateway.vercel.sh/v1")],
        &["AI_GATEWAY_API_KEY"],
    ),
    engine(
        "vllm",
        &[
            speaks(OpenaiChat, "http://127.0.0.1:8000/v1"),
            speaks(OpenaiResponses, "http://127.0.0.1:8000/v1"),
        ],
    ),
    engine("sglang", &[speaks(OpenaiChat, "http://127.0.0.1:30000/v1")]),
    engine("tgi", &[speaks(OpenaiChat, "http://127.0.0.1:3000/v1")]),
    Row {
        aliases: &["llama.cpp"],
        counts: Some(Dialect::AnthropicMessages),
        ..engine(
            "llama-cpp",
            &[speaks(OpenaiChat, "http://127.0.0.1:8080/v1")],
        )
    },
    engine("ollama", &[speaks(OpenaiChat, "http://127.0.0.1:11434/v1")]),
    engine(
        "lm-studio",
        &[speaks(OpenaiChat, "http://127.0.0.1:1234/v1")],
    ),
];
