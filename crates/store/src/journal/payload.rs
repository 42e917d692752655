//! Records as bytes.
//!
//! Each payload begins with its version. Fields follow in the order of
//! `docs/journal.md`; every field of a type is named here, so that a new one
//! does not compile until it has a place (and the version is raised).

use dialect::chat::Usage;
use dialect::json::Json;
use policy::caller::Attribution;
use policy::limit::Resource;
use policy::money::Nanos;
use ulid::Ulid;

use super::wire::{Put, Take, Texts, Unreadable};
use crate::record::{
    Attempt, Dispatched, Exchange, Extended, Flags, Held, LossNote, Opened, Record, State,
};

/// Version of all payloads.
const VERSION: u8 = 1;

pub(super) const OPENED: u8 = 1;
pub(super) const DISPATCHED: u8 = 2;
pub(super) const EXTENDED: u8 = 3;
pub(super) const CLOSED: u8 = 4;
/// Stands where damaged records were: holds nothing.
pub(super) const VOID: u8 = 5;

/// Reads the payload of a frame.
pub(super) fn decode(
    kind: u8,
    id: Ulid,
    bytes: &[u8],
    texts: &mut Texts,
) -> Result<Record, Unreadable> {
    let mut from = Take::new(bytes, texts);
    if !matches!(kind, OPENED | DISPATCHED | EXTENDED | CLOSED) {
        return Err(Unreadable::Newer(format!("record kind {kind}")));
    }
    let version = from.byte()?;
    if version != VERSION {
        return Err(Unreadable::Newer(format!("record version {version}")));
    }
    let record = match kind {
        OPENED => Record::Opened(Opened {
            epoch: from.number()?,
            at_ms: from.signed()?,
        }),
        DISPATCHED => Record::Dispatched(Box::new(take_dispatched(id, &mut from)?)),
        EXTENDED => Record::Extended(Extended {
            id,
            more: Nanos(from.signed()?),
            holds: from.list(take_held)?,
        }),
        _ => Record::Closed(Box::new(take_exchange(id, &mut from)?)),
    };
    from.end()?;
    Ok(record)
}

pub(super) fn put_opened(out: &mut Vec<u8>, record: Opened) {
    let Opened { epoch, at_ms } = record;
    out.byte(VERSION);
    out.number(epoch);
    out.signed(at_ms);
}

pub(super) fn put_dispatched(out: &mut Vec<u8>, record: &Dispatched) {
    let Dispatched {
        id: _,
        at_ms,
        who,
        model,
        target,
        config_revision,
        held,
        holds,
    } = record;
    out.byte(VERSION);
    out.signed(*at_ms);
    put_who(out, who);
    for text in [model, target, config_revision] {
        out.text(text);
    }
    out.signed(held.0);
    put_list(out, holds, put_held);
}

fn take_dispatched(id: Ulid, from: &mut Take<'_>) -> Result<Dispatched, Unreadable> {
    Ok(Dispatched {
        id,
        at_ms: from.signed()?,
        who: take_who(from)?,
        model: from.shared()?,
        target: from.shared()?,
        config_revision: from.shared()?,
        held: Nanos(from.signed()?),
        holds: from.list(take_held)?,
    })
}

pub(super) fn put_extended(out: &mut Vec<u8>, record: &Extended) {
    let Extended { id: _, more, holds } = record;
    out.byte(VERSION);
    out.signed(more.0);
    put_list(out, holds, put_held);
}

pub(super) fn put_exchange(out: &mut Vec<u8>, record: &Exchange) {
    let Exchange {
        id: _,
        at_ms,
        state,
        who,
        dialect,
        operation,
        model,
        target,
        served_model,
        status,
        outcome,
        stream,
        usage,
        cost,
        price_id,
        flags,
        charges,
        attempts,
        losses,
        decision,
        config_revision,
        overhead_us,
        took_us,
        first_us,
    } = record;
    out.byte(VERSION);
    out.signed(*at_ms);
    out.byte(state_code(*state));
    put_who(out, who);
    for text in [&**dialect, operation, model, target, served_model, outcome] {
        out.text(text);
    }
    out.number(u64::from(*status));
    out.byte(bits(*stream, *flags));
    put_usage(out, usage);
    out.signed(cost.0);
    out.text(price_id);
    put_list(out, charges, put_held);
    put_list(out, attempts, put_attempt);
    put_list(out, losses, put_loss);
    out.text(decision);
    out.text(config_revision);
    for number in [overhead_us, took_us, first_us] {
        out.number(*number);
    }
}

