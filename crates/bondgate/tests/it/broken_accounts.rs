//! Budgets, teams, tags and alerts that are wrong: what is said, and where.

use crate::kit::{GOOD, Written};

/// Each case: a name, what stands before the good configuration, and the only problem.
const ADDED: &[(&str, &str, &str)] = &[
    (
        "a budget on a team that is not there",
        "teams: { support: {} }\nbudgets: { b: { on: team:suport, limit: 1 USD, per: day } }",
        "2:21: budget `b` is on `suport`, which is not in `teams` · did you mean `support`?",
    ),
    (
        "a budget on a key that is not there",
        "budgets: { b: { on: key:bot, limit: 1 USD, per: day } }",
        "1:21: budget `b` is on `bot`, which is not in `keys` · add it under `keys`",
    ),
    (
        "a budget on an organisation that is not there",
        "budgets: { b: { on: organisation:acme, limit: 1 USD, per: day } }",
        "1:21: budget `b` is on `acme`, which is not in `organisations` · add it under `organisations`",
    ),
    (
        "a budget on a user that is not there",
        "users: { ada: {} }\nbudgets: { b: { on: user:adda, limit: 1 USD, per: day } }",
        "2:21: budget `b` is on `adda`, which is not in `users` · did you mean `ada`?",
    ),
    (
        "a budget on a model that is not there",
        "budgets: { b: { on: model:fats, limit: 1 USD, per: day } }",
        "1:21: budget `b` is on `fats`, which is not in `models` · did you mean `fast`?",
    ),
    (
        "a budget on a provider that is not there",
        "budgets: { b: { on: provider:lokal, limit: 1 USD, per: day } }",
        "1:21: budget `b` is on `lokal`, which is not in `providers` · did you mean `local`?",
    ),
    (
        "a budget on nothing",
        "budgets: { b: { on: support, limit: 1 USD, per: day } }",
        "1:21: `on`: `support` cannot be read · write `organisation:NAME`, `team:NAME`, `key:NAME`, `user:NAME`, `tag:NAME=VALUE`, `provider:NAME` or `model:NAME`",
    ),
    (
        "a budget without an amount",
        "budgets: { b: { per: day } }",
        "1:12: budget `b` has no `limit` · add `limit: 500 USD`",
    ),
    (
        "a budget without a window",
        "budgets: { b: { limit: 5 USD } }",
        "1:12: budget `b` has no `per` · add `per: month`",
    ),
    (
        "a budget of nothing",
        "budgets: { b: { limit: 0 USD, per: day } }",
        "1:24: budget `b` allows nothing: its `limit` is 0 USD · give an amount; a key that may not call is left out",
    ),
    (
        "a budget of less than nothing",
        "budgets: { b: { limit: -5 USD, per: day } }",
        "1:24: `limit`: `-5 USD` cannot be read · an amount is 0 USD or more",
    ),
    (
        "a window that is none",
        "budgets: { b: { limit: 5 USD, per: months } }",
        "1:36: `per`: `months` is not known · did you mean `month`?",
    ),
    (
        "a run without its buckets",
        "budgets: { b: { limit: 5 USD, per: run } }",
        "1:36: budget `b` is `per: run` without `each: run` · add `each: run`, or choose a window of the calendar",
    ),
    (
        "buckets of nothing",
        "budgets: { b: { limit: 5 USD, per: day, each: team } }",
        "1:47: `each`: `team` cannot be read · write `key`, `user`, `run` or `tag:NAME`",
    ),
    (
        "one bucket only",
        "budgets: { b: { limit: 5 USD, per: day, on: key:app, each: key } }",
        "1:60: `each: key` does nothing: `on: key:app` is one of them · keep one of them",
    ),
    (
        "a city without its continent",
        "budgets: { b: { limit: 5 USD, per: day, time_zone: Paris } }",
        "1:52: `Paris` is no time zone · did you mean `Europe/Paris`?",
    ),
    (
        "a misspelt time zone",
        "budgets: { b: { limit: 5 USD, per: day, time_zone: Europe/Berln } }",
        "1:52: `Europe/Berln` is no time zone · did you mean `Europe/Berlin`?",
    ),
    (
        "a time zone of no calendar",
        "budgets: { b: { limit: 5 USD, per: total, time_zone: Europe/Paris } }",
        "1:54: `time_zone` does nothing with `per: total` · leave it out",
    ),
    (
        "a mode of what never refuses",
        "budgets: { b: { limit: 5 USD, per: day, hard: false, mode: report } }",
        "1:60: `mode` does nothing with `hard: false`, which never refuses · keep one of them",
    ),
    (
        "a mode that is none",
        "budgets: { b: { limit: 5 USD, per: day, mode: shadow } }",
        "1:47: `mode`: `shadow` is not known · use `enforce` or `report`",
    ),
    (
        "an alert beyond the whole",
        "budgets: { b: { limit: 5 USD, per: day, alert_at: [80%, 120%] } }",
        "1:57: a step of `alert_at` is not a whole per cent from 1 to 100 · write one such as `80%`",
    ),
    (
        "an alert at nothing",
        "budgets: { b: { limit: 5 USD, per: day, alert_at: [0%] } }",
        "1:52: a step of `alert_at` is not a whole per cent from 1 to 100 · write one such as `80%`",
    ),
    (
        "alerts upside down",
        "budgets: { b: { limit: 5 USD, per: day, alert_at: [80%, 50%] } }",
        "1:57: a step of `alert_at` comes too late · list them from the smallest to the largest",
    ),
    (
        "a budget named as a limit",
        "teams: { t: { limits: { requests: 5/min } } }\nbudgets: { \"team:t requests\": { limit: 5 USD, per: day } }",
        "2:12: `team:t requests` is the name of a limit that stands at an object · choose another name",
    ),
    (
        "a rate without a window",
        "teams: { t: { limits: { requests: 600 } } }",
        "1:35: `requests`: `600` cannot be read · a rate is written `600/min`, `1000/hour` or `10000/day`",
    ),
    (
        "a rate of zero",
        "teams: { t: { limits: { tokens: 0/min } } }",
        "1:33: `tokens`: `0/min` cannot be read · a rate of zero would refuse every request: allow one or more",
    ),
    (
        "none under way",
        "teams: { t: { limits: { concurrent: 0 } } }",
        "1:37: `concurrent`: `0` is not a whole number that fits · write one from 1 to 4294967295",
    ),
    (
        "a team's model that is none",
        "teams: { t: { models: [fats] } }",
        "1:24: team `t` names `fats`, which is no model · did you mean `fast`?",
    ),
    (
        "a team's organisation that is not there",
        "organisations: { acme: {} }\nteams: { t: { organisation: acne } }",
        "2:29: team `t` names `acne`, which is not in `organisations` · did you mean `acme`?",
    ),
    (
        "a tag with a comma",
        "teams: { t: { tags: { app: \"a,b\" } } }",
        "1:28: tag `app` has a value with a comma or a control character · use plain text",
    ),
    (
        "a name of a tag with an equals sign",
        "require_tags: [\"a=b\"]",
        "1:16: the name of a tag holds a space, a comma, an equals sign or a control character · choose another name",
    ),
    (
        "a tag that is required twice",
        "keys: { k: { secret: 0123456789abcdeX, may_set: [tags] } }\nrequire_tags: [a, a]",
        "2:19: tag `a` is required twice · keep one",
    ),
    (
        "a ceiling of zero",
        "defaults: { ceiling: 0 USD }",
        "1:22: a ceiling of 0 USD: such requests would count as free · give the most that one can cost; what is free has a price of 0 USD",
    ),
    (
        "a price finer than any",
        "prices: [{ target: a/b, input: 0.0000001 USD }]",
        "1:10: `input` has more than six decimal places of a dollar for a million tokens · give what the provider's price list says",
    ),
    (
        "a tier without a rate",
        "prices: [{ target: a/b, input: 1 USD, tier: { batch: {} } }]",
        "1:47: the tier `batch` has no rate · add what differs in it, such as `input`",
    ),
    (
        "a discount of more than all",
        "prices: [{ target: a/b, input: 1 USD, discount: 101% }]",
        "1:49: a discount is more than 0% and at most 100% · leave it out, or correct it",
    ),
    (
        "a webhook that cannot be verified",
        "alerts: { webhook: \"https://h/x\" }",
        "1:20: `webhook` has no `secret` · add `secret`, with which receivers verify that it is ours",
    ),
    (
        "a webhook that is no URL",
        "alerts: { webhook: hunter2, secret: 0123456789abcdef }",
        "1:20: `webhook` is no URL · write `https://host/path`, as its receiver gives it",
    ),
    (
        "a secret of nothing",
        "alerts: { secret: 0123456789abcdef }",
        "1:19: `secret` does nothing without `webhook` · leave it out",
    ),
];

