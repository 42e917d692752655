//! When a part's trouble begins and when it is over.
//!
//! A part must be unwell for a while before that is told, and well for as long before it is over, so
//! that one which comes and goes is told once.

use std::collections::BTreeMap;
use std::time::Duration;

use policy::control::Part;

use super::alert::Alert;

/// What is known of the parts.
pub(super) struct Troubles {
    patience: Duration,
    parts: BTreeMap<&'static str, Standing>,
}

struct Standing {
    /// Whether the last that was told is a trouble.
    told: bool,
    /// Since when it is the other way; a time since the start.
    otherwise: Option<Duration>,
}

impl Troubles {
    /// Nothing is known yet. A state must last that long to be told.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            parts: BTreeMap::new(),
        }
    }

    /// What there is to tell at that time since the start. `was_told` says of a part that is seen
    /// first whether its trouble was told before the start.
    pub(super) fn look(
        &mut self,
        parts: &[Part],
        now: Duration,
        was_told: impl Fn(&str) -> bool,
    ) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for part in parts {
            let standing = self.parts.entry(part.name).or_insert_with(|| Standing {
                told: was_told(part.name),
                otherwise: None,
            });
            if standing.told != part.well {
                standing.otherwise = None;
                continue;
            }
            let since = *standing.otherwise.get_or_insert(now);
            if now.saturating_sub(since) >= self.patience {
                standing.told = !part.well;
                standing.otherwise = None;
                alerts.push(Alert::storage(part.name, part.well, &part.state));
            }
        }
        alerts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn part(well: bool) -> [Part; 1] {
        let state = String::new();
        [Part {
            name: "journal",
            well,
            state,
        }]
    }

    #[test]
    fn a_trouble_is_told_when_it_lasts_and_when_it_is_over_for_as_long() {
        let mut troubles = Troubles::new(SECOND * 3);
        let states = [
            (false, 0),
            (false, 0),
            (true, 0), // it was none
            (false, 0),
            (false, 0),
            (false, 0),
            (false, 1),
            (false, 0), // told already
            (true, 0),
            (false, 0), // it was not over
            (true, 0),
            (true, 0),
            (true, 0),
            (true, 1),
            (true, 0),
        ];
        for (second, (well, told)) in (0..).zip(states) {
            let alerts = troubles.look(&part(well), SECOND * second, |_| false);
            assert_eq!(alerts.len(), told, "at second {second}");
        }
    }

    #[test]
    fn a_trouble_that_was_told_before_the_start_is_only_told_to_be_over() {
        let mut troubles = Troubles::new(Duration::ZERO);
        assert!(troubles.look(&part(false), SECOND, |_| true).is_empty());
        assert_eq!(troubles.look(&part(true), SECOND, |_| true).len(), 1);
    }
}
