//! The rows.

use dialect::task::Tasks;
use policy::provider::{Auth, Quirks};

use super::{BEDROCK_SIGNED, Cancelled, Obtains, Row, Speaks};

/// What stands above the rows in their document.
pub(super) const HEADING: &str = "# Providers

The catalogue: what is known of each provider. `providers: { NAME: { … } }` with a name of this list \
needs a credential and, where its root has braces, those values (`region`, `project`, `resource`, \
`account`); everything else may be said otherwise, as [reference.md](reference.md) tells. Of several \
dialects the first that is built is spoken, unless `dialect` names another. Any other provider gives \
`base_url` and `dialect`. How a row is added: [adding-a-provider.md](adding-a-provider.md).

*Usage*: whether streams tell it when asked by `stream_options`, or unasked. *Cancelled*: what becomes \
of the work and the bill when the connection is closed in mid-answer, by what the provider or its users say.

This page is written by `BONDGATE_WRITE_DOCS=1 cargo nextest run -p bondgate -E 'test(the_providers_are_documented)'`.

| provider | dialects and roots | shown as | credential | usage | cancelled |
|---|---|---|---|---|---|
";

const USUAL: Quirks = Quirks {
    stream_usage: true,
    tasks: Tasks::ALL,
};

/// Refuses `stream_options`; says usage at the end of streams without being asked.
const USAGE_UNASKED: Quirks = Quirks {
    stream_usage: false,
    ..USUAL
};

/// Google's key, in a header of its own.
const GOOGLE_KEY: Auth = Auth::Header("x-goog-api-key");
/// Azure's key.
const AZURE_KEY: Auth = Auth::Header("api-key");
/// Anthropic's key.
const ANTHROPIC_KEY: Auth = Auth::Header("x-api-key");

const fn speaks(dialect: &'static str, root: &'static str) -> Speaks {
    Speaks {
        dialect,
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
    }
}

/// The same, and closing the connection ends the bill.
const fn ending(row: Row) -> Row {
    Row {
        cancelled: Cancelled::Ends,
        ..row
    }
}

/// An engine on this machine, which shows a key only where it was started with one.
const fn engine(name: &'static str, speaks: &'static [Speaks]) -> Row {
    ending(hosted(name, speaks, &[]))
}

