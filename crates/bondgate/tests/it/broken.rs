//! Configurations that are wrong: what is said, and where.

use crate::kit::{GOOD, Written};

/// Each case: a name, what stands before the good configuration, and the only problem.
const ADDED: &[(&str, &str, &str)] = &[
    (
        "an unknown key with a near name",
        "memroy: 5MiB",
        "1:1: unknown key `memroy` · did you mean `memory`?",
    ),
    (
        "an unknown key inside",
        "upstream: { proxxy: x }",
        "1:13: unknown key `proxxy` · did you mean `proxy`?",
    ),
    (
        "a size without a unit",
        "memory: 512",
        "1:9: `memory`: `512` cannot be read · a size is written `512B`, `16KiB`, `512MiB` or `2GiB`",
    ),
    (
        "a size in powers of ten",
        "memory: 512MB",
        "1:9: `memory`: `512MB` cannot be read · a size is written `512B`, `16KiB`, `512MiB` or `2GiB`",
    ),
    (
        "a body larger than memory",
        "memory: 16MiB\nmax_body: 32MiB",
        "2:11: `max_body` is larger than `memory`, the bound of all buffers · raise `memory` or lower `max_body`",
    ),
    (
        "a memory that holds nothing",
        "memory: 1KiB\nmax_body: 1KiB",
        "1:9: `memory` is smaller than 1048576 bytes · nothing could be served: give more",
    ),
    (
        "a list where a mapping belongs",
        "upstream: [x]",
        "1:1: `upstream` is a list where a mapping belongs · write a mapping",
    ),
    (
        "a mapping where one value belongs",
        "memory: { a: b }",
        "1:1: `memory` is a mapping where a single value belongs · write a single value",
    ),
    (
        "a listener that is no address",
        "listen: everywhere",
        "1:9: `listen` is no address · an address is written `127.0.0.1:4000`, `0.0.0.0:4000`, `[::]:4000` or `localhost:4000`",
    ),
    (
        "a long listener that is no address",
        "listen: { address: \"127.0.0.1\" }",
        "1:20: `address`: `127.0.0.1` cannot be read · an address is written `127.0.0.1:4000`, `0.0.0.0:4000`, `[::]:4000` or `localhost:4000`",
    ),
    (
        "listeners that collide",
        "listen: 127.0.0.1:4000\nadmin: { listen: 0.0.0.0:4000 }",
        "2:18: `admin.listen` is the applications' address too: 0.0.0.0:4000 · give operators an address of their own",
    ),
    (
        "a certificate that is not there",
        "listen: { tls: { cert: missing.pem, key: bondgate.yaml } }",
        "1:24: `cert`: `missing.pem` cannot be read: No such file or directory (os error 2) · paths begin at the folder of this file",
    ),
    (
        "a certificate without its key",
        "listen: { tls: { cert: bondgate.yaml } }",
        "1:11: `tls` has no `key` · give `cert` and `key`, both PEM files",
    ),
    (
        "Postgres",
        "store: postgres://app:hunter2@db/x",
        "1:8: `store`: `postgres://…` is not available yet · use `sqlite`",
    ),
    (
        "a shared store",
        "shared: redis://h",
        "1:9: `shared`: `redis://…` is not available yet · use `none`",
    ),
    (
        "data classes",
        "data_classes: [public]",
        "1:1: `data_classes` is not available yet · leave it out: it would do nothing",
    ),
    (
        "guardrails",
        "guardrails: {}",
        "1:1: `guardrails` is not available yet · leave it out: it would do nothing",
    ),
    (
        "what may be overridden",
        "defaults: { overridable: [timeouts] }",
        "1:13: `overridable` is not available yet · leave it out: it would do nothing",
    ),
    (
        "recovery that is not built",
        "defaults: { recovery: exact }",
        "1:23: `recovery`: `exact` is not available yet · use `off` or `restart`",
    ),
    (
        "a misspelt choice",
        "defaults: { fidelity: strickt }",
        "1:23: `fidelity`: `strickt` is not known · did you mean `strict`?",
    ),
    (
        "a duration without a unit",
        "defaults: { timeouts: { total: 5 } }",
        "1:32: `total`: `5` cannot be read · a duration is written `250ms`, `2s`, `5m`, `1h` or `30d`",
    ),
    (
        "a timeout of zero",
        "defaults: { timeouts: { connect: 0s } }",
        "1:34: a timeout of zero: `connect` would end every call · give a length, or leave it out",
    ),
    (
        "a timeout beyond the total",
        "defaults: { timeouts: { first_token: 2m, total: 1m } }",
        "1:38: `first_token` is longer than `total`, which ends the call before · lower `first_token` or raise `total`",
    ),
    (
        "no attempt at all",
        "defaults: { retry: { max_attempts: 0 } }",
        "1:36: `max_attempts`: `0` is not a whole number that fits · write one from 1 to 100",
    ),
    (
        "a number that is none",
        "defaults: { retry: { max_attempts: -3 } }",
        "1:36: `max_attempts`: `-3` is not a whole number that fits · write one from 1 to 100",
    ),
    (
        "one target taking all attempts",
        "defaults: { retry: { same_target: 4 } }",
        "1:35: `same_target` takes every attempt that `max_attempts` allows · raise `max_attempts` above `same_target`",
    ),
    (
        "a backoff upside down",
        "defaults: { retry: { backoff: { initial: 9s } } }",
        "1:42: `backoff.initial` is longer than `backoff.max` · lower the one or raise the other",
    ),
    (
        "a short master key",
        "secrets: { master_key: hunter2 }",
        "1:24: `secrets.master_key` has fewer than 16 characters · make one with `openssl rand -base64 32`",
    ),
    (
        "a proxy that is none",
        "upstream: { proxy: \"ftp://user:hunter2@h\" }",
        "1:20: `proxy`: a proxy with the scheme `ftp` is not supported, only `http` · empty means no proxy",
    ),
    (
        "exemptions from no proxy",
        "upstream: { no_proxy: [a] }",
        "1:1: `no_proxy` does nothing without `proxy` · give `proxy`, or leave it out",
    ),
    (
        "a price that is no target",
        "prices: [{ target: x, input: 1 USD }]",
        "1:20: `x` is no target · write `provider/model`",
    ),
    (
        "a price without a currency",
        "prices: [{ target: a/b, input: 1 }]",
        "1:32: `input`: `1` cannot be read · money is written `500 USD` or `0.15 USD`, with at most nine places",
    ),
    (
        "a price without a rate",
        "prices: [{ target: a/b }]",
        "1:10: a price without any rate · add `input` and `output`, such as `0.15 USD`",
    ),
    (
        "a price that never holds",
        "prices: [{ target: a/b, input: 1 USD, from: 2026-02-01, until: 2026-01-01 }]",
        "1:64: `until` is not after `from`: the price never holds · swap or correct them",
    ),
    (
        "steps out of order",
        "prices: [{ target: a/b, input: 1 USD, above_tokens: [{ n: 9, input: 1 USD }, { n: 8, input: 1 USD }] }]",
        "1:78: the step above 8 comes too late · list the steps from the smallest `n` to the largest",
    ),
    (
        "an item that is empty",
        "prices: [~]",
        "1:10: an item of `prices` is empty · write it, or leave it out",
    ),
    (
        "tags of YAML",
        "memory: !x 5MiB",
        "1:12: tags such as `!x` mean nothing here · leave it out",
    ),
    (
        "an interpolated name",
        "upstream: { \"${X}\": y }",
        "1:13: a name cannot be interpolated · write the name out",
    ),
];

