//! `bondgate import litellm`, through the real binary; what it writes goes to the real
//! `bondgate check`.

use std::process::{Command, Stdio};

use tempfile::TempDir;

const LARGE: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_KEY_A, rpm: 600, timeout: 30, stream_timeout: 60 }
  - model_name: gpt-4o
    litellm_params: { model: azure/gpt-4o-eu, api_base: "https://eu-1.openai.azure.com/", api_key: os.environ/AZURE_KEY, api_version: "2024-02-01", rpm: 300 }
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_key: sk-proj-in-clear-never-copied-0001 }
  - model_name: claude
    litellm_params: { model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY, max_tokens: 2048, temperature: 0.2 }
    model_info: { base_model: x, input_cost_per_token: 0.000003, output_cost_per_token: 1.5e-05 }
  - model_name: small
    litellm_params: { model: gpt-4o-mini }
  - model_name: local llama
    litellm_params: { model: hosted_vllm/meta/llama-3, api_base: "http://10.0.0.7:8000/v1", api_key: none }
  - model_name: flash
    litellm_params: { model: gemini/gemini-2.5-flash, api_key: os.environ/GEMINI_API_KEY }
  - model_name: own
    litellm_params: { model: openai/mine, api_base: os.environ/OWN_BASE, api_key: os.environ/OWN_KEY, organization: os.environ/OWN_ORG }
  - model_name: bedrock-claude
    litellm_params: { model: bedrock/anthropic.claude-v2, aws_region_name: us-east-1 }
  - model_name: vectors
    litellm_params: { model: openai/text-embedding-3-small }
    model_info: { mode: embedding }
  - model_name: "groq/*"
    litellm_params: { model: "groq/*", api_key: os.environ/GROQ_API_KEY }
router_settings:
  routing_strategy: latency-based-routing
  model_group_alias: { gpt-4: gpt-4o, hidden-one: { model: claude, hidden: true }, lost: nowhere }
  num_retries: 2
  timeout: 120
  retry_after: 7
  fallbacks: [{ gpt-4o: [claude, small] }, { claude: [bedrock-claude] }]
  redis_host: os.environ/REDIS_HOST
litellm_settings:
  drop_params: true
  context_window_fallbacks: [{ gpt-4o: [flash] }]
  content_policy_fallbacks: [{ claude: ["local llama"] }]
  default_fallbacks: [small]
  cache: true
  callbacks: [langfuse]
  max_budget: 100.5
  budget_duration: 30d
general_settings:
  master_key: sk-in-clear-1234
  database_url: "postgresql://user:hunter2@db/litellm"
  alerting: [slack, email]
guardrails:
  - guardrail_name: pii
    litellm_params: { guardrail: presidio, mode: pre_call }
environment_variables: { LANGFUSE_SECRET: hunter2-in-clear }
something_new: 1
"#;

/// Every literal secret of [`LARGE`].
const SECRETS: [&str; 4] = ["never-copied", "sk-in-clear", "hunter2", "postgresql:"];

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn bondgate(folder: &TempDir, arguments: &[&str], env: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder(litellm: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("config.yaml"), litellm).unwrap();
    folder
}