fn take_exchange(id: Ulid, from: &mut Take<'_>) -> Result<Exchange, Unreadable> {
    let at_ms = from.signed()?;
    let state = state_of(from.byte()?)?;
    let who = take_who(from)?;
    let (dialect, operation) = (from.word()?, from.word()?);
    let (model, target, served_model) = (from.shared()?, from.shared()?, from.shared()?);
    let outcome = from.word()?;
    let status = from.small()?;
    let (stream, flags) = unbits(from.byte()?)?;
    Ok(Exchange {
        id,
        at_ms,
        state,
        who,
        dialect,
        operation,
        model,
        target,
        served_model,
        status,
        outcome,
        stream,
        usage: take_usage(from)?,
        cost: Nanos(from.signed()?),
        price_id: from.shared()?,
        flags,
        charges: from.list(take_held)?,
        attempts: from.list(take_attempt)?,
        losses: from.list(take_loss)?,
        decision: from.string()?,
        config_revision: from.shared()?,
        overhead_us: from.number()?,
        took_us: from.number()?,
        first_us: from.number()?,
    })
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], one: impl Fn(&mut Vec<u8>, &T)) {
    out.number(items.len() as u64);
    for item in items {
        one(out, item);
    }
}

fn put_who(out: &mut Vec<u8>, who: &Attribution) {
    let Attribution {
        key,
        team,
        organisation,
        user,
        run,
        tags,
    } = who;
    out.text(key);
    for part in [team, organisation, user, run] {
        out.maybe(part.as_deref());
    }
    put_list(out, tags, |out, (name, value)| {
        out.text(name);
        out.text(value);
    });
}

fn take_who(from: &mut Take<'_>) -> Result<Attribution, Unreadable> {
    let key = from.shared()?;
    let mut part = || from.maybe_shared();
    let (team, organisation, user, run) = (part()?, part()?, part()?, part()?);
    Ok(Attribution {
        key,
        team,
        organisation,
        user,
        run,
        tags: from.list(|from| Ok((from.shared()?, from.shared()?)))?,
    })
}

fn put_held(out: &mut Vec<u8>, held: &Held) {
    let Held {
        limit,
        bucket,
        resource,
        window_ms,
        amount,
    } = held;
    out.text(limit);
    out.text(bucket);
    out.byte(resource_code(*resource));
    out.signed(*window_ms);
    out.signed(*amount);
}

fn take_held(from: &mut Take<'_>) -> Result<Held, Unreadable> {
    Ok(Held {
        limit: from.shared()?,
        bucket: from.shared()?,
        resource: resource_of(from.byte()?)?,
        window_ms: from.signed()?,
        amount: from.signed()?,
    })
}

fn put_attempt(out: &mut Vec<u8>, attempt: &Attempt) {
    let Attempt {
        kind,
        target,
        outcome,
        why,
        phase,
        connect_us,
        first_us,
        total_us,
        cut_by_us,
        usage,
        cost,
        status,
    } = attempt;
    for text in [&**kind, target, outcome, why, phase] {
        out.text(text);
    }
    for number in [connect_us, first_us, total_us] {
        out.number(*number);
    }
    out.byte(u8::from(*cut_by_us));
    put_usage(out, usage);
    out.signed(cost.0);
    out.number(u64::from(*status));
}

