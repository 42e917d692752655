//! Where items and content stand whose events do not say it.
//!
//! OpenAI numbers both in every event. Some engines number neither: llama.cpp names the item by its id
//! alone. What an event is about is then known where its id says it, or where nothing else is open; in any
//! other case the number stays required.

use super::decoder::Decoder;
use super::event::Event;
use super::open::Content;
use crate::codec::Broken;
use crate::json::Kind;
use crate::openai_responses::wire::text;

impl Decoder {
    /// Finds the item that an event without a number is about.
    pub(super) fn place(&self, kind: &str, event: &mut Event<'_>) -> Result<(), Broken> {
        if event.item_index.is_some() {
            return Ok(());
        }
        let id = named(event)?;
        let open = self.open.iter().find(|open| id.is_some() && open.id == id);
        let is_clear = id.is_some() || self.open.is_empty();
        event.item_index = match (kind, open) {
            ("response.output_item.added", Some(_)) => {
                return Err(Broken::new("an item begins that is open"));
            }
            ("response.output_item.added", None) => is_clear.then_some(self.next),
            (_, Some(open)) => Some(open.index),
            (_, None) => match self.open.as_slice() {
                [only] if id.is_none() => Some(only.index),
                _ => None,
            },
        };
        event.id = id;
        Ok(())
    }
}

/// The id of the item that an event is about.
fn named(event: &Event<'_>) -> Result<Option<String>, Broken> {
    if let Some(mut id) = event.item_id.clone() {
        return Ok(Some(text(&mut id)?));
    }
    let mut id = None;
    if let Some(mut item) = event.item.clone() {
        item.object(|key, member| match (key, member.peek()?) {
            ("id", Kind::String) => {
                id = Some(text(member)?);
                Ok(())
            }
            _ => member.skip().map(drop),
        })?;
    }
    Ok(id)
}

/// The number of content that begins: without one it follows what has ended.
pub(super) fn next_content(told: Option<u64>, list: &[Content]) -> Option<u64> {
    told.or_else(|| {
        let next = list.last().map_or(0, |last| last.index.saturating_add(1));
        list.iter().all(|content| !content.open).then_some(next)
    })
}

/// The number of content that an event is about: without one it is about the one that is open.
pub(super) fn open_content(told: Option<u64>, list: &[Content]) -> Option<u64> {
    told.or_else(|| {
        let mut open = list.iter().filter(|content| content.open);
        let only = open.next().map(|content| content.index);
        only.filter(|_| open.next().is_none())
    })
}
