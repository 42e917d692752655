//! Coding agents that are told by more than the usual variables: by flags of their own, or by
//! a configuration.
//!
//! Nothing that the user wrote is changed: flags stand before theirs, so that theirs win.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::reach;
use super::variables::Variable;

/// What a program is told: where the gateway is, by what key, for which run, with which model.
pub(super) struct Told<'a> {
    pub(super) root: &'a str,
    pub(super) key: &'a str,
    pub(super) run: &'a str,
    pub(super) model: Option<&'a str>,
}

/// What a program is given because of what it is.
#[derive(Default)]
pub(super) struct Given {
    /// Flags that stand before the user's.
    pub(super) flags: Vec<OsString>,
    /// Variables beside the usual ones; they win over those.
    pub(super) variables: Vec<Variable>,
}

/// A program that is known by name.
#[derive(Clone, Copy)]
enum Agent {
    Claude,
    Codex,
    Gemini,
    Opencode,
    Aider,
}

impl Agent {
    fn of(command: &[OsString]) -> Option<Self> {
        let program = command.first().map(Path::new).and_then(Path::file_stem);
        match program.and_then(OsStr::to_str)? {
            "claude" => Some(Self::Claude),
            "codex" => Some(Self::Codex),
            "gemini" => Some(Self::Gemini),
            "opencode" => Some(Self::Opencode),
            "aider" => Some(Self::Aider),
            _ => None,
        }
    }
}

/// What a program is given, where it is one that is known.
///
/// # Errors
/// Where what it needs cannot be asked of the gateway, or written.
pub(super) fn given(command: &[OsString], told: &Told<'_>) -> anyhow::Result<Given> {
    Ok(match Agent::of(command) {
        None => Given::default(),
        Some(Agent::Claude) => claude(told),
        Some(Agent::Codex) => codex(told),
        Some(Agent::Gemini) => gemini(told)?,
        Some(Agent::Opencode) => opencode(told)?,
        Some(Agent::Aider) => aider(told),
    })
}

/// It warns where the key stands in both of Anthropic's variables; it is given the token. Its
/// small tasks ask for a small model by a name of Anthropic's, which a gateway need not have.
fn claude(told: &Told<'_>) -> Given {
    let mut variables = vec![("ANTHROPIC_API_KEY", None)];
    let names = ["ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL"];
    variables.extend(
        told.model
            .map(|model| names.map(|name| (name, Some(model.into()))))
            .into_iter()
            .flatten(),
    );
    Given {
        flags: Vec::new(),
        variables,
    }
}

/// It takes a provider of its own, and speaks OpenAI's responses with it. What only OpenAI runs
/// is switched off: other providers would refuse it.
fn codex(told: &Told<'_>) -> Given {
    let (root, run) = (told.root, toml(told.run));
    let provider = format!(
        "model_providers.bondgate={{name=\"Bondgate\",base_url={},env_key=\"OPENAI_API_KEY\",\
         wire_api=\"responses\",http_headers={{\"x-bondgate-run\"={run}}}}}",
        toml(&format!("{root}/v1"))
    );
    let settings = [
        Some("model_provider=bondgate".to_owned()),
        Some(provider),
        Some("web_search=\"disabled\"".to_owned()),
        Some("features.multi_agent=false".to_owned()),
        told.model.map(|model| format!("model={}", toml(model))),
    ];
    let flags = settings.into_iter().flatten();
    let flags = flags.flat_map(|setting| ["-c".into(), setting.into()]);
    Given {
        flags: flags.collect(),
        variables: Vec::new(),
    }
}

/// A string of TOML's: of visible ASCII characters it is one of JSON's.
fn toml(text: &str) -> String {
    Value::from(text).to_string()
}

