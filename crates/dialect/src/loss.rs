//! What a translation cannot carry, as values.
//!
//! Every encoder reports here what it drops, moves or approximates; a field
//! that changes the request and is neither carried nor named is a defect.

use std::borrow::Cow;

use crate::chat::Words;

/// A field that the target cannot carry as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Path of the field in the client's words, such as `messages[0].name`.
    pub path: String,
    /// What became of it.
    pub kind: LossKind,
    /// Whether the answer may differ in function and not only in tone.
    pub functional: bool,
    /// Why, in a few words.
    pub why: Cow<'static, str>,
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// It is not sent.
    Dropped,
    /// Something near it is sent.
    Approximated,
    /// It is sent elsewhere.
    Moved,
}

impl LossKind {
    /// The word used in headers and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LossKind::Dropped => "dropped",
            LossKind::Approximated => "approximated",
            LossKind::Moved => "moved",
        }
    }
}

/// How much loss is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// None.
    Strict,
    /// Functional losses are refused, the rest reported.
    #[default]
    Report,
    /// All are reported.
    Permit,
}

impl Fidelity {
    /// The losses that this refuses.
    #[must_use]
    pub fn refused(self, losses: &[Loss]) -> Vec<&Loss> {
        losses
            .iter()
            .filter(|loss| match self {
                Fidelity::Strict => true,
                Fidelity::Report => loss.functional,
                Fidelity::Permit => false,
            })
            .collect()
    }
}

/// Collects losses while a document is written: the first 256, a functional one
/// among them if there is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    list: Vec<Loss>,
}

impl Losses {
    /// A field whose absence may change what the answer does.
    pub fn functional(
        &mut self,
        path: impl Into<String>,
        kind: LossKind,
        why: impl Into<Cow<'static, str>>,
    ) {
        self.push(Loss {
            path: path.into(),
            kind,
            functional: true,
            why: why.into(),
        });
    }

    /// A field whose absence tunes the answer.
    pub fn tuning(
        &mut self,
        path: impl Into<String>,
        kind: LossKind,
        why: impl Into<Cow<'static, str>>,
    ) {
        self.push(Loss {
            path: path.into(),
            kind,
            functional: false,
            why: why.into(),
        });
    }

    fn push(&mut self, loss: Loss) {
        const MOST: usize = 256;
        let full = self.list.len() >= MOST
            && (!loss.functional || self.list.iter().any(|kept| kept.functional));
        if !full && self.list.last() != Some(&loss) {
            self.list.push(loss);
        }
    }

    /// Tells the paths of those from the `from`th on in words of the dialect that lost them.
    pub(crate) fn tell_in(&mut self, words: &Words, from: usize) {
        for loss in self.list.iter_mut().skip(from) {
            loss.path = words.told(&loss.path);
        }
    }

    /// All, in the order of writing.
    #[must_use]
    pub fn as_slice(&self) -> &[Loss] {
        &self.list
    }

    /// All, in the order of writing.
    #[must_use]
    pub fn into_vec(self) -> Vec<Loss> {
        self.list
    }
}