#[test]
fn each_wrong_setting_is_said_once_with_its_place_and_what_mends_it() {
    for (name, text, problem) in ADDED {
        let said = Written::new(&format!("{text}\n{GOOD}")).problems();
        // An interpolated name is an unknown one too.
        let said: Vec<_> = said
            .iter()
            .filter(|line| !line.contains("unknown key `${"))
            .collect();
        assert_eq!(said, [problem], "{name}");
    }
}

/// Each case: a name, providers, models and keys, and the only problem.
const WHOLE: &[(&str, &str, &str)] = &[
    (
        "an unknown vendor",
        "providers:\n  antropic: { key: abc }",
        "2:3: the catalogue knows no provider `antropic` · did you mean `anthropic`? Else give `base_url` and `dialect`",
    ),
    (
        "an unknown row",
        "providers:\n  p: { provider: opnai, key: abc }",
        "2:18: the catalogue knows no provider `opnai` · did you mean `openai`?",
    ),
    (
        "no dialect",
        "providers:\n  p: { base_url: http://h/v1 }",
        "2:3: provider `p` does not say what it speaks · add `dialect:` and one of `openai-chat`, `anthropic-messages`, `openai-responses`, `gemini`, `bedrock-converse`, `cohere`",
    ),
    (
        "no key",
        "providers:\n  openai: {}",
        "2:3: provider `openai` has no key · add `key: \"${OPENAI_API_KEY}\"`, or `key: none`",
    ),
    (
        "an empty key",
        "providers:\n  openai: { key: \"\" }",
        "2:18: the key of provider `openai` is empty · give it as the provider shows it, or `key: none`",
    ),
    (
        "a key with a line end",
        "providers:\n  openai: { key: \"sk-hunter2\\n\" }",
        "2:18: the key of provider `openai` holds a space, a line end or a character that no header can carry · give it as the provider shows it, or `key: none`",
    ),
    (
        "both kinds of keys",
        "providers:\n  openai: { key: a, keys: [b] }",
        "2:21: `key` and `keys` stand both · keep one of them",
    ),
    (
        "no keys in the list",
        "providers:\n  openai: { keys: [] }",
        "2:13: `keys` is empty · list one, or write `key: none`",
    ),
    (
        "a key that is never shown",
        "providers:\n  openai: { key: a, auth: none }",
        "2:27: `auth: none` with a key: the key would never be shown · leave one of them out",
    ),
    (
        "a base URL with a password",
        "providers:\n  p: { base_url: \"https://u:hunter2@h\", dialect: openai-chat }",
        "2:18: `base_url` is no base URL · write `https://host/v1`, without credentials, query or fragment",
    ),
    (
        "a base URL of another scheme",
        "providers:\n  p: { base_url: \"ftp://h\", dialect: openai-chat }",
        "2:18: `base_url` is no base URL · `ftp` is no scheme of a provider: use http or https",
    ),
    (
        "residency",
        "providers:\n  openai: { key: a, residency: eu }",
        "2:21: `residency` is not available yet · leave it out: it would do nothing",
    ),
    (
        "approvals",
        "providers:\n  openai: { key: a, approved_for: [public] }",
        "2:21: `approved_for` is not available yet · leave it out: it would do nothing",
    ),
    (
        "a header that shows a credential",
        "providers:\n  openai: { key: a, headers: { Authorization: \"Bearer hunter2\" } }",
        "2:47: header `Authorization` shows a credential · give it as `key`, with `auth` for the header",
    ),
    (
        "a header of the gateway's",
        "providers:\n  openai: { key: a, headers: { host: h } }",
        "2:38: header `host` is set by the gateway itself · leave it out",
    ),
    (
        "a header that breaks lines",
        "providers:\n  openai: { key: a, headers: { x-a: \"b\\r\\nc\" } }",
        "2:37: header `x-a` has a value that no header can carry · use one line of plain text",
    ),
    (
        "a name with a slash",
        "providers:\n  a/b: { base_url: http://h, dialect: openai-chat }",
        "2:3: the provider's name `a/b` holds a slash · targets are `provider/model`: choose a name without",
    ),
    (
        "HTTP/2 that TLS agrees on",
        "providers:\n  openai: { key: a, http2_prior_knowledge: true }",
        "2:44: `http2_prior_knowledge` does nothing over TLS, which agrees on HTTP/2 itself · leave it out",
    ),
    (
        "a target of nobody",
        "providers: { local: { base_url: http://h, dialect: openai-chat } }\nmodels:\n  m: { targets: [lcoal/x] }",
        "3:18: `lcoal/x` names no known provider · did you mean `local`?",
    ),
    (
        "a target of a known vendor",
        "models:\n  m: { targets: [openai/x] }",
        "2:18: `openai/x` names no known provider · add `openai: { key: \"${OPENAI_API_KEY}\" }` under `providers`",
    ),
    (
        "a target without a provider",
        "models:\n  m: { targets: [gpt] }",
        "2:18: `gpt` names no provider · write `provider/model`",
    ),
    (
        "a target without a model",
        "models:\n  m: { targets: [openai/] }",
        "2:18: `openai/` names no model · write `provider/model`, in the provider's own words for the model",
    ),
    (
        "no targets",
        "models:\n  m: {}",
        "2:3: model `m` has no targets · add `targets: [provider/model]`, or `alias:` for another name of a model",
    ),
    (
        "nothing of a model",
        "models:\n  m:",
        "2:3: model `m` has no targets · add `targets: [provider/model]`, or `alias:` for another name of a model",
    ),
    (
        "empty targets",
        "models:\n  m: { targets: [] }",
        "2:8: the targets of model `m` are empty · list one: `provider/model`",
    ),
    (
        "a name with a control character",
        "models:\n  \"a\\u0007b\": { targets: [] }",
        "2:3: a name holds a control character · choose another name",
    ),
    (
        "an alias of nothing",
        "providers: { local: { base_url: http://h, dialect: openai-chat } }\nmodels:\n  fast: { targets: [local/x] }\n  f: { alias: fsat }",
        "4:15: `f` is an alias of `fsat`, which is no model · did you mean `fast`?",
    ),
    (
        "an alias of itself",
        "models:\n  a: { alias: a }",
        "2:15: `a` is an alias that leads back to itself · name a model with targets",
    ),
    (
        "a key that stands twice",
        "keys:\n  a: { secret: 0123456789abcdef }\n  a: { secret: 0123456789abcdeX }",
        "3:3: `a` stands twice · it stands on line 2 already: keep one",
    ),
    (
        "a short secret",
        "keys:\n  a: { secret: hunter2 }",
        "2:16: the secret of key `a` has fewer than 16 characters · make one with `openssl rand -base64 32`",
    ),
    (
        "no secret",
        "keys:\n  my-app: {}",
        "2:3: key `my-app` has no secret · add `secret: \"${MY_APP_KEY}\"`",
    ),
    (
        "a secret with a space",
        "keys:\n  a: { secret: 0123456789 abcdef }",
        "2:16: the secret of key `a` holds a space, a line end or a character that no header can carry · use letters, digits and signs",
    ),
    (
        "one secret for two",
        "keys:\n  a: { secret: 0123456789abcdef }\n  b: { secret: 0123456789abcdef }",
        "3:16: keys `a` and `b` have the same secret · give each a secret of its own",
    ),
    (
        "a model that is none",
        "keys:\n  a: { secret: 0123456789abcdef, models: [fast] }",
        "2:43: key `a` names `fast`, which is no model · name one of the models",
    ),
    (
        "a target as a model",
        "keys:\n  a: { secret: 0123456789abcdef, models: [openai/gpt] }",
        "2:43: key `a` names `openai/gpt`, which is no model · name a model; `direct: true` of a key allows `provider/model`",
    ),
    (
        "a key that may do nothing",
        "keys:\n  a: { secret: 0123456789abcdef, models: [] }",
        "2:34: key `a` may call nothing: its `models` is empty · leave `models` out for all of them",
    ),
    (
        "a key's data class",
        "keys:\n  a: { secret: 0123456789abcdef, data_class: health }",
        "2:34: `data_class` is not available yet · leave it out: it would do nothing",
    ),
    (
        "a way past the models",
        "keys:\n  a: { secret: 0123456789abcdef, passthrough: [opnai] }",
        "2:48: key `a` names `opnai`, which is not in `providers` · add it under `providers`",
    ),
    (
        "a time that is none",
        "keys:\n  a: { secret: 0123456789abcdef, expires: tomorrow }",
        "2:43: `expires`: `tomorrow` cannot be read · a moment is written `2026-12-31` or `2026-12-31T23:59:59Z`",
    ),
    (
        "neither true nor false",
        "keys:\n  a: { secret: 0123456789abcdef, direct: yes }",
        "2:42: `direct`: `yes` is neither true nor false · write `true` or `false`",
    ),
    (
        "a list of everything",
        "- a\n- b",
        "1:1: `the configuration` is a list where a mapping belongs · write a mapping",
    ),
    (
        "two documents",
        "keys: {}\n---\nkeys: {}",
        "2:1: a second document begins here · keep one document in the file",
    ),
    (
        "merge keys",
        "defaults: &d { balance: ordered }\nmodels:\n  m: { <<: *d }",
        "3:8: merge keys (`<<`) are not read · write the keys out, or use `defaults`",
    ),
    (
        "a list as a key",
        "? [a]\n: b",
        "1:3: a key is a single value · write a name",
    ),
];

