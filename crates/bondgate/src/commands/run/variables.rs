//! What a program is told by its environment: where the gateway is, and with what key.
//!
//! Each dialect that is served says by which variables its clients are told; none is set
//! for a dialect that is not. What would lead a program past the gateway is taken out.

use std::ffi::OsString;

use dialect::Dialect;

use super::agents::Told;

/// A variable and its value; `None`: taken out.
pub(super) type Variable = (&'static str, Option<OsString>);

/// What a variable holds.
enum Holds {
    /// The gateway's root.
    Root,
    /// The gateway's `/v1`.
    Versioned,
    /// The key.
    Key,
    /// Further headers of every request, a line each.
    Headers,
}

/// Switches that send a program to another place than its base URL.
const PAST_THE_GATEWAY: [&str; 5] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_GCA",
];

/// By which variables the clients of a dialect are told.
fn variables_of(dialect: Dialect) -> &'static [(&'static str, Holds)] {
    match dialect {
        Dialect::OpenaiChat => &[
            ("OPENAI_BASE_URL", Holds::Versioned),
            ("OPENAI_API_BASE", Holds::Versioned),
            ("OPENAI_API_KEY", Holds::Key),
        ],
        Dialect::AnthropicMessages => &[
            ("ANTHROPIC_BASE_URL", Holds::Root),
            ("ANTHROPIC_API_KEY", Holds::Key),
            ("ANTHROPIC_AUTH_TOKEN", Holds::Key),
            ("ANTHROPIC_CUSTOM_HEADERS", Holds::Headers),
        ],
        Dialect::Gemini => &[
            ("GOOGLE_GEMINI_BASE_URL", Holds::Root),
            ("GEMINI_API_KEY", Holds::Key),
            ("GOOGLE_API_KEY", Holds::Key),
        ],
        Dialect::BedrockConverse => &[
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", Holds::Root),
            ("AWS_BEARER_TOKEN_BEDROCK", Holds::Key),
        ],
        Dialect::Cohere => &[("CO_API_URL", Holds::Root), ("CO_API_KEY", Holds::Key)],
        // Its clients are those of chat, with the same variables.
        Dialect::OpenaiResponses => &[],
    }
}

/// The variables for any program.
pub(super) fn of(told: &Told<'_>) -> Vec<Variable> {
    let Told { root, key, run, .. } = *told;
    let all = Dialect::ALL.into_iter().flat_map(variables_of);
    let mut variables: Vec<Variable> = all
        .map(|(name, holds)| {
            let value = match holds {
                Holds::Root => root.into(),
                Holds::Versioned => format!("{root}/v1").into(),
                Holds::Key => key.into(),
                Holds::Headers => headers(name, run),
            };
            (*name, Some(value))
        })
        .collect();
    variables.push(("BONDGATE_URL", Some(root.into())));
    variables.push(("BONDGATE_RUN", Some(run.into())));
    variables.extend(PAST_THE_GATEWAY.map(|name| (name, None)));
    variables
}

/// The run's header after those that are set already; a run of before gives way.
fn headers(name: &str, run: &str) -> OsString {
    let own = std::env::var(name).unwrap_or_default();
    let kept = own.lines().filter(|line| {
        let header = line.split(':').next().unwrap_or_default().trim();
        !header.is_empty() && !header.eq_ignore_ascii_case("x-bondgate-run")
    });
    let mut text: String = kept.flat_map(|line| [line, "\n"]).collect();
    text.push_str(&format!("x-bondgate-run: {run}"));
    text.into()
}
