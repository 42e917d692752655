//! Settings beside the list of models: those that have a counterpart, and a word on each of
//! the others.

use super::super::draft::Text;
use super::super::finding::Grade;
use super::super::value::Value;
use super::{Import, money};

/// Settings that are read elsewhere.
const READ: [&str; 6] = [
    "master_key",
    "model_group_alias",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "default_fallbacks",
];

/// Longest time that is carried over, in milliseconds: a day.
const LONGEST_MS: u64 = 86_400_000;

impl<'n> Import<'n> {
    /// Reads all settings.
    pub(super) fn settings(&mut self) {
        for (section, value) in self.root.entries() {
            match section {
                "model_list" | "credential_list" => {}
                "router_settings" | "litellm_settings" | "general_settings" => {
                    for (key, value) in value.entries() {
                        if !READ.contains(&key) && !value.node.is_null() {
                            self.setting(key, &value);
                        }
                    }
                }
                "guardrails" => self.guardrails(&value),
                "environment_variables" => self.environment(&value),
                "include" => self.say(
                    &value,
                    Grade::Manual,
                    "is not followed · import each file by itself",
                ),
                "mcp_servers"
                | "mcp_tools"
                | "agent_list"
                | "vector_store_registry"
                | "search_tools" => {
                    self.say(
                        &value,
                        Grade::Unsupported,
                        "tools and agents are not served",
                    );
                }
                _ => self.say(&value, Grade::Unsupported, "has no counterpart"),
            }
        }
    }

    fn setting(&mut self, key: &str, value: &Value<'n>) {
        match key {
            "routing_strategy" => self.strategy(value),
            "num_retries" => self.retries(value),
            "timeout" | "request_timeout" => {
                if let Some(ms) = self.milliseconds_of(
                    value,
                    "becomes `defaults.timeouts.total`: all attempts together",
                ) {
                    let total = &mut self.draft.defaults.total_ms;
                    *total = total.or(Some(ms));
                }
            }
            "stream_timeout" => {
                let ms = self.milliseconds_of(value, "becomes `defaults.timeouts.first_token`");
                let first = &mut self.draft.defaults.first_token_ms;
                *first = first.or(ms);
            }
            "retry_after" => {
                let ms = self.milliseconds_of(
                    value,
                    "becomes `defaults.retry.backoff.initial`, drawn between zero and that",
                );
                self.draft.defaults.backoff_ms = ms.or(self.draft.defaults.backoff_ms);
            }
            "drop_params" if value.is_true() => {
                self.draft.defaults.permit = true;
                self.say(value, Grade::Approximate, "becomes `defaults.fidelity: permit`; what is dropped is named in `x-bondgate-loss`");
            }
            "alerting" => self.alerting(value),
            "max_budget" => self.budget(value),
            "budget_duration" => self.say(value, Grade::Exact, "is read with `max_budget`"),
            _ => {
                let (grade, what) = word_on(key);
                self.say(value, grade, what);
            }
        }
    }

    fn strategy(&mut self, value: &Value<'n>) {
        match value.text() {
            Some("simple-shuffle") => self.say(value, Grade::Exact, "becomes `balance: weighted` of models with several targets"),
            _ => self.say(
                value,
                Grade::Approximate,
                "becomes `balance: weighted`: targets are drawn by weight, not by load, latency, usage or cost",
            ),
        }
    }

    fn retries(&mut self, value: &Value<'n>) {
        let Some(retries) = value.number() else {
            self.say(
                value,
                Grade::Manual,
                "is no whole number · write `defaults.retry` by hand",
            );
            return;
        };
        let known = &mut self.draft.defaults.retries;
        *known = known.or(Some(retries));
        self.say(
            value,
            Grade::Approximate,
            "becomes `defaults.retry.same_target`; `max_attempts` counts all tries at all targets together",
        );
    }

    fn milliseconds_of(&mut self, value: &Value<'n>, what: &str) -> Option<u64> {
        let ms = value
            .milliseconds()
            .filter(|ms| (1..=LONGEST_MS).contains(ms));
        match ms {
            Some(_) => self.say(value, Grade::Approximate, what),
            None => self.say(
                value,
                Grade::Manual,
                "is no number of seconds up to a day · write it by hand",
            ),
        }
        ms
    }

    fn alerting(&mut self, value: &Value<'n>) {
        for kind in value.items() {
            if kind.text() == Some("slack") {
                self.draft.slack = Some(Text::variable("SLACK_WEBHOOK_URL"));
                self.say(&kind, Grade::Approximate, "becomes `alerts.slack: ${SLACK_WEBHOOK_URL}`: steps of budgets, missing prices, drift, storage");
            } else {
                self.say(
                    &kind,
                    Grade::Unsupported,
                    "alerts go to a webhook or to Slack: see `alerts`",
                );
            }
        }
    }

