//! The immutable view of configuration and keys that the road reads, swapped whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::accounts::LimitSet;
use crate::caller::{Group, KeyHash, VirtualKey};
use crate::model::{Balance, Fallback, Model, Target};
use crate::money::Nanos;
use crate::price::PriceBook;
use crate::provider::Provider;
use crate::retries::RetryRules;

/// Output limit sent where a dialect demands one and neither client nor configuration gave one.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// How much of a name that is no model's is compared with those that are, in bytes.
const NEAR_BYTES: usize = 128;

/// Largest request body where nothing else is said, in bytes.
pub const DEFAULT_MAX_BODY: usize = 32 << 20;

/// One accepted configuration, with the objects that were made at run time.
///
/// [`Snapshot::default`] knows nobody and serves nothing.
pub struct Snapshot {
    /// Hash of the configuration, stamped on every exchange.
    pub revision: Arc<str>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// Models by name, aliases included.
    pub models: BTreeMap<String, Arc<Model>>,
    /// Keys by the hash of their secret.
    pub keys: HashMap<KeyHash, Arc<VirtualKey>>,
    /// Policy of models that are called as `provider/model`; has no targets.
    pub defaults: Model,
    /// How many further tries the house makes.
    pub retries: RetryRules,
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// Teams by name.
    pub teams: BTreeMap<String, Arc<Group>>,
    /// Organisations by name.
    pub organisations: BTreeMap<String, Arc<Group>>,
    /// Every limit; names are unique.
    pub limits: LimitSet,
    /// Prices: the configuration's before the built-in ones; without it none is known.
    pub prices: Option<Arc<PriceBook>>,
    /// Tags without which a request is refused.
    pub require_tags: Vec<Arc<str>>,
    /// What a request without a bound or a price counts as.
    pub ceilings: Ceilings,
    /// Who answers for an account, by its scope as it is written, such as `team:support`.
    pub about: BTreeMap<String, About>,
    /// What the configuration file owns; read-only elsewhere.
    pub of_file: FileOwned,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            revision: Arc::default(),
            providers: BTreeMap::new(),
            models: BTreeMap::new(),
            keys: HashMap::new(),
            defaults: Model::default(),
            retries: RetryRules::default(),
            max_body: DEFAULT_MAX_BODY,
            teams: BTreeMap::new(),
            organisations: BTreeMap::new(),
            limits: LimitSet::default(),
            prices: None,
            require_tags: Vec::new(),
            ceilings: Ceilings::default(),
            about: BTreeMap::new(),
            of_file: FileOwned::default(),
        }
    }
}

/// The most that a request may cost by the operator's word, where no bound or no price says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// By logical model.
    pub models: BTreeMap<String, Nanos>,
    /// By provider.
    pub providers: BTreeMap<String, Nanos>,
    /// For everything else.
    pub house: Option<Nanos>,
}

impl Ceilings {
    /// The ceiling of a request for that model at that provider: the model's, else the
    /// provider's, else the house's.
    #[must_use]
    pub fn of(&self, model: &str, provider: &str) -> Option<Nanos> {
        let own = self.models.get(model);
        own.or_else(|| self.providers.get(provider))
            .copied()
            .or(self.house)
    }
}

/// Who answers for an account, and what it is for; shown in reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Who answers for it, such as an address of mail.
    pub owner: Option<String>,
    /// Where finance books it.
    pub cost_center: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
}

/// Names of the objects that the configuration file owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOwned {
    /// Keys.
    pub keys: BTreeSet<String>,
    /// Teams.
    pub teams: BTreeSet<String>,
    /// Users.
    pub users: BTreeSet<String>,
    /// Organisations.
    pub organisations: BTreeSet<String>,
    /// Budgets.
    pub budgets: BTreeSet<String>,
    /// Providers.
    pub providers: BTreeSet<String>,
}

/// What a name leads to for one caller.
pub enum Resolved {
    /// This model.
    Model(Arc<Model>),
    /// A model that exists and that the caller may not use.
    NotAllowed,
    /// Nothing; with names that are near and that the caller may use.
    NotFound(Vec<String>),
}

impl Snapshot {
    /// Finds what `name` means for `key`: a logical name first, then `provider/model`.
    #[must_use]
    pub fn resolve(&self, name: &str, key: &VirtualKey) -> Resolved {
        if let Some(model) = self.models.get(name) {
            return if key.may_call(name) {
                Resolved::Model(Arc::clone(model))
            } else {
                Resolved::NotAllowed
            };
        }
        let direct = name
            .split_once('/')
            .filter(|(_, model)| !model.is_empty())
            .and_then(|(provider, model)| Some((self.providers.get(provider)?, model)));
        match direct {
            Some((provider, model)) if key.direct => {
                Resolved::Model(Arc::new(self.direct(name, provider, model)))
            }
            Some(_) => Resolved::NotAllowed,
            None => Resolved::NotFound(self.near(name, key)),
        }
    }

    /// Logical models that the key may call.
    pub fn callable<'a>(
        &'a self,
        key: &'a VirtualKey,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Model>)> {
        self.models
            .iter()
            .filter(|(name, _)| key.may_call(name))
            .map(|(name, model)| (name.as_str(), model))
    }

    /// The models that the key may call as `provider/model`, as far as prices name them: each provider's
    /// name with that of its model.
    pub fn callable_directly<'a>(
        &'a self,
        key: &VirtualKey,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let book = self.prices.as_ref().filter(|_| key.direct);
        book.into_iter().flat_map(|book| {
            self.providers.values().flat_map(|provider| {
                let models = book.models(&provider.name, provider.catalogue_id);
                let named = move |model| (provider.name.as_str(), model);
                models.into_iter().map(named)
            })
        })
    }

    fn direct(&self, name: &str, provider: &Arc<Provider>, model: &str) -> Model {
        let target = Target::new(Arc::clone(provider), model.to_owned());
        Model {
            name: name.into(),
            targets: vec![Arc::new(target)],
            balance: Balance::Ordered,
            fallback: Fallback::default(),
            ..self.defaults.clone()
        }
    }

    /// Logical models that the key may call and whose names are near this one; at most three.
    #[must_use]
    pub fn near(&self, name: &str, key: &VirtualKey) -> Vec<String> {
        // A name may be as long as a request; comparing takes its length times theirs.
        let wanted = name.get(..name.floor_char_boundary(NEAR_BYTES));
        let wanted = wanted.unwrap_or_default();
        let mut near: Vec<(usize, &str)> = self
            .callable(key)
            .map(|(known, _)| (distance(wanted, known), known))
            .filter(|(distance, known)| {
                *distance <= known.len().max(3) / 2
                    || known.contains(wanted)
                    || wanted.contains(known)
            })
            .collect();
        near.sort_unstable();
        near.into_iter()
            .take(3)
            .map(|(_, known)| known.to_owned())
            .collect()
    }
}

/// Levenshtein's distance, on bytes: how many edits lead from one name to the other.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let cost = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = cost.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_that_says_most_precisely_what_it_is_for_counts() {
        let ceilings = Ceilings {
            models: [("fast".to_owned(), Nanos(1))].into(),
            providers: [("openai".to_owned(), Nanos(2))].into(),
            house: Some(Nanos(3)),
        };
        assert_eq!(ceilings.of("fast", "openai"), Some(Nanos(1)));
        assert_eq!(ceilings.of("slow", "openai"), Some(Nanos(2)));
        assert_eq!(ceilings.of("slow", "other"), Some(Nanos(3)));
        assert_eq!(Ceilings::default().of("fast", "openai"), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("fast", "fast"), 0);
        assert_eq!(distance("fsat", "fast"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
