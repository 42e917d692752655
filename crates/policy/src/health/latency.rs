//! How long a target takes to begin an answer: an average that follows what is slow at once and what
//! is quick slowly (peak-EWMA), so that a target that slows down loses its traffic within a few answers.

use std::time::Duration;

/// The time after which a measurement counts for about a third.
const FADES: Duration = Duration::from_secs(10);

/// A moving average of latencies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    seconds: f64,
    at: Duration,
}

impl Latency {
    /// Takes a measurement at that time.
    pub fn observe(&mut self, now: Duration, took: Duration) {
        let (took, old) = (took.as_secs_f64(), self.faded(now));
        self.seconds = if took >= old {
            took
        } else {
            let kept = self.kept(now);
            self.seconds * kept + took * (1.0 - kept)
        };
        self.at = self.at.max(now);
    }

    /// Takes note that a try took so long and came to nothing: it may be slower than was thought, and is
    /// never quicker, or what fails at once would be preferred.
    pub fn at_least(&mut self, now: Duration, took: Duration) {
        if took.as_secs_f64() > self.faded(now) {
            self.observe(now, took);
        }
    }

    /// The average as it counts at that time: what was measured long ago fades, so that a target that
    /// was slow is tried again. Zero where nothing was measured.
    #[must_use]
    pub fn faded(&self, now: Duration) -> f64 {
        self.seconds * self.kept(now)
    }

    fn kept(&self, now: Duration) -> f64 {
        let since = now.saturating_sub(self.at).as_secs_f64();
        (-since / FADES.as_secs_f64()).exp()
    }
}