#[test]
fn each_wrong_object_is_said_once_with_its_place_and_what_mends_it() {
    for (name, text, problem) in WHOLE {
        assert_eq!(Written::new(text).problems(), [*problem], "{name}");
    }
}

/// Each case: a name, a model's settings with two good targets at hand, and the only problem.
const MODELS: &[(&str, &str, &str)] = &[
    (
        "a target twice",
        "targets: [p/a, p/a]",
        "3:23: target `p/a` stands twice · keep one; more tries on one target are `retry.same_target`",
    ),
    (
        "a weight in an ordered model",
        "targets: [{ target: p/a, weight: 2 }]",
        "3:41: `weight` does nothing in an ordered model · add `balance: weighted`, or leave it out",
    ),
    (
        "a weight where prices decide",
        "balance: cheapest, targets: [{ target: p/a, weight: 2 }]",
        "3:60: `weight` does nothing with `balance: cheapest` · add `balance: weighted`, or leave it out",
    ),
    (
        "who keeps to a target where none is drawn",
        "sticky: key, targets: [p/a]",
        "3:16: `sticky` does nothing with `balance: ordered` · add `balance: weighted`, or leave it out",
    ),
    (
        "a breaker's share that is none",
        "breaker: { ratio: 0% }, targets: [p/a]",
        "3:26: `ratio` is not a whole per cent from 1 to 100 · write one such as `50%`",
    ),
    (
        "a breaker that opens for longer than it may",
        "breaker: { open: 10m }, targets: [p/a]",
        "3:25: `breaker.open` is longer than `breaker.open_max` · lower the one or raise the other",
    ),
    (
        "a breaker that stays open for no time",
        "breaker: { open: 0s }, targets: [p/a]",
        "3:25: `open` of a breaker is zero: it would do nothing · give a length, or leave it out",
    ),
    (
        "a budget of retries for one model",
        "retry: { budget: { ratio: 10% } }, targets: [p/a]",
        "3:17: model `m` has a budget of retries, which is one for the house · move it to `defaults: { retry: { budget: … } }`",
    ),
    (
        "no weight at all",
        "balance: weighted, targets: [{ target: p/a, weight: 0 }, { target: p/b, weight: 0 }]",
        "3:60: every target of model `m` has weight 0 · give one of them a share",
    ),
    (
        "a priority of zero",
        "targets: [{ target: p/a, priority: 0 }]",
        "3:43: `priority`: `0` is not a whole number that fits · write one from 1 to 4294967295",
    ),
    (
        "a target without its name",
        "targets: [{ priority: 2 }]",
        "3:18: a target without `target` · add `target: provider/model`",
    ),
    (
        "a fallback that is a target",
        "targets: [p/a], fallback: { failure: [p/a] }",
        "3:46: fallback on `failure` repeats target `p/a` · it was tried already: leave it out",
    ),
    (
        "a weight in a fallback",
        "targets: [p/a], fallback: { failure: [{ target: p/b, weight: 2 }] }",
        "3:46: `weight` and `priority` do nothing in a fallback · fallbacks are tried in the order of the list",
    ),
    (
        "an alias with targets",
        "targets: [p/a], alias: n",
        "3:3: `m` is an alias and has targets or policy of its own · keep either `alias` or the rest",
    ),
    (
        "an unknown cause of a fallback",
        "targets: [p/a], fallback: { failures: [p/b] }",
        "3:36: unknown key `failures` · did you mean `failure`?",
    ),
];