/// What was written and what was found.
fn import(litellm: &str) -> (String, Vec<serde_json::Value>) {
    let folder = folder(litellm);
    let arguments = [
        "import",
        "litellm",
        "config.yaml",
        "--output",
        "b.yaml",
        "--report",
        "--format",
        "json",
    ];
    let run = bondgate(&folder, &arguments, &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    let written = std::fs::read_to_string(folder.path().join("b.yaml")).unwrap();
    check(&folder, &written);
    (written, serde_json::from_str(&run.out).unwrap())
}

/// Checks what was written, with every variable set that it names.
fn check(folder: &TempDir, written: &str) {
    let names: Vec<&str> = written
        .split("${")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
        .collect();
    let env: Vec<(&str, &str)> = names
        .into_iter()
        .map(|name| {
            let url = name.contains("BASE") || name.contains("URL");
            (
                name,
                if url {
                    "https://models.example.com"
                } else {
                    "a-secret-of-some-length"
                },
            )
        })
        .collect();
    let run = bondgate(folder, &["check", "--config", "b.yaml"], &env);
    assert_eq!(run.code, 0, "{}\n{written}", run.err);
}

fn grade(findings: &[serde_json::Value], path: &str) -> String {
    let found = findings.iter().find(|finding| finding["path"] == path);
    let found = found.unwrap_or_else(|| panic!("nothing is said of {path}: {findings:#?}"));
    format!(
        "{}: {}",
        found["grade"].as_str().unwrap(),
        found["what"].as_str().unwrap()
    )
}

#[test]
fn what_is_written_passes_the_check_and_holds_no_secret() {
    let (written, findings) = import(LARGE);
    let said = serde_json::to_string(&findings).unwrap();
    for secret in SECRETS {
        assert!(!written.contains(secret), "{secret}: {written}");
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    for line in [
        "  openai: { key: \"${OPENAI_KEY_A}\" }",
        "  azure: { dialect: openai-chat, base_url: \"https://eu-1.openai.azure.com/openai/v1\", auth: api-key, key: \"${AZURE_KEY}\" }",
        "  openai-2: { provider: openai, key: \"${OPENAI_KEY}\" }",
        "  openai-3: { provider: openai, key: \"${OPENAI_API_KEY}\" }",
        "  vllm: { base_url: \"http://10.0.0.7:8000/v1\", key: none }",
        "  openai-4: { provider: openai, base_url: \"${OWN_BASE}\", key: \"${OWN_KEY}\", headers: { openai-organization: \"${OWN_ORG}\" } }",
        "      - { target: openai/gpt-4o, weight: 600 }",
        "      - { target: azure/gpt-4o-eu, weight: 300 }",
        "      - openai-2/gpt-4o",
        "      failure: [anthropic/claude-sonnet-4-5, openai-3/gpt-4o-mini]",
        "      context_window: [gemini/gemini-2.5-flash]",
        "    timeouts: { first_token: 30000ms, total: 30000ms }",
        "      - { target: anthropic/claude-sonnet-4-5, max_tokens: 2048 }",
        "      content_policy: [vllm/meta/llama-3]",
        "    alias: gpt-4o",
        "  timeouts: { total: 120000ms }",
        "  retry: { same_target: 2, max_attempts: 5, backoff: { initial: 7000ms, max: 7000ms } }",
        "  fidelity: permit",
        "  litellm-master: { secret: \"${LITELLM_MASTER_KEY}\", direct: true }",
        "  litellm: { limit: 100.5 USD, per: month }",
        "  - { target: anthropic/claude-sonnet-4-5, input: 3 USD, output: 15 USD }",
        "  slack: \"${SLACK_WEBHOOK_URL}\"",
    ] {
        assert!(
            written.lines().any(|have| have == line),
            "{line}\nis not in\n{written}"
        );
    }
    assert!(
        !written.contains("bedrock") && !written.contains("embedding"),
        "{written}"
    );
}

#[test]
fn each_part_is_graded_by_its_path() {
    let (_, findings) = import(LARGE);
    for (path, start) in [
        (
            "model_list[0].litellm_params.model",
            "exact: becomes target `openai/gpt-4o` of model `gpt-4o`",
        ),
        (
            "model_list[0].litellm_params.rpm",
            "approximate: becomes `weight`",
        ),
        ("model_list[0].litellm_params.timeout", "approximate:"),
        ("model_list[1].litellm_params.model", "approximate:"),
        (
            "model_list[2].litellm_params.api_key",
            "manual: stands in clear and is not copied: it becomes `${OPENAI_KEY}`",
        ),
        ("model_list[3].litellm_params.temperature", "unsupported:"),
        ("model_list[6].litellm_params.model", "approximate:"),
        (
            "model_list[8].litellm_params.model",
            "unsupported: provider `bedrock` is not served yet",
        ),
        (
            "model_list[9].model_info.mode",
            "unsupported: `vectors` is left out",
        ),
        (
            "model_list[10].litellm_params.model",
            "exact: becomes provider `groq`",
        ),
        ("router_settings.routing_strategy", "approximate:"),
        ("router_settings.model_group_alias.gpt-4", "exact:"),
        ("router_settings.model_group_alias.lost", "manual:"),
        ("router_settings.fallbacks[0].gpt-4o", "exact:"),
        (
            "router_settings.fallbacks[1].claude",
            "manual: becomes `fallback.failure` of model `claude`; `bedrock-claude`",
        ),
        ("router_settings.redis_host", "unsupported:"),
        ("litellm_settings.cache", "unsupported:"),
        ("litellm_settings.callbacks", "unsupported:"),
        ("general_settings.database_url", "manual:"),
        ("general_settings.alerting[0]", "approximate:"),
        ("general_settings.alerting[1]", "unsupported:"),
        ("guardrails[0]", "unsupported: guardrail `pii`"),
        ("environment_variables.LANGFUSE_SECRET", "manual:"),
        ("something_new", "unsupported:"),
    ] {
        let graded = grade(&findings, path);
        assert!(graded.starts_with(start), "{path}: {graded}");
    }
}

#[test]
fn small_and_odd_files_are_carried_over_too() {
    for litellm in [
        "model_list: []\n",
        "model_list:\ngeneral_settings: {}\n",
        "model_list: [{ model_name: a, litellm_params: { model: ollama/llama3, api_base: 'http://localhost:11434' } }]\n",
        "model_list: [{ model_name: a/b, litellm_params: { model: mistral/m, weight: 0 } }, { model_name: a/b, litellm_params: { model: mistral/n, weight: 5 } }]\n",
        "model_list: [{ model_name: 'yes', litellm_params: { model: x, api_key: 7 } }, 3, { model_name: '1' }]\n",
        "model_list: [{ model_name: a, litellm_params: { model: azure/d, api_base: os.environ/AZURE_API_BASE } }]\n",
        "model_list: [{ model_name: a, litellm_params: { model: openai_like/d } }, { model_name: b, litellm_params: { model: openai/d, api_base: 'https://u:p@h/v1' } }]\n",
        "model_list: [{ model_name: '*', litellm_params: { model: '*' } }, { model_name: '*', litellm_params: { model: 'openai/*' } }]\n",
        "model_list: [{ model_name: a, litellm_params: { model: groq/d, litellm_credential_name: c } }]\ncredential_list: [{ credential_name: c, credential_values: { api_key: os.environ/C_KEY } }]\n",
        "model_list: [{ model_name: a, litellm_params: { model: groq/d, timeout: 0.5 } }, { model_name: a, litellm_params: { model: groq/d } }]\nrouter_settings: { num_retries: 0, fallbacks: [{ '*': [a] }], stream_timeout: 9999, timeout: os.environ/T }\n",
        "model_list: [{ model_name: a, litellm_params: { model: openai/d, api_base: 'https://h.example.com', api_key: 'a ${b', headers: { authorization: x, x-team: os.environ/TEAM } } }]\n",
    ] {
        let (written, _) = import(litellm);
        assert!(!written.contains("u:p@"), "{written}");
    }
}

#[test]
fn an_address_of_azure_keeps_its_host_whatever_stands_behind_it() {
    for address in [
        "https://openai-eu.openai.azure.com",
        "https://openai-eu.openai.azure.com/openai/deployments/d/",
    ] {
        let (written, _) = import(&format!(
            "model_list: [{{ model_name: a, litellm_params: {{ model: azure/d, api_base: '{address}', api_key: os.environ/K }} }}]\n"
        ));
        let base = "base_url: \"https://openai-eu.openai.azure.com/openai/v1\"";
        assert!(written.contains(base), "{written}");
    }
}

#[test]
fn the_configuration_goes_to_stdout_and_the_findings_to_stderr() {
    let folder =
        folder("model_list: [{ model_name: a, litellm_params: { model: openai/gpt-4o } }]\n");
    let run = bondgate(&folder, &["import", "litellm", "config.yaml"], &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out.contains("targets:\n      - openai/gpt-4o\n"),
        "{}",
        run.out
    );
    let first = "exact: model_list[0].litellm_params.model (line 1): becomes target";
    assert!(run.err.contains(first), "{}", run.err);
    assert!(
        run.err
            .contains("1 exact, 0 approximate, 1 manual, 0 unsupported"),
        "{}",
        run.err
    );
}

#[test]
fn a_file_that_is_there_is_not_overwritten_unless_forced() {
    let folder = folder("model_list: []\n");
    let output = [
        "import",
        "litellm",
        "config.yaml",
        "--output",
        "bondgate.yaml",
    ];
    std::fs::write(folder.path().join("bondgate.yaml"), "mine").unwrap();
    let refused = bondgate(&folder, &output, &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--force"), "{}", refused.err);
    let kept = std::fs::read_to_string(folder.path().join("bondgate.yaml")).unwrap();
    assert_eq!(kept, "mine");
    let forced = bondgate(&folder, &[&output[..], &["--force"]].concat(), &[]);
    assert_eq!(forced.code, 0, "{}", forced.err);
    let written = std::fs::read_to_string(folder.path().join("bondgate.yaml")).unwrap();
    assert!(written.starts_with("# Made from config.yaml"), "{written}");
}

#[test]
fn what_is_no_configuration_of_litellm_is_refused() {
    let cases = [
        ("providers: {}\n", "no configuration of LiteLLM's proxy"),
        ("model_list: [\n", "config.yaml:"),
    ];
    for (text, said) in cases {
        let run = bondgate(&folder(text), &["import", "litellm", "config.yaml"], &[]);
        assert_eq!((run.code, run.out.as_str()), (1, ""));
        assert!(run.err.contains(said), "{}", run.err);
    }
    let run = bondgate(&folder(""), &["import", "litellm", "nowhere.yaml"], &[]);
    assert_eq!(run.code, 1);
    let run = bondgate(&folder(""), &["import", "portkey", "config.yaml"], &[]);
    assert_eq!(run.code, 2);
}
