//! The accounts against a naive reference: a list of what every request holds.
//!
//! The reference adds everything up anew each time and knows no windows but
//! minutes and hours of its own arithmetic.

use policy::accounts::{Accounts, Actual, Billed, Hold, LimitSet, RefusalKind};
use policy::caller::Attribution;
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope};
use proptest::prelude::*;

use crate::limits::{ask, caller, limit};

const CALLERS: usize = 4;
const PROVIDERS: [&str; 2] = ["openai", "anthropic"];

#[derive(Clone, Debug)]
enum Step {
    Take {
        who: usize,
        money: i64,
        tokens: i64,
    },
    Dispatch(usize),
    Extend(usize, i64),
    Settle {
        hold: usize,
        provider: usize,
        money: i64,
        tokens: i64,
    },
    Presume(usize),
    Release(usize),
    Drop(usize),
    Wait(i64),
    /// The clock is that much behind for one step.
    Behind(i64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..CALLERS, 0i64..40, 0i64..40)
            .prop_map(|(who, money, tokens)| Step::Take { who, money, tokens }),
        4 => (0usize..100).prop_map(Step::Dispatch),
        2 => (0usize..100, 0i64..20).prop_map(|(hold, more)| Step::Extend(hold, more)),
        3 => (0usize..100, 0usize..2, 0i64..45, 0i64..45).prop_map(
            |(hold, provider, money, tokens)| Step::Settle { hold, provider, money, tokens }),
        1 => (0usize..100).prop_map(Step::Presume),
        1 => (0usize..100).prop_map(Step::Release),
        1 => (0usize..100).prop_map(Step::Drop),
        1 => (0i64..40_000).prop_map(Step::Wait),
        1 => (0i64..30_000).prop_map(Step::Behind),
        1 => Just(Step::Sweep),
    ]
}

fn limits() -> Vec<Limit> {
    vec![
        limit("a all", Resource::Money, 150, Period::Hour),
        Limit {
            each: Some(Each::User),
            ..limit("b user", Resource::Money, 60, Period::Minute)
        },
        Limit {
            scope: Scope::Team("team1".into()),
            ..limit("c team", Resource::Money, 50, Period::Minute)
        },
        limit("d rate", Resource::Requests, 20, Period::Minute),
        limit("e open", Resource::Concurrent, 4, Period::Total),
        Limit {
            scope: Scope::Provider("openai".into()),
            ..limit("f openai", Resource::Tokens, 70, Period::Minute)
        },
        Limit {
            mode: Mode::Report,
            ..limit("g report", Resource::Money, 30, Period::Minute)
        },
        Limit {
            hard: false,
            ..limit("h soft", Resource::Tokens, 90, Period::Hour)
        },
        Limit {
            scope: Scope::Provider("openai".into()),
            ..limit("i openai", Resource::Requests, 15, Period::Minute)
        },
    ]
}

/// One account: limit, bucket, start of the window.
type Id = (usize, String, i64);

struct Naive {
    limits: Vec<Limit>,
    settled: Vec<(Id, i64)>,
    open: Vec<Request>,
}

#[derive(Debug)]
struct Request {
    held: Vec<(Id, i64)>,
    dispatched: bool,
}

impl Naive {
    fn sums(&self, id: &Id) -> (i64, i64) {
        let of = |list: &[(Id, i64)]| -> i64 {
            list.iter()
                .filter(|(known, _)| known == id)
                .map(|(_, n)| n)
                .sum()
        };
        (
            of(&self.settled),
            self.open.iter().map(|request| of(&request.held)).sum(),
        )
    }

    fn ids(&self, who: &Attribution, at_ms: i64) -> Vec<Id> {
        let counted = self.limits.iter().enumerate().filter(|(_, limit)| {
            if let Scope::Team(team) = &limit.scope {
                who.team.as_ref() == Some(team)
            } else {
                true
            }
        });
        counted
            .map(|(n, limit)| {
                let bucket = limit
                    .each
                    .as_ref()
                    .and(who.user.as_deref())
                    .unwrap_or_default();
                let start = match limit.resource {
                    Resource::Concurrent => 0,
                    _ if limit.period == Period::Minute => at_ms / 60_000 * 60_000,
                    Resource::Money | Resource::Tokens | Resource::Requests => {
                        at_ms / 3_600_000 * 3_600_000
                    }
                };
                (n, bucket.to_owned(), start)
            })
            .collect()
    }