    fn budget(&mut self, value: &Value<'n>) {
        let duration = self.at("litellm_settings", "budget_duration");
        let duration = duration.and_then(|duration| duration.text());
        let per = match duration {
            None => Some("total"),
            Some("1h" | "60m") => Some("hour"),
            Some("1d" | "24h") => Some("day"),
            Some("7d") => Some("week"),
            Some("30d" | "31d" | "1mo") => Some("month"),
            Some(_) => None,
        };
        let limit = value.text().and_then(money::plain);
        let (Some(limit), Some(per)) = (limit, per) else {
            self.say(
                value,
                Grade::Manual,
                "with that `budget_duration` has no counterpart · write it under `budgets`",
            );
            return;
        };
        self.say(
            value,
            Grade::Approximate,
            format!("becomes the hard budget `litellm` of {limit} USD per {per} of the calendar"),
        );
        self.draft.budgets.push(("litellm".to_owned(), limit, per));
    }

    fn guardrails(&mut self, value: &Value<'n>) {
        for guardrail in value.items() {
            let name = guardrail.get("guardrail_name").and_then(|name| name.text());
            let what = format!(
                "guardrail `{}` is not carried over: guardrails are not there yet · what it blocks is not blocked here",
                name.unwrap_or("without a name")
            );
            self.say(&guardrail, Grade::Unsupported, what);
        }
    }

    fn environment(&mut self, value: &Value<'n>) {
        for (name, value) in value.entries() {
            let what = format!(
                "is not copied · set {name} where the gateway runs, if the configuration still names it"
            );
            self.say(&value, Grade::Manual, what);
        }
    }
}

/// A word on a setting without a counterpart.
fn word_on(key: &str) -> (Grade, &'static str) {
    use Grade::{Approximate, Exact, Manual, Unsupported};
    match key {
        "drop_params" => (Exact, "is the usual: functional losses are refused"),
        "database_url" | "database_connection_pool_limit" | "store_model_in_db" => (
            Manual,
            "keys, teams, models and spend of LiteLLM's database are not read · make keys with `bondgate keys create`; what lasts is in the data folder",
        ),
        "cache" | "cache_params" | "enable_caching_on_provider_specific_optional_params" => {
            (Unsupported, "answers are not cached yet")
        }
        "callbacks" | "success_callback" | "failure_callback" | "service_callbacks"
        | "post_call_rules" | "pre_call_rules" => (
            Unsupported,
            "there are no callbacks: each request has a record of its own",
        ),
        "set_verbose" | "json_logs" | "debug_level" => {
            (Manual, "BONDGATE_LOG says how much is logged")
        }
        "redis_host"
        | "redis_port"
        | "redis_password"
        | "redis_url"
        | "use_redis_transaction_buffer" => (
            Unsupported,
            "gateways share nothing yet; limits and budgets hold within one",
        ),
        "allowed_fails" | "cooldown_time" | "disable_cooldowns" | "allowed_fails_policy" => (
            Unsupported,
            "targets are not set aside after failures; each request goes on to the next target",
        ),
        "retry_policy" | "model_group_retry_policy" => (
            Approximate,
            "what is tried again is decided by the kind of failure: see Retries in the reference",
        ),
        "enable_pre_call_checks" => (
            Approximate,
            "nothing is counted before; a request that is too long goes to `fallback.context_window`",
        ),
        "max_parallel_requests" | "global_max_parallel_requests" => (
            Manual,
            "limits stand at keys, teams and organisations: `limits: { concurrent: 100 }`",
        ),
        "turn_off_message_logging"
        | "redact_user_api_key_info"
        | "redact_messages_in_exceptions" => (Exact, "prompts and answers are not logged anyway"),
        "alerting_threshold" | "alert_types" | "alerting_args" | "alert_to_webhook_url" => (
            Unsupported,
            "what is told is fixed: steps of budgets, missing prices, drift, storage",
        ),
        "telemetry" => (Exact, "nothing is sent anywhere anyway"),
        "pass_through_endpoints" => (Unsupported, "requests are not passed through unread yet"),
        "custom_auth" | "enable_jwt_auth" | "litellm_jwtauth" | "enable_oauth2_auth" => (
            Unsupported,
            "callers show keys: make them with `bondgate keys create`",
        ),
        "default_team_settings"
        | "default_internal_user_params"
        | "upperbound_key_generate_params" => (
            Manual,
            "teams, keys and their limits stand under `teams`, `keys` and `budgets`",
        ),
        _ => (Unsupported, "has no counterpart"),
    }
}
