//! Where a conversation was answered before, so that its next turn finds what its provider has cached.
//!
//! A conversation is known by what it begins with: what stands before its first turn of a user, and
//! that turn. The table is of a fixed size and forgets by being written over; it holds no text.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use dialect::json::{Invalid, Kind, Reader};
use foldhash::quality::FixedState;

use crate::model::Target;

/// Conversations that are remembered at most: half a megabyte.
const SLOTS: usize = 1 << 16;

/// How deep texts are looked for.
const DEPTH: u32 = 6;

/// A conversation by what it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// A number for its beginning, and for who asks.
    pub number: u64,
    /// Whether it goes on: there is more behind the first turn.
    pub goes_on: bool,
}

/// The table.
#[derive(Default)]
pub struct Affinity {
    /// A part of the conversation's number above, the target's tag below; made when it is first used.
    slots: OnceLock<Box<[AtomicU64]>>,
    turns: AtomicU64,
    returned: AtomicU64,
}

impl Affinity {
    /// The tag of the target that answered a conversation last.
    #[must_use]
    pub fn home(&self, conversation: Conversation) -> Option<u32> {
        let slot = self.slots.get()?.get(place(conversation.number))?;
        let kept = slot.load(Ordering::Relaxed);
        let same = kept != 0 && kept >> TAG_BITS == conversation.number >> TAG_BITS;
        same.then(|| u32::try_from(kept & TAG_MASK).unwrap_or_default())
    }

    /// A target answered a turn; `home` is the one that had answered the conversation before.
    pub fn answered(&self, conversation: Conversation, home: Option<u32>, target: &Target) {
        let tag = target.tag();
        if let Some(home) = home {
            self.turns.fetch_add(1, Ordering::Relaxed);
            self.returned
                .fetch_add(u64::from(home == tag), Ordering::Relaxed);
        }
        let made = || (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        if let Some(slot) = self.slots.get_or_init(made).get(place(conversation.number)) {
            let kept = conversation.number & !TAG_MASK | u64::from(tag);
            slot.store(kept, Ordering::Relaxed);
        }
    }

    /// Turns of conversations that had been answered before, and those of them that went back to the
    /// target that had.
    #[must_use]
    pub fn turns(&self) -> (u64, u64) {
        let (turns, returned) = (&self.turns, &self.returned);
        (
            turns.load(Ordering::Relaxed),
            returned.load(Ordering::Relaxed),
        )
    }
}

/// Bits of a target's tag.
const TAG_BITS: u32 = 24;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

impl Target {
    /// A short form of its number, for the table of conversations; two targets may share one.
    #[must_use]
    pub fn tag(&self) -> u32 {
        u32::try_from(self.number() & TAG_MASK).unwrap_or_default()
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default() % SLOTS
}

/// The conversation that a request belongs to, in any dialect; none where it has no turn of a user.
/// `who` keeps the conversations of different callers apart.
///
/// Reads no further than its first turn of a user and builds no tree. Of a turn only its text counts:
/// marks for caches move from turn to turn.
#[must_use]
pub fn conversation(body: &[u8], who: u64) -> Option<Conversation> {
    let mut hasher = FixedState::with_seed(who).build_hasher();
    let mut found = Opening::None;
    let mut reader = Reader::new(body).ok()?;
    // It ends early, as an error, once all is known.
    let _ = reader.object(|key, member| match (key, member.peek()?) {
        (
            "system" | "instructions" | "systemInstruction" | "system_instruction" | "preamble",
            _,
        ) => texts(member, DEPTH, &mut hasher),
        ("messages" | "contents", Kind::Array) | ("input", Kind::Array | Kind::String) => {
            found = opening(member, &mut hasher)?;
            Err(Invalid::new("known"))
        }
        _ => member.skip().map(drop),
    });
    let goes_on = match found {
        Opening::None => return None,
        Opening::Alone => false,
        Opening::Followed => true,
    };
    // The lowest bits give the place, the highest are kept beside the target.
    let number = hasher.finish();
    Some(Conversation { number, goes_on })
}

/// What stands at the beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    None,
    /// The first turn of a user is the last.
    Alone,
    Followed,
}

fn opening(list: &mut Reader<'_>, hasher: &mut impl Hasher) -> Result<Opening, Invalid> {
    if list.peek()? == Kind::String {
        texts(list, DEPTH, hasher)?;
        return Ok(Opening::Alone);
    }
    let mut found = Opening::None;
    let ended = list.array(|_, turn| {
        if found != Opening::None {
            found = Opening::Followed;
            return Err(Invalid::new("known"));
        }
        if is_users(&mut turn.clone()) {
            found = Opening::Alone;
        }
        texts(turn, DEPTH, hasher)
    });
    match found {
        Opening::Followed => Ok(found),
        Opening::None | Opening::Alone => ended.map(|()| found),
    }
}

fn is_users(turn: &mut Reader<'_>) -> bool {
    let mut users = false;
    let _ = turn.object(|key, member| {
        if key == "role" && member.peek()? == Kind::String {
            users = member.string()? == "user";
            return Ok(());
        }
        member.skip().map(drop)
    });
    users
}

/// Takes in the texts of a turn.
fn texts(value: &mut Reader<'_>, depth: u32, hasher: &mut impl Hasher) -> Result<(), Invalid> {
    let Some(depth) = depth.checked_sub(1) else {
        return value.skip().map(drop);
    };
    match value.peek()? {
        Kind::String => {
            hasher.write(value.raw()?.as_bytes());
            hasher.write_u8(0xff);
            Ok(())
        }
        Kind::Array => value.array(|_, one| texts(one, depth, hasher)),
        Kind::Object => value.object(|key, member| match key {
            "content" | "parts" | "text" | "role" => texts(member, depth, hasher),
            _ => member.skip().map(drop),
        }),
        Kind::Number | Kind::Bool | Kind::Null => value.skip().map(drop),
    }
}