#[test]
fn each_setting_of_a_model_that_contradicts_itself_is_said() {
    for (name, settings, problem) in MODELS {
        let providers = "providers: { p: { base_url: http://h, dialect: openai-chat } }";
        let text =
            format!("{providers}\nmodels:\n  m: {{ {settings} }}\n  n: {{ targets: [p/n] }}");
        assert_eq!(Written::new(&text).problems(), [*problem], "{name}");
    }
}

#[test]
fn all_problems_are_said_at_once_in_the_order_of_the_file() {
    let said = Written::new(
        "listen: nowhere\nproviders:\n  openai: { key: \"${NOT_SET}\", regoin: x }\nmodels:\n  a: { targets: [opnai/x] }\n  b: { targets: 5 }\nkeys:\n  k: { models: [zzz] }\n",
    )
    .problems();
    let places: Vec<&str> = said
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        places,
        ["1:9:", "3:18:", "3:32:", "5:18:", "6:17:", "8:3:", "8:17:"],
        "{said:#?}"
    );
}

#[test]
fn text_that_is_no_yaml_is_said_with_its_place() {
    for (text, place) in [
        ("a: [1, 2", "1:"),
        ("a: b\n  c: d", "2:"),
        ("\ta: b", "1:"),
        ("a: \"x", "1:"),
        ("a: *b", "1:4:"),
    ] {
        let said = Written::new(text).problems();
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        assert!(said[0].starts_with(place), "{text}: {said:?}");
    }
}

