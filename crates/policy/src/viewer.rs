//! Who looks: what a reader of records may see.

use std::sync::Arc;

/// Somebody who reads or changes records through the admin API or the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Who it is, as the audit trail names them.
    pub name: Arc<str>,
    /// What they may see.
    pub sees: Sees,
}

/// What a viewer may see and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Everything.
    Everything,
    /// What belongs to one team, without changing anything of the house.
    Team(Arc<str>),
}

impl Viewer {
    /// The holder of the admin token.
    #[must_use]
    pub fn operator(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            sees: Sees::Everything,
        }
    }

    /// The team to which all that is shown must belong, where the viewer is bound to one.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        match &self.sees {
            Sees::Everything => None,
            Sees::Team(team) => Some(team),
        }
    }
}
