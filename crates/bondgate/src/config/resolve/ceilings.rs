//! Ceilings: what a request without a bound or a price counts as, at models, providers and in
//! `defaults`.

use policy::money::Nanos;
use policy::snapshot::Ceilings;

use crate::config::file::ConfigFile;
use crate::config::problem::Problem;
use crate::config::units::Usd;
use crate::config::values::At;

/// Resolves all ceilings.
pub fn resolve(file: &ConfigFile, problems: &mut Vec<Problem>) -> Ceilings {
    let mut one = |written: Option<&At<Usd>>| -> Option<Nanos> {
        let written = written?;
        let Usd(ceiling) = written.value;
        if ceiling == Nanos::ZERO {
            let what = "a ceiling of 0 USD: such requests would count as free";
            let mend = "give the most that one can cost; what is free has a price of 0 USD";
            problems.push(Problem::at(written.place, what, mend));
        }
        Some(ceiling)
    };
    let defaults = file.defaults.as_ref();
    Ceilings {
        house: one(defaults.and_then(|defaults| defaults.value.ceiling.as_ref())),
        models: file
            .models
            .iter()
            .filter_map(|(name, model)| Some((name.clone(), one(model.value.ceiling.as_ref())?)))
            .collect(),
        providers: file
            .providers
            .iter()
            .filter_map(|(name, provider)| {
                Some((name.clone(), one(provider.value.ceiling.as_ref())?))
            })
            .collect(),
    }
}
