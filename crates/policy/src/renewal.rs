//! Credentials that are obtained and do not last: how one is got, and the one at hand.
//!
//! Whoever serves a request only reads what is at hand. Obtaining is somebody else's: a task beside
//! the road, which asks [`Renewal::is_due`] and enters what it got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::origin::BaseUrl;
use crate::secret::Secret;

/// Renewed so long before the end, in milliseconds, or after four fifths of a shorter life.
const MARGIN_MS: i64 = 5 * 60 * 1000;

/// What has no end is looked up again after so long, in milliseconds.
const LASTING_MS: i64 = 5 * 60 * 1000;

/// The first pause after a failure, in milliseconds; doubled with each further one.
const PAUSE_MS: i64 = 1000;

/// How many times the pause is doubled at most: a little over a minute.
const DOUBLINGS_MAX: u32 = 6;

/// How a credential is obtained.
pub enum Recipe {
    /// As the AWS tools find one: bearer token or keys of the environment, the shared credentials
    /// file, the container's endpoint, the machine's metadata service.
    Aws {
        /// The profile of the shared credentials file, where one is named.
        profile: Option<String>,
    },
    /// An access token for a service account of Google, against an assertion signed with its key.
    GoogleAccount(GoogleAccount),
    /// An access token of the machine's own service account, from Google's metadata server.
    GoogleMetadata,
    /// An access token of Microsoft Entra for an application that shows its secret.
    Entra(Entra),
}

/// A service account of Google, as its key file tells.
pub struct GoogleAccount {
    /// Who it is.
    pub email: String,
    /// Which of its keys this is; empty where the file does not say.
    pub key_id: String,
    /// The private key: PKCS #8 in PEM.
    pub key: Secret,
    /// Where tokens are given.
    pub token_url: BaseUrl,
}

/// An application of Microsoft Entra.
pub struct Entra {
    /// Where tokens are given, without the tenant.
    pub authority: BaseUrl,
    /// The directory.
    pub tenant: String,
    /// The application.
    pub client_id: String,
    /// What it shows.
    pub client_secret: Secret,
}

impl Recipe {
    /// Whether both obtain the same credential in the same way.
    #[must_use]
    pub fn is_same(&self, other: &Recipe) -> bool {
        match (self, other) {
            (Recipe::Aws { profile }, Recipe::Aws { profile: theirs }) => profile == theirs,
            (Recipe::GoogleAccount(ours), Recipe::GoogleAccount(theirs)) => {
                ours.email == theirs.email
                    && ours.key_id == theirs.key_id
                    && ours.token_url == theirs.token_url
                    && ours.key.reveal() == theirs.key.reveal()
            }
            (Recipe::GoogleMetadata, Recipe::GoogleMetadata) => true,
            (Recipe::Entra(ours), Recipe::Entra(theirs)) => {
                ours.authority == theirs.authority
                    && ours.tenant == theirs.tenant
                    && ours.client_id == theirs.client_id
                    && ours.client_secret.reveal() == theirs.client_secret.reveal()
            }
            (
                Recipe::Aws { .. }
                | Recipe::GoogleAccount(_)
                | Recipe::GoogleMetadata
                | Recipe::Entra(_),
                _,
            ) => false,
        }
    }
}

/// What was obtained.
pub enum Token {
    /// Shown as `authorization: Bearer …`.
    Bearer(Secret),
    /// What requests are signed with.
    Aws(AwsKeys),
}

/// What requests to AWS are signed with.
pub struct AwsKeys {
    /// Names the secret; not secret itself.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Secret,
    /// Goes with keys that end.
    pub session_token: Option<Secret>,
}

/// A token and how long it is good.
pub struct Obtained {
    /// The token.
    pub token: Token,
    /// When it was obtained, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it ends, in milliseconds since 1970; `None` where it does not.
    pub expires_ms: Option<i64>,
}

/// A credential that is renewed.
pub struct Renewal {
    recipe: Recipe,
    state: ArcSwap<State>,
    /// Somebody obtains it at the moment.
    claimed: AtomicBool,
    /// The provider did not take the one at hand.
    refused: AtomicBool,
}

/// How the last tries ended.
#[derive(Clone, Default)]
struct State {
    held: Option<Arc<Obtained>>,
    /// Why the last try failed, where it did.
    trouble: Option<String>,
    failures: u32,
    /// When the last try ended; `None` before the first.
    tried_ms: Option<i64>,
}