#[test]
fn each_wrong_account_is_said_once_with_its_place_and_what_mends_it() {
    for (name, text, problem) in ADDED {
        // A collection stands once: the case's own comes first.
        let good = match text.strip_prefix("keys:") {
            Some(_) => GOOD.split("keys:").next().unwrap(),
            None => GOOD,
        };
        let said = Written::new(&format!("{text}\n{good}")).problems();
        assert_eq!(said, [*problem], "{name}");
    }
}

/// Each case: a name, a key's settings with a team and an organisation at hand, and the only problem.
const KEYS: &[(&str, &str, &str)] = &[
    (
        "a team that is not there",
        "team: suport",
        "4:46: key `k` names `suport`, which is not in `teams` · did you mean `support`?",
    ),
    (
        "a user that is not there",
        "user: bob",
        "4:46: key `k` names `bob`, which is not in `users` · add it under `users`",
    ),
    (
        "an organisation beside the team's",
        "team: support, organisation: acme",
        "4:69: `organisation` of key `k` does nothing: its team's counts · leave it out",
    ),
    (
        "what no caller may set",
        "may_set: [team]",
        "4:50: `team` is nothing that a caller may set · use `user`, `tags`, `tag:NAME` or `priority`",
    ),
    (
        "a tag without a value",
        "tags: { app: \"\" }",
        "4:53: tag `app` has no value · use plain text",
    ),
];

#[test]
fn each_wrong_belonging_of_a_key_is_said() {
    for (name, settings, problem) in KEYS {
        let text = format!(
            "organisations: {{ acme: {{}} }}\nteams: {{ support: {{ organisation: acme }} }}\nusers: {{ ada: {{}} }}\nkeys: {{ k: {{ secret: 0123456789abcdef, {settings} }} }}"
        );
        assert_eq!(Written::new(&text).problems(), [*problem], "{name}");
    }
}
