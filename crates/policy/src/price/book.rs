//! The price book: which price holds for a model of a provider at a moment.
//!
//! A price of the configuration wins over the built-in data; among prices of one name, the
//! one that began last. A name that nobody has priced has no price: none is made up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, OnceLock};

use dialect::chat::Usage;
use jiff::civil::Date;

use super::data::{self, DataError, Line};
use super::{Cost, PriceRow, Tier, names};

/// Prices by provider and model.
#[derive(Clone, Debug)]
pub struct PriceBook {
    catalogue: Arc<Catalogue>,
    overrides: HashMap<Arc<str>, ByName>,
    given: Vec<Arc<PriceRow>>,
}

type ByName = HashMap<Arc<str>, Vec<Arc<PriceRow>>>;

#[derive(Debug)]
struct Catalogue {
    date: Date,
    shelves: Vec<Shelf>,
    /// Which of them is a provider's.
    providers: HashMap<Arc<str>, usize>,
}

/// The prices of one provider. Most providers are never asked for, so the built-in ones are read
/// when they are.
#[derive(Debug, Default)]
struct Shelf {
    unread: Vec<(usize, &'static str)>,
    read: OnceLock<Names>,
}

#[derive(Debug, Default)]
struct Names {
    rows: Vec<Arc<PriceRow>>,
    exact: ByName,
    dated: ByName,
    regional: ByName,
}

/// What is kept of a request that was charged, as far as its price depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The provider's name in the configuration.
    pub provider_name: &'a str,
    /// Its row in the catalogue.
    pub catalogue_id: &'a str,
    /// The model in the provider's words.
    pub model: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was used.
    pub usage: &'a Usage,
    /// The tier that served.
    pub tier: Option<Tier>,
    /// How many requests are charged.
    pub requests: u64,
}

impl PriceBook {
    /// The prices that the program brings, each provider's read when they are first asked for.
    ///
    /// # Errors
    /// Where the data that was built in cannot be told apart by providers. A line that cannot be
    /// read is found by a test; it would leave its provider without prices, not with wrong ones.
    pub fn built_in() -> Result<&'static Arc<PriceBook>, DataError> {
        static BOOK: LazyLock<Result<Arc<PriceBook>, DataError>> = LazyLock::new(|| {
            let text = include_str!("../../data/prices.jsonl");
            Catalogue::shelved(text).map(|catalogue| Arc::new(PriceBook::of(catalogue)))
        });
        BOOK.as_ref().map_err(Clone::clone)
    }

    /// Reads price data: a header, then one price a line, as `docs/prices.md` describes them.
    ///
    /// # Errors
    /// [`DataError`] with the first line that is wrong.
    pub fn parse(text: &str) -> Result<PriceBook, DataError> {
        Catalogue::parse(text).map(PriceBook::of)
    }

    fn of(catalogue: Catalogue) -> PriceBook {
        PriceBook {
            catalogue: Arc::new(catalogue),
            overrides: HashMap::new(),
            given: Vec::new(),
        }
    }

    /// The same book with these prices before its own, by `provider-name/model` and date;
    /// earlier ones given to it are forgotten.
    #[must_use]
    pub fn with(&self, overrides: Vec<PriceRow>) -> PriceBook {
        let given: Vec<Arc<PriceRow>> = overrides.into_iter().map(Arc::new).collect();
        let mut by_provider: HashMap<Arc<str>, ByName> = HashMap::new();
        for row in &given {
            let names = by_provider.entry(Arc::clone(&row.provider)).or_default();
            let rows = names.entry(Arc::clone(&row.model)).or_default();
            rows.push(Arc::clone(row));
        }
        PriceBook {
            catalogue: Arc::clone(&self.catalogue),
            overrides: by_provider,
            given,
        }
    }

    /// The price of a model at a moment, in milliseconds since 1970.
    ///
    /// `provider_name` is the configuration's, `catalogue_id` names the provider's row in
    /// the catalogue; a provider that has none is given the empty string.
    #[must_use]
    pub fn find(
        &self,
        provider_name: &str,
        catalogue_id: &str,
        model: &str,
        at_ms: i64,
    ) -> Option<Arc<PriceRow>> {
        let given = self.overrides.get(provider_name);
        given
            .and_then(|names| in_force(names.get(model)?, at_ms))
            .or_else(|| {
                let shelf = *self.catalogue.providers.get(catalogue_id)?;
                let names = self.catalogue.shelves.get(shelf)?.names();
                names.find(names::plain(model)?, at_ms)
            })
    }

    /// The models that have a price at a provider, in the order of their names, each once; named as
    /// [`PriceBook::find`] is asked.
    #[must_use]
    pub fn models<'b>(&'b self, provider_name: &str, catalogue_id: &str) -> BTreeSet<&'b str> {
        let given = self.overrides.get(provider_name).into_iter();
        let given = given.flat_map(|names| names.keys().map(|name| &**name));
        let shelf = self.catalogue.providers.get(catalogue_id);
        let shelf = shelf.and_then(|shelf| self.catalogue.shelves.get(*shelf));
        let built_in = shelf.into_iter().flat_map(|shelf| &shelf.names().rows);
        given.chain(built_in.map(|row| &*row.model)).collect()
    }

    /// All prices: those of the configuration, then the built-in ones.
    pub fn rows(&self) -> impl Iterator<Item = &Arc<PriceRow>> {
        let shelves = self.catalogue.shelves.iter();
        self.given
            .iter()
            .chain(shelves.flat_map(|shelf| &shelf.names().rows))
    }

    /// The prices of the configuration.
    #[must_use]
    pub fn given(&self) -> &[Arc<PriceRow>] {
        &self.given
    }

    /// The day of the built-in prices.
    #[must_use]
    pub fn date(&self) -> Date {
        self.catalogue.date
    }

    /// What a request costs by this book that was charged before, and by which price; none
    /// where this book does not know the model.
    #[must_use]
    pub fn rerate(&self, stored: &Stored<'_>) -> Option<(Arc<PriceRow>, Cost)> {
        let row = self.find(
            stored.provider_name,
            stored.catalogue_id,
            stored.model,
            stored.at_ms,
        )?;
        let cost = row.cost(stored.usage, stored.tier, stored.requests);
        Some((row, cost))
    }
}