    /// The gravest refusal, if any limit refuses.
    fn refusal(&self, asked: &[(Id, i64)], own: &[(Id, i64)]) -> Option<RefusalKind> {
        let kinds = asked.iter().filter_map(|(id, asked)| {
            let limit = &self.limits[id.0];
            let (settled, held) = self.sums(id);
            let own: i64 = own
                .iter()
                .filter(|(known, _)| known == id)
                .map(|(_, n)| n)
                .sum();
            if !limit.refuses() || *asked == 0 || settled + held + asked <= limit.amount {
                None
            } else if asked + own > limit.amount {
                Some(RefusalKind::NeverFits)
            } else if settled + asked + own > limit.amount {
                Some(RefusalKind::Settled)
            } else {
                Some(RefusalKind::Held)
            }
        });
        kinds.max()
    }

    fn amount(&self, id: &Id, money: i64, tokens: i64) -> i64 {
        match self.limits[id.0].resource {
            Resource::Money => money,
            Resource::Tokens => tokens,
            Resource::Requests | Resource::Concurrent => 1,
        }
    }

    /// Ends a request; `billed` is the provider, money and tokens, or `None` where what was held counts.
    fn end(&mut self, request: Request, billed: Option<(&str, i64, i64)>) {
        for (id, held) in request.held {
            let limit = &self.limits[id.0];
            let of_provider = matches!(limit.scope, Scope::Provider(_));
            let mine = !of_provider || billed.is_none_or(|(provider, ..)| provider == "openai");
            let charged = match (limit.resource, billed) {
                (Resource::Concurrent, _) => 0,
                _ if !mine => 0,
                (Resource::Money, Some((_, money, _))) => money,
                (Resource::Tokens, Some((.., tokens))) => tokens,
                (Resource::Requests, _) | (_, None) => held,
            };
            self.settled.push((id, charged));
        }
    }
}

struct Both {
    accounts: Accounts,
    set: LimitSet,
    holds: Vec<Hold>,
    naive: Naive,
    now_ms: i64,
}

impl Both {
    fn new() -> Self {
        Self {
            accounts: Accounts::new(),
            set: LimitSet::new(limits()),
            holds: Vec::new(),
            naive: Naive {
                limits: limits(),
                settled: Vec::new(),
                open: Vec::new(),
            },
            now_ms: 1_700_000_000_000,
        }
    }

    fn run(&mut self, step: &Step, at_ms: i64) {
        match *step {
            Step::Take { who, money, tokens } => self.take(who, money, tokens, at_ms),
            Step::Dispatch(n) => {
                let Some(n) = self.nth(n) else { return };
                let first = !self.naive.open[n].dispatched;
                self.naive.open[n].dispatched = true;
                assert_eq!(self.holds[n].dispatch(), first);
            }
            Step::Extend(n, more) => self.extend(n, more),
            Step::Settle {
                hold,
                provider,
                money,
                tokens,
            } => {
                let Some(n) = self.nth(hold) else { return };
                let provider = PROVIDERS[provider];
                let billed = Billed {
                    provider,
                    money,
                    tokens,
                    requests: 1,
                };
                self.settle(
                    n,
                    &Actual::Billed(&[billed]),
                    Some((provider, money, tokens)),
                );
            }
            Step::Presume(n) => {
                let Some(n) = self.nth(n) else { return };
                self.settle(n, &Actual::Presumed, None);
            }
            Step::Release(n) => {
                let Some(n) = self.nth(n) else { return };
                assert!(self.holds.swap_remove(n).release().is_some());
                let request = self.naive.open.swap_remove(n);
                self.naive.end(request, Some(("", 0, 0)));
            }
            Step::Drop(n) => {
                let Some(n) = self.nth(n) else { return };
                drop(self.holds.swap_remove(n));
                let request = self.naive.open.swap_remove(n);
                let billed = (!request.dispatched).then_some(("", 0, 0));
                self.naive.end(request, billed);
            }
            Step::Wait(ms) => self.now_ms += ms,
            Step::Behind(_) => {}
            Step::Sweep => {
                self.accounts.sweep(self.now_ms);
            }
        }
    }

