//! How soon the upstream is closed after the client went away, in each phase
//! of an answer.
//!
//! One request at a time, named by an id; the upstream tells when it saw its
//! own connection close. Client and upstream share a process, hence a clock.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::super::client::Connection;
use super::super::load::percentile;
use super::super::report::Gone;
use super::super::setting::{PHASES, Phase};
use super::super::subject::Subject;
use super::super::upstream::Note;
use super::super::wire::{Ask, Shape};
use super::{Bench, ask};

/// How long an upstream may take to be closed before it counts as never.
const NEVER: Duration = Duration::from_secs(5);

impl Bench {
    pub(super) async fn gone(&mut self, subjects: &[Subject]) {
        for phase in PHASES {
            for subject in subjects {
                let mut times = Vec::new();
                let mut missed = 0;
                for _ in 0..self.gone {
                    match self.go_away(subject, &phase).await {
                        Ok(Some(nanos)) => times.push(nanos),
                        Ok(None) => missed += 1,
                        Err(error) => {
                            missed += 1;
                            eprintln!("gone {}: {}: {error:#}", phase.name, subject.kind);
                        }
                    }
                }
                times.sort_unstable();
                let ms = |share| percentile(&times, share).unwrap_or(0) as f64 / 1e6;
                let (p50_ms, p99_ms) = (ms(50), ms(99));
                eprintln!(
                    "gone {:<24} {:<12} {p50_ms:>8.2} ms p50 {p99_ms:>8.2} ms p99, {missed} never",
                    phase.name, subject.kind
                );
                self.report.gone.push(Gone {
                    subject: subject.kind.name(),
                    phase: phase.name,
                    p50_ms,
                    p99_ms,
                    missed,
                });
            }
        }
    }

    /// Nanoseconds from the client's close to the upstream's; none if never.
    async fn go_away(&mut self, subject: &Subject, phase: &Phase) -> anyhow::Result<Option<u64>> {
        let id = self.next_id;
        self.next_id += 1;
        let ask = Ask {
            shape: phase.shape,
            delay_ms: phase.delay_ms,
            id,
            ..ask(Shape::Whole)
        };
        let mut connection = Connection::open(subject.address, ask.wire).await?;
        connection.send(&ask.http(&subject.headers)).await?;
        while !matches!(self.note().await?, Note::Arrived(arrived) if arrived == id) {}
        if phase.events > 0 {
            tokio::time::timeout(NEVER, connection.events(phase.events))
                .await
                .context("no events")??;
        }
        let closed = Instant::now();
        drop(connection);
        while let Ok(note) = self.note().await {
            if let Note::Gone(gone, at) = note
                && gone == id
            {
                return Ok(Some(u64::try_from(
                    at.saturating_duration_since(closed).as_nanos(),
                )?));
            }
        }
        Ok(None)
    }

    async fn note(&mut self) -> anyhow::Result<Note> {
        tokio::time::timeout(NEVER, self.upstream.notes.recv())
            .await?
            .context("the upstream is gone")
    }
}