/// It signs in as its settings say, and a user who once did so with an account of Google's would go
/// past the gateway. Only the system's settings outrank the user's and the project's: they are given
/// with ours among them. It warns where the key stands in both of Google's variables.
fn gemini(told: &Told<'_>) -> anyhow::Result<Given> {
    const SETTINGS: &str = "GEMINI_CLI_SYSTEM_SETTINGS_PATH";
    const HEADERS: &str = "GEMINI_CLI_CUSTOM_HEADERS";
    let run = format!("x-bondgate-run: {}", told.run);
    let headers = match std::env::var(HEADERS) {
        Ok(own) if !own.trim().is_empty() => format!("{own},{run}"),
        _ => run,
    };
    let system = std::env::var_os(SETTINGS).filter(|path| !path.is_empty());
    let system = system.map_or_else(|| PathBuf::from(SYSTEM_SETTINGS), PathBuf::from);
    let settings = signing_in_by_key(&system)?;
    let path = written("gemini-cli.json", &settings.to_string())?;
    let mut variables = vec![
        (HEADERS, Some(headers.into())),
        ("GOOGLE_API_KEY", None),
        (SETTINGS, Some(path.into())),
    ];
    variables.extend(told.model.map(|model| ("GEMINI_MODEL", Some(model.into()))));
    Ok(Given {
        flags: Vec::new(),
        variables,
    })
}

/// Where Gemini CLI finds the system's settings.
const SYSTEM_SETTINGS: &str = if cfg!(target_os = "macos") {
    "/Library/Application Support/GeminiCli/settings.json"
} else {
    "/etc/gemini-cli/settings.json"
};

/// The system's settings, by which one signs in with a key.
///
/// # Errors
/// Where there are some that cannot be read: what they forbid would be lost.
fn signing_in_by_key(system: &Path) -> anyhow::Result<Value> {
    let mut settings = match fs::read_to_string(system) {
        Ok(text) => serde_json::from_str(&text).ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(json!({})),
        Err(_) => None,
    };
    let mut node = settings.as_mut();
    for name in ["security", "auth"] {
        let members = node.and_then(Value::as_object_mut);
        node = members.map(|members| members.entry(name).or_insert_with(|| json!({})));
    }
    if let Some(auth) = node.and_then(Value::as_object_mut) {
        auth.insert("selectedType".to_owned(), "gemini-api-key".into());
    } else {
        settings = None;
    }
    settings.with_context(|| {
        format!(
            "{} holds no settings that can be read, and Gemini CLI must be told there to sign in by \
             the key · make it JSON without comments, or name another file with \
             GEMINI_CLI_SYSTEM_SETTINGS_PATH",
            system.display()
        )
    })
}

/// It takes a configuration from a variable, in which each model is named.
fn opencode(told: &Told<'_>) -> anyhow::Result<Given> {
    let names = match told.model {
        Some(model) => vec![model.to_owned()],
        None => reach::models(told.root, told.key)?,
    };
    let models: Map<String, Value> = names.into_iter().map(|name| (name, json!({}))).collect();
    let mut configuration = json!({
        "$schema": "https://opencode.ai/config.json",
        "provider": { "bondgate": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Bondgate",
            "options": {
                "baseURL": format!("{}/v1", told.root),
                "apiKey": "{env:OPENAI_API_KEY}",
                "headers": { "x-bondgate-run": told.run },
            },
            "models": models,
        } },
    });
    if let (Some(model), Some(members)) = (told.model, configuration.as_object_mut()) {
        members.insert("model".to_owned(), format!("bondgate/{model}").into());
    }
    Ok(Given {
        flags: Vec::new(),
        variables: vec![(
            "OPENCODE_CONFIG_CONTENT",
            Some(configuration.to_string().into()),
        )],
    })
}

/// It finds the gateway by OpenAI's variables; a model's prefix says that it is one of those.
fn aider(told: &Told<'_>) -> Given {
    let names = ["AIDER_MODEL", "AIDER_WEAK_MODEL"];
    let named = |model: &str| names.map(|name| (name, Some(format!("openai/{model}").into())));
    Given {
        flags: Vec::new(),
        variables: told.model.map(named).into_iter().flatten().collect(),
    }
}

/// A file that holds no secret, in a folder that only the user may write to: a program need not
/// trust another.
fn written(name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let folder = state_folder()?.join("bondgate");
    let path = folder.join(name);
    let write = || {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        fs::write(&path, text)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

/// Where programs keep what they may lose, by the XDG base directory specification.
fn state_folder() -> anyhow::Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME")?.join(".local/state")))
        .context("there is no place for a setting · set HOME or XDG_STATE_HOME")
}