    fn nth(&self, n: usize) -> Option<usize> {
        n.checked_rem(self.holds.len())
    }

    fn take(&mut self, who: usize, money: i64, tokens: i64, at_ms: i64) {
        let who = caller(who);
        let amounts = [
            (Resource::Money, money),
            (Resource::Tokens, tokens),
            (Resource::Requests, 1),
            (Resource::Concurrent, 1),
        ];
        let asked: Vec<(Id, i64)> = self
            .naive
            .ids(&who, at_ms)
            .into_iter()
            .map(|id| (id.clone(), self.naive.amount(&id, money, tokens)))
            .collect();
        let expected = self.naive.refusal(&asked, &[]);
        match self.accounts.take(&self.set, &ask(&who, at_ms, &amounts)) {
            Ok(hold) => {
                assert_eq!(expected, None);
                self.holds.push(hold);
                self.naive.open.push(Request {
                    held: asked,
                    dispatched: false,
                });
            }
            Err(refusal) => assert_eq!(Some(refusal.kind), expected, "{refusal}"),
        }
    }

    fn extend(&mut self, n: usize, more: i64) {
        let Some(n) = self.nth(n) else { return };
        let money = |id: &Id| self.naive.limits[id.0].resource == Resource::Money;
        let held = &self.naive.open[n].held;
        let asked: Vec<(Id, i64)> = held
            .iter()
            .filter(|(id, _)| money(id))
            .map(|(id, _)| (id.clone(), more))
            .collect();
        let fits = self.naive.refusal(&asked, held).is_none();
        assert_eq!(
            self.holds[n].extend(&[(Resource::Money, more)]).is_ok(),
            fits
        );
        if fits {
            for (id, held) in &mut self.naive.open[n].held {
                let asked = asked.iter().find(|(asked, _)| asked == id);
                *held += asked.map_or(0, |(_, more)| *more);
            }
        }
    }

    fn settle(&mut self, n: usize, actual: &Actual<'_>, billed: Option<(&str, i64, i64)>) {
        let settled = self.holds[n].settle(actual).is_some();
        assert_eq!(settled, self.naive.open[n].dispatched);
        if settled {
            self.holds.swap_remove(n);
            let request = self.naive.open.swap_remove(n);
            self.naive.end(request, billed);
        }
    }

    fn compare(&self) {
        let name = |name: &str| {
            self.naive
                .limits
                .iter()
                .position(|l| &*l.name == name)
                .unwrap()
        };
        for balance in self.accounts.balances(&self.set) {
            let id = (
                name(&balance.limit.name),
                balance.bucket.to_string(),
                balance.window.start_ms,
            );
            assert_eq!(
                (balance.settled, balance.held),
                self.naive.sums(&id),
                "{balance:?}"
            );
        }
    }
}

fn cases() -> u32 {
    if std::env::var_os("BONDGATE_LONG").is_some() {
        5_000
    } else {
        150
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn accounts_do_what_the_naive_reference_does(
        steps in proptest::collection::vec(step(), 200),
    ) {
        let mut both = Both::new();
        let mut behind = 0;
        for (n, step) in steps.iter().enumerate() {
            both.run(step, both.now_ms - behind);
            if n % 16 == 0 {
                both.compare();
            }
            behind = if let Step::Behind(ms) = step { *ms } else { 0 };
        }
        both.compare();
        both.holds.clear();
        for (_, held) in both.accounts.balances(&both.set).iter().map(|b| (b.settled, b.held)) {
            prop_assert_eq!(held, 0);
        }
    }
}