/// All rows, the best known first, then engines that one hosts oneself.
pub const ROWS: &[Row] = &[
    ending(hosted(
        "openai",
        &[
            speaks("openai-chat", "https://api.openai.com/v1"),
            speaks("openai-responses", "https://api.openai.com/v1"),
        ],
        &["OPENAI_API_KEY"],
    )),
    Row {
        auth: ANTHROPIC_KEY,
        ..ending(hosted(
            "anthropic",
            &[speaks("anthropic-messages", "https://api.anthropic.com/v1")],
            &["ANTHROPIC_API_KEY"],
        ))
    },
    Row {
        aliases: &["azure"],
        priced_as: "azure",
        auth: AZURE_KEY,
        ..ending(hosted(
            "azure-openai",
            &[
                Speaks {
                    deployments: Some("https://{resource}.openai.azure.com/openai"),
                    ..speaks(
                        "openai-chat",
                        "https://{resource}.openai.azure.com/openai/v1",
                    )
                },
                speaks(
                    "openai-responses",
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
                    "bedrock-converse",
                    "https://bedrock-runtime.{region}.amazonaws.com",
                ),
                speaks(
                    "openai-chat",
                    "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
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
                    "gemini",
                    "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/google",
                ),
                speaks(
                    "openai-chat",
                    "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
                ),
            ],
            &[],
        )
    },
    hosted(
        "gemini",
        &[
            shown(
                speaks("gemini", "https://generativelanguage.googleapis.com/v1beta"),
                GOOGLE_KEY,
            ),
            speaks(
                "openai-chat",
                "https://generativelanguage.googleapis.com/v1beta/openai",
            ),
        ],
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    ),
    ending(hosted(
        "openrouter",
        &[
            speaks("openai-chat", "https://openrouter.ai/api/v1"),
            speaks("openai-responses", "https://openrouter.ai/api/v1"),
        ],
        &["OPENROUTER_API_KEY"],
    )),
    Row {
        quirks: USAGE_UNASKED,
        ..hosted(
            "mistral",
            &[speaks("openai-chat", "https://api.mistral.ai/v1")],
            &["MISTRAL_API_KEY"],
        )
    },
    hosted(
        "groq",
        &[speaks("openai-chat", "https://api.groq.com/openai/v1")],
        &["GROQ_API_KEY"],
    ),
    hosted(
        "deepseek",
        &[
            speaks("openai-chat", "https://api.deepseek.com/v1"),
            shown(
                speaks(
                    "anthropic-messages",
                    "https://api.deepseek.com/anthropic/v1",
                ),
                ANTHROPIC_KEY,
            ),
        ],
        &["DEEPSEEK_API_KEY"],
    ),
    ending(hosted(
        "xai",
        &[
            speaks("openai-chat", "https://api.x.ai/v1"),
            speaks("openai-responses", "https://api.x.ai/v1"),
        ],
        &["XAI_API_KEY"],
    )),
    ending(hosted(
        "together",
        &[speaks("openai-chat", "https://api.together.xyz/v1")],
        &["TOGETHER_API_KEY"],
    )),
    ending(hosted(
        "fireworks",
        &[speaks(
            "openai-chat",
            "https://api.fireworks.ai/inference/v1",
        )],
        &["FIREWORKS_API_KEY"],
    )),
    ending(hosted(
        "cohere",
        &[
            speaks("cohere", "https://api.cohere.com/v2"),
            speaks("openai-chat", "https://api.cohere.ai/compatibility/v1"),
        ],
        &["CO_API_KEY", "COHERE_API_KEY"],
    )),
    Row {
        quirks: USAGE_UNASKED,
        ..hosted(
            "perplexity",
            &[speaks("openai-chat", "https://api.perplexity.ai")],
            &["PERPLEXITY_API_KEY"],
        )
    },
    hosted(
        "cerebras",
        &[speaks("openai-chat", "https://api.cerebras.ai/v1")],
        &["CEREBRAS_API_KEY"],
    ),
    hosted(
        "moonshot",
        &[
            speaks("openai-chat", "https://api.moonshot.ai/v1"),
            shown(
                speaks("anthropic-messages", "https://api.moonshot.ai/anthropic/v1"),
                ANTHROPIC_KEY,
            ),
        ],
        &["MOONSHOT_API_KEY"],
    ),
    hosted(
        "dashscope",
        &[speaks(
            "openai-chat",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        )],
        &["DASHSCOPE_API_KEY"],
    ),
    hosted(
        "zai",
        &[
            speaks("openai-chat", "https://api.z.ai/api/paas/v4"),
            shown(
                speaks("anthropic-messages", "https://api.z.ai/api/anthropic/v1"),
                ANTHROPIC_KEY,
            ),
        ],
        &["ZAI_API_KEY"],
    ),
    Row {
        aliases: &["nvidia-nim"],
        ..hosted(
            "nvidia",
            &[speaks("openai-chat", "https://integrate.api.nvidia.com/v1")],
            &["NVIDIA_API_KEY"],
        )
    },
    hosted(
        "sambanova",
        &[speaks("openai-chat", "https://api.sambanova.ai/v1")],
        &["SAMBANOVA_API_KEY"],
    ),
    hosted(
        "databricks",
        &[speaks(
            "openai-chat",
            "https://{resource}.cloud.databricks.com/serving-endpoints",
        )],
        &["DATABRICKS_TOKEN"],
    ),
    hosted(
        "cloudflare-workers-ai",
        &[speaks(
            "openai-chat",
            "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
        )],
        &["CLOUDFLARE_API_TOKEN"],
    ),
    hosted(
        "huggingface",
        &[speaks("openai-chat", "https://router.huggingface.co/v1")],
        &["HF_TOKEN"],
    ),
    hosted(
        "github-models",
        &[speaks("openai-chat", "https://models.github.ai/inference")],
        &["GITHUB_MODELS_TOKEN"],
    ),
    ending(hosted(
        "deepinfra",
        &[speaks("openai-chat", "https://api.deepinfra.com/v1/openai")],
        &["DEEPINFRA_API_KEY"],
    )),
    hosted(
        "novita",
        &[speaks("openai-chat", "https://api.novita.ai/v3/openai")],
        &["NOVITA_API_KEY"],
    ),
    hosted(
        "nebius",
        &[speaks("openai-chat", "https://api.studio.nebius.com/v1")],
        &["NEBIUS_API_KEY"],
    ),
    hosted(
        "minimax",
        &[speaks("openai-chat", "https://api.minimax.io/v1")],
        &["MINIMAX_API_KEY"],
    ),
    hosted(
        "baseten",
        &[speaks("openai-chat", "https://inference.baseten.co/v1")],
        &["BASETEN_API_KEY"],
    ),
    hosted(
        "scaleway",
        &[speaks("openai-chat", "https://api.scaleway.ai/v1")],
        &["SCW_SECRET_KEY"],
    ),
    hosted(
        "vercel",
        &[speaks("openai-chat", "https://ai-gateway.vercel.sh/v1")],
        &["AI_GATEWAY_API_KEY"],
    ),
    engine(
        "vllm",
        &[
            speaks("openai-chat", "http://127.0.0.1:8000/v1"),
            speaks("openai-responses", "http://127.0.0.1:8000/v1"),
        ],
    ),
    engine(
        "sglang",
        &[speaks("openai-chat", "http://127.0.0.1:30000/v1")],
    ),
    engine("tgi", &[speaks("openai-chat", "http://127.0.0.1:3000/v1")]),
    Row {
        aliases: &["llama.cpp"],
        ..engine(
            "llama-cpp",
            &[speaks("openai-chat", "http://127.0.0.1:8080/v1")],
        )
    },
    engine(
        "ollama",
        &[speaks("openai-chat", "http://127.0.0.1:11434/v1")],
    ),
    engine(
        "lm-studio",
        &[speaks("openai-chat", "http://127.0.0.1:1234/v1")],
    ),
];
