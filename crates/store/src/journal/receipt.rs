//! What a writer has of a record: whether it is safe, and the waiting for that.

use tokio::sync::watch;

use super::error::StorageError;

/// How far the disk has a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The last sequence that it has.
    pub(super) synced: u64,
    /// Why it will have no more.
    pub(super) failed: Option<StorageError>,
}

/// That a record was taken.
#[derive(Debug)]
#[must_use = "with durability `power` a record is safe only once its receipt says so"]
pub struct Receipt(Standing);

#[derive(Debug)]
enum Standing {
    Durable,
    Lost(StorageError),
    Waiting {
        progress: watch::Receiver<Progress>,
        sequence: u64,
    },
}

impl Receipt {
    pub(super) fn safe() -> Self {
        Receipt(Standing::Durable)
    }

    pub(super) fn lost(error: StorageError) -> Self {
        Receipt(Standing::Lost(error))
    }

    pub(super) fn waiting(progress: watch::Receiver<Progress>, sequence: u64) -> Self {
        Receipt(Standing::Waiting { progress, sequence })
    }

    /// Whether the record is as safe as the setting `durability` asks, at this moment.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        match &self.0 {
            Standing::Durable => true,
            Standing::Lost(_) => false,
            Standing::Waiting { progress, sequence } => progress.borrow().synced >= *sequence,
        }
    }

    /// Waits until the record is as safe as the setting `durability` asks; blocks no thread.
    ///
    /// # Errors
    /// [`StorageError`] where it will never be.
    pub async fn durable(self) -> Result<(), StorageError> {
        let (mut progress, sequence) = match self.0 {
            Standing::Durable => return Ok(()),
            Standing::Lost(error) => return Err(error),
            Standing::Waiting { progress, sequence } => (progress, sequence),
        };
        let known = progress
            .wait_for(|now| now.synced >= sequence || now.failed.is_some())
            .await;
        match known {
            Ok(now) if now.synced >= sequence => Ok(()),
            Ok(now) => Err(now.failed.clone().unwrap_or_else(gone)),
            Err(_) => Err(gone()),
        }
    }
}

fn gone() -> StorageError {
    StorageError::Failed("the journal was closed before the disk had the record".into())
}