impl Catalogue {
    /// Reads every line.
    fn parse(text: &str) -> Result<Self, DataError> {
        let (header, lines) = data::read_header(text)?;
        let mut providers: HashMap<Arc<str>, usize> = HashMap::new();
        let mut shelves: Vec<Names> = Vec::new();
        for (number, text) in lines {
            let (line, row) = data::read_line(number, text)?;
            let shelf = *providers
                .entry(Arc::clone(&row.provider))
                .or_insert_with(|| {
                    shelves.push(Names::default());
                    shelves.len() - 1
                });
            if let Some(names) = shelves.get_mut(shelf) {
                names
                    .add(&line, Arc::new(row))
                    .map_err(|what| DataError::new(number, what))?;
            }
        }
        let shelves = shelves.into_iter().map(|names| Shelf {
            unread: Vec::new(),
            read: OnceLock::from(names),
        });
        Ok(Self {
            date: header.date,
            shelves: shelves.collect(),
            providers,
        })
    }

    /// Puts the lines of each provider on its shelf.
    fn shelved(text: &'static str) -> Result<Self, DataError> {
        let (header, lines) = data::read_header(text)?;
        let mut providers: HashMap<Arc<str>, usize> = HashMap::new();
        let mut shelves: Vec<Shelf> = Vec::new();
        for (number, line) in lines {
            let provider = data::provider_of(line)
                .ok_or_else(|| DataError::new(number, "no provider in front"))?;
            let shelf = providers.get(provider).copied().unwrap_or(shelves.len());
            if shelf == shelves.len() {
                providers.insert(Arc::from(provider), shelf);
                shelves.push(Shelf::default());
            }
            if let Some(shelf) = shelves.get_mut(shelf) {
                shelf.unread.push((number, line));
            }
        }
        Ok(Self {
            date: header.date,
            shelves,
            providers,
        })
    }
}

impl Shelf {
    fn names(&self) -> &Names {
        self.read
            .get_or_init(|| Names::read(&self.unread).unwrap_or_default())
    }
}

impl Names {
    fn read(lines: &[(usize, &str)]) -> Result<Self, DataError> {
        let mut names = Names::default();
        for (number, text) in lines {
            let (line, row) = data::read_line(*number, text)?;
            names
                .add(&line, Arc::new(row))
                .map_err(|what| DataError::new(*number, what))?;
        }
        Ok(names)
    }

    fn add(&mut self, line: &Line, row: Arc<PriceRow>) -> Result<(), String> {
        for (list, map) in [
            (&line.models, &mut self.exact),
            (&line.dated, &mut self.dated),
            (&line.regional, &mut self.regional),
        ] {
            for name in list {
                let rows = map.entry(Arc::from(name.as_str())).or_default();
                if rows.iter().any(|other| overlap(other, &row)) {
                    let what = format!(
                        "{}/{name} has another price for the same time",
                        row.provider
                    );
                    return Err(what);
                }
                rows.push(Arc::clone(&row));
            }
        }
        self.rows.push(row);
        Ok(())
    }

    /// A listed name has its own price or none; only others are taken for versions.
    fn find(&self, name: &str, at_ms: i64) -> Option<Arc<PriceRow>> {
        if let Some(rows) = self.exact.get(name) {
            return in_force(rows, at_ms);
        }
        versions(&self.dated, name, at_ms)
            .or_else(|| versions(&self.regional, names::without_region(name)?, at_ms))
    }
}

/// The row of that name, or of the longest name that this is a version of.
fn versions(map: &ByName, name: &str, at_ms: i64) -> Option<Arc<PriceRow>> {
    std::iter::once(name)
        .chain(names::undated(name))
        .find_map(|base| map.get(base))
        .and_then(|rows| in_force(rows, at_ms))
}

/// The row that holds at that moment; of several, the one that began last.
fn in_force(rows: &[Arc<PriceRow>], at_ms: i64) -> Option<Arc<PriceRow>> {
    rows.iter()
        .filter(|row| row.holds(at_ms))
        .max_by_key(|row| row.from_ms)
        .map(Arc::clone)
}

fn overlap(one: &PriceRow, other: &PriceRow) -> bool {
    let starts_before_end = |a: &PriceRow, b: &PriceRow| {
        a.from_ms
            .is_none_or(|from| b.until_ms.is_none_or(|until| from < until))
    };
    starts_before_end(one, other) && starts_before_end(other, one)
}