#[test]
fn bombs_are_problems_and_not_a_full_memory() {
    let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        aliases.push_str(&format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(", ")));
    }
    let deep = format!("a: {}", "[".repeat(5_000));
    let huge = format!("description: {}", "x".repeat(5 << 20));
    for bomb in [aliases, deep, huge] {
        let said = Written::new(&bomb).problems();
        assert_eq!(said.len(), 1, "{:?}", &said[..said.len().min(3)]);
    }
}

#[test]
fn a_file_that_is_not_text_is_said_with_its_place() {
    let written = Written::new("");
    std::fs::write(written.path(), b"listen: x\nda\xffta: y").unwrap();
    assert_eq!(
        written.problems(),
        ["2:3: this is no UTF-8 · save the file as UTF-8"]
    );
}

#[test]
fn no_prefix_and_no_damaged_byte_of_a_configuration_does_harm() {
    let example = include_str!("../../../../bondgate.example.yaml");
    for end in (0..example.len())
        .filter(|end| example.is_char_boundary(*end))
        .step_by(7)
    {
        let _either = Written::new(&example[..end]).check();
    }
    for (at, with) in (0..example.len())
        .step_by(23)
        .zip("{}[]:#&*!|>'\"%@`,?-\t".chars().cycle())
    {
        if example.is_char_boundary(at) && example.is_char_boundary(at + 1) {
            let mut damaged = example.to_owned();
            damaged.replace_range(at..=at, &with.to_string());
            let _either = Written::new(&damaged).check();
        }
    }
}
