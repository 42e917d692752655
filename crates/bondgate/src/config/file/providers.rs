//! Providers as they are written: where one is, what it speaks, how it is shown a credential.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::Usd;
use crate::config::values::{At, SecretText};

/// Somebody who serves models.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-not-yet" = [
    "residency", "approved_for", "health", "limits", "budget",
]))]
pub struct ProviderFile {
    /// Row of the catalogue; default the provider's own name.
    pub provider: Option<At<String>>,
    /// Where it is, such as `http://127.0.0.1:8000/v1`; a bare host means the
    /// dialect's `/v1`, `/v1beta` (Gemini) or `/v2` (Cohere).
    pub base_url: Option<At<String>>,
    /// What it speaks.
    pub dialect: Option<DialectFile>,
    /// Credential, or `none`.
    pub key: Option<At<SecretText>>,
    /// Several credentials, used in turn.
    pub keys: Option<At<Vec<At<SecretText>>>>,
    /// How the credential is shown; default what the row or the dialect says.
    pub auth: Option<At<AuthFile>>,
    /// Its region, such as `eu-west-1`, where its kind has regions; signatures name it.
    pub region: Option<At<String>>,
    /// Its project, where its root names one, as at Vertex.
    pub project: Option<At<String>>,
    /// Its resource, where its host names one, as at Azure and Databricks.
    pub resource: Option<At<String>>,
    /// Its account, where its root names one, as at Cloudflare.
    pub account: Option<At<String>>,
    /// Azure's version of the API, such as `2024-10-21`: paths name the deployment, and the query this.
    pub api_version: Option<At<String>>,
    /// Shows the credentials that the AWS tools find: environment, credentials file, container, machine.
    pub aws: Option<At<AwsFile>>,
    /// Shows access tokens of Google.
    pub google: Option<At<GoogleFile>>,
    /// Shows access tokens of Microsoft Entra.
    pub entra: Option<At<EntraFile>>,
    /// Further headers of every request to it.
    pub headers: Option<BTreeMap<String, At<String>>>,
    /// Whether it takes `stream_options`; false where it refuses them.
    pub stream_usage: Option<bool>,
    /// HTTP/2 without TLS, without asking first; default false.
    pub http2_prior_knowledge: Option<At<bool>>,
    /// The most that one request to it counts as where it has no bound or no price.
    pub ceiling: Option<At<Usd>>,
}

/// Credentials that the AWS tools find.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AwsFile {
    /// Profile of the shared credentials file; default what AWS_PROFILE says, else `default`.
    pub profile: Option<String>,
}

/// Access tokens of Google.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleFile {
    /// Key file of a service account, JSON; the machine's own account without.
    pub credentials: Option<At<SecretText>>,
}

/// Access tokens of Microsoft Entra, for an application that shows its secret.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EntraFile {
    /// The directory: its id or one of its domains.
    pub tenant: Option<String>,
    /// The application's id.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<At<SecretText>>,
    /// Where tokens are given; default https://login.microsoftonline.com.
    pub authority: Option<At<String>>,
}

/// A wire format.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum DialectFile {
    /// OpenAI's chat completions.
    OpenaiChat,
    /// Anthropic's messages.
    AnthropicMessages,
    /// OpenAI's responses.
    OpenaiResponses,
    /// Google's generateContent.
    Gemini,
    /// Converse of Amazon Bedrock.
    BedrockConverse,
    /// Cohere's chat, version 2.
    Cohere,
}

/// How a credential is shown.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum AuthFile {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
    /// `api-key: …`
    ApiKey,
    /// `x-goog-api-key: …`
    XGoogApiKey,
    /// `?key=…`
    QueryKey,
    /// The request is signed, as Bedrock wants it.
    Sigv4,
    /// Not at all.
    None,
}