fn take_attempt(from: &mut Take<'_>) -> Result<Attempt, Unreadable> {
    Ok(Attempt {
        kind: from.word()?,
        target: from.shared()?,
        outcome: from.word()?,
        why: from.string()?,
        phase: from.word()?,
        connect_us: from.number()?,
        first_us: from.number()?,
        total_us: from.number()?,
        cut_by_us: yes_or_no(from.byte()?)?,
        usage: take_usage(from)?,
        cost: Nanos(from.signed()?),
        status: from.small()?,
    })
}

fn put_loss(out: &mut Vec<u8>, loss: &LossNote) {
    let LossNote {
        path,
        why,
        functional,
    } = loss;
    out.text(path);
    out.text(why);
    out.byte(u8::from(*functional));
}

fn take_loss(from: &mut Take<'_>) -> Result<LossNote, Unreadable> {
    Ok(LossNote {
        path: from.string()?,
        why: from.string()?,
        functional: yes_or_no(from.byte()?)?,
    })
}

fn put_usage(out: &mut Vec<u8>, usage: &Usage) {
    let Usage {
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        audio_in,
        output,
        reasoning,
        audio_out,
        // Its tokens are kept among the others'; the rest stands in the provider's own words.
        apart: _,
        raw,
    } = usage;
    for count in [input, cache_read, cache_write, cache_write_1h] {
        out.number(*count);
    }
    for count in [audio_in, output, reasoning, audio_out] {
        out.number(*count);
    }
    out.maybe(raw.as_ref().map(Json::text));
}

fn take_usage(from: &mut Take<'_>) -> Result<Usage, Unreadable> {
    Ok(Usage {
        input: from.number()?,
        cache_read: from.number()?,
        cache_write: from.number()?,
        cache_write_1h: from.number()?,
        audio_in: from.number()?,
        output: from.number()?,
        reasoning: from.number()?,
        audio_out: from.number()?,
        raw: from
            .maybe()?
            .map(Json::parse)
            .transpose()
            .map_err(|_| Unreadable::Malformed("a usage object is not JSON"))?,
        ..Usage::default()
    })
}

fn bits(stream: bool, flags: Flags) -> u8 {
    let Flags {
        estimated,
        unpriced,
        overrun,
        would_refuse,
        shortened,
    } = flags;
    [
        stream,
        estimated,
        unpriced,
        overrun,
        would_refuse,
        shortened,
    ]
    .iter()
    .rev()
    .fold(0, |bits, flag| bits << 1 | u8::from(*flag))
}

fn unbits(bits: u8) -> Result<(bool, Flags), Unreadable> {
    let bit = |at: u8| bits >> at & 1 == 1;
    if bits >> 6 != 0 {
        return Err(Unreadable::Malformed("a flag is not known"));
    }
    let flags = Flags {
        estimated: bit(1),
        unpriced: bit(2),
        overrun: bit(3),
        would_refuse: bit(4),
        shortened: bit(5),
    };
    Ok((bit(0), flags))
}

fn yes_or_no(byte: u8) -> Result<bool, Unreadable> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Unreadable::Malformed("a flag is neither yes nor no")),
    }
}

fn state_code(state: State) -> u8 {
    match state {
        State::Open => 0,
        State::Settled => 1,
        State::Presumed => 2,
        State::Released => 3,
        State::Refused => 4,
    }
}

fn state_of(code: u8) -> Result<State, Unreadable> {
    match code {
        0 => Ok(State::Open),
        1 => Ok(State::Settled),
        2 => Ok(State::Presumed),
        3 => Ok(State::Released),
        4 => Ok(State::Refused),
        _ => Err(Unreadable::Malformed("a state is not known")),
    }
}

fn resource_code(resource: Resource) -> u8 {
    match resource {
        Resource::Money => 0,
        Resource::Tokens => 1,
        Resource::Requests => 2,
        Resource::Concurrent => 3,
    }
}

fn resource_of(code: u8) -> Result<Resource, Unreadable> {
    match code {
        0 => Ok(Resource::Money),
        1 => Ok(Resource::Tokens),
        2 => Ok(Resource::Requests),
        3 => Ok(Resource::Concurrent),
        _ => Err(Unreadable::Malformed("a resource is not known")),
    }
}