impl Renewal {
    /// Nothing is at hand yet.
    #[must_use]
    pub fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            state: ArcSwap::default(),
            claimed: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        }
    }

    /// How it is obtained.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The credential at hand.
    ///
    /// # Errors
    /// Why there is none that is still good, as a clause.
    pub fn at_hand(&self, now_ms: i64) -> Result<Arc<Obtained>, String> {
        let state = self.state.load();
        let good = |held: &&Arc<Obtained>| held.expires_ms.is_none_or(|end| now_ms < end);
        if let Some(held) = state.held.as_ref().filter(good) {
            return Ok(Arc::clone(held));
        }
        Err(match &state.trouble {
            Some(why) => format!("its credential could not be obtained: {why}"),
            None => "its credential is being obtained".to_owned(),
        })
    }

    /// The credential at hand, good or not.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Obtained>> {
        self.state.load().held.clone()
    }

    /// Why the last try failed, where it did.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.state.load().trouble.clone()
    }

    /// Whether it is time to obtain it.
    #[must_use]
    pub fn is_due(&self, now_ms: i64) -> bool {
        let state = self.state.load();
        let Some(tried_ms) = state.tried_ms else {
            return true;
        };
        let pause_ms = PAUSE_MS << state.failures.min(DOUBLINGS_MAX);
        // A clock that was set back makes no pause longer.
        if (tried_ms..tried_ms.saturating_add(pause_ms)).contains(&now_ms) {
            return false;
        }
        if self.refused.load(Ordering::Relaxed) || state.trouble.is_some() {
            return true;
        }
        state.held.as_ref().is_none_or(|held| {
            let lasts_ms = held.expires_ms.map(|end| end.saturating_sub(held.at_ms));
            let due_ms =
                lasts_ms.map_or(LASTING_MS, |lasts| (lasts - MARGIN_MS).max(lasts / 5 * 4));
            now_ms >= held.at_ms.saturating_add(due_ms) || now_ms < held.at_ms
        })
    }

    /// Takes the obtaining upon oneself; false where somebody has.
    #[must_use]
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Enters how a try ended that was claimed. What is at hand stays where it failed.
    pub fn enter(&self, tried: Result<Obtained, String>, now_ms: i64) {
        let before = self.state.load();
        let next = match tried {
            Ok(obtained) => {
                self.refused.store(false, Ordering::Relaxed);
                State {
                    held: Some(Arc::new(obtained)),
                    tried_ms: Some(now_ms),
                    ..State::default()
                }
            }
            Err(why) => State {
                held: before.held.clone(),
                trouble: Some(why),
                failures: before.failures.saturating_add(1),
                tried_ms: Some(now_ms),
            },
        };
        self.state.store(Arc::new(next));
        self.claimed.store(false, Ordering::Release);
    }

    /// The provider did not take the credential at hand: it is renewed before its time.
    pub fn was_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Takes over what `before` has at hand, where both obtain the same.
    pub fn take_over(&self, before: &Renewal) {
        let has_one = before.state.load().held.is_some();
        if has_one && self.recipe.is_same(&before.recipe) {
            self.state.store(before.state.load_full());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(at_ms: i64, expires_ms: Option<i64>) -> Obtained {
        Obtained {
            token: Token::Bearer(Secret::new("t".to_owned())),
            at_ms,
            expires_ms,
        }
    }

    fn renewal() -> Renewal {
        Renewal::new(Recipe::GoogleMetadata)
    }

    #[test]
    fn it_is_due_at_first_and_again_before_its_end() {
        let renewal = renewal();
        assert!(renewal.is_due(0));
        let hour = 3_600_000;
        renewal.enter(Ok(token(0, Some(hour))), 0);
        assert!(!renewal.is_due(hour - MARGIN_MS - 1));
        assert!(renewal.is_due(hour - MARGIN_MS));
        assert!(renewal.at_hand(hour - 1).is_ok());
        assert!(renewal.at_hand(hour).is_err());
        renewal.enter(Ok(token(0, Some(10_000))), 0);
        assert!(!renewal.is_due(7_999));
        assert!(renewal.is_due(8_000));
    }

    #[test]
    fn a_failure_keeps_what_is_at_hand_and_is_tried_again_more_and_more_slowly() {
        let renewal = renewal();
        renewal.enter(Err("nobody answers".to_owned()), 0);
        let why = renewal.at_hand(0).err().unwrap();
        assert!(why.contains("nobody answers"), "{why}");
        assert!(!renewal.is_due(1_999));
        assert!(renewal.is_due(2_000));
        renewal.enter(Ok(token(2_000, Some(100_000))), 2_000);
        renewal.enter(Err("once more".to_owned()), 90_000);
        assert!(renewal.at_hand(99_999).is_ok());
        assert_eq!(renewal.trouble().as_deref(), Some("once more"));
        for _ in 0..100 {
            renewal.enter(Err("still".to_owned()), 0);
        }
        assert!(renewal.is_due(64_000));
    }

    #[test]
    fn one_that_was_refused_is_due_at_once_but_not_over_and_over() {
        let renewal = renewal();
        renewal.enter(Ok(token(0, None)), 0);
        assert!(!renewal.is_due(5_000));
        renewal.was_refused();
        assert!(renewal.is_due(5_000));
        renewal.enter(Ok(token(5_000, None)), 5_000);
        renewal.was_refused();
        assert!(!renewal.is_due(5_999));
    }

    #[test]
    fn only_one_obtains_it_at_a_time() {
        let renewal = renewal();
        assert!(renewal.claim());
        assert!(!renewal.claim());
        renewal.enter(Ok(token(0, None)), 0);
        assert!(renewal.claim());
    }

    #[test]
    fn a_new_configuration_takes_over_only_what_is_obtained_in_the_same_way() {
        let before = renewal();
        before.enter(Ok(token(0, None)), 0);
        let same = renewal();
        same.take_over(&before);
        assert!(same.at_hand(0).is_ok());
        let other = Renewal::new(Recipe::Aws { profile: None });
        other.take_over(&before);
        assert!(other.at_hand(0).is_err());
    }
}
