-- The ledger. Amounts are integer nano-dollars; times are milliseconds since
-- 1970; days are counted from 1970-01-01 in UTC; ids are ULIDs as text. What is
-- not known or not there is an empty text, so that keys compare.

-- Up to which record of each of the journal's writers this file holds everything.
CREATE TABLE checkpoint (
    writer   INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT;

-- The last number of each writer of entries.
CREATE TABLE writers (
    writer INTEGER PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

CREATE TABLE tagsets (
    id   INTEGER PRIMARY KEY,
    tags TEXT NOT NULL UNIQUE
) STRICT;

-- Who paid for what: what entries and rollups have in common, written once.
CREATE TABLE dimensions (
    id           INTEGER PRIMARY KEY,
    key          TEXT NOT NULL,
    team         TEXT NOT NULL,
    organisation TEXT NOT NULL,
    user         TEXT NOT NULL,
    model        TEXT NOT NULL,
    provider     TEXT NOT NULL,
    target       TEXT NOT NULL,
    tagset       INTEGER NOT NULL REFERENCES tagsets (id),
    UNIQUE (key, user, team, organisation, model, provider, target, tagset)
) STRICT;

-- The book: only ever appended to. An exchange's first entry has revision 0;
-- each correction is the difference that it makes.
CREATE TABLE entries (
    writer         INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    exchange       TEXT    NOT NULL,
    revision       INTEGER NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('settled', 'presumed', 'adjusted', 'external')),
    at_ms          INTEGER NOT NULL,
    dimension      INTEGER NOT NULL REFERENCES dimensions (id),
    run            TEXT    NOT NULL,
    requests       INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    input          INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write    INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    audio_in       INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    reasoning      INTEGER NOT NULL,
    audio_out      INTEGER NOT NULL,
    cost_nanos     INTEGER NOT NULL,
    price_id       TEXT    NOT NULL,
    unpriced       INTEGER NOT NULL,
    flags          INTEGER NOT NULL,
    note           TEXT    NOT NULL,
    PRIMARY KEY (writer, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entries_by_exchange ON entries (exchange, revision);
CREATE INDEX entries_by_time ON entries (at_ms);

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE (ABORT, 'entries are only ever appended'); END;
CREATE TRIGGER entries_are_not_removed BEFORE DELETE ON entries
BEGIN SELECT RAISE (ABORT, 'entries are only ever appended'); END;

-- What was charged to each limit, bucket and window.
CREATE TABLE balances (
    "limit"   TEXT    NOT NULL,
    bucket    TEXT    NOT NULL,
    resource  TEXT    NOT NULL,
    window_ms INTEGER NOT NULL,
    settled   INTEGER NOT NULL,
    PRIMARY KEY ("limit", bucket, resource, window_ms)
) STRICT, WITHOUT ROWID;

-- The sum of the entries of each day.
CREATE TABLE rollups (
    day            INTEGER NOT NULL,
    dimension      INTEGER NOT NULL REFERENCES dimensions (id),
    requests       INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    input          INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write    INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    audio_in       INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    reasoning      INTEGER NOT NULL,
    audio_out      INTEGER NOT NULL,
    cost_nanos     INTEGER NOT NULL,
    unpriced       INTEGER NOT NULL,
    PRIMARY KEY (day, dimension)
) STRICT, WITHOUT ROWID;

-- Dispatched and not closed at the checkpoint; or presumed, and not closed since.
CREATE TABLE open (
    id              TEXT    PRIMARY KEY,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'presumed')),
    writer          INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL,
    who             TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    target          TEXT    NOT NULL,
    config_revision TEXT    NOT NULL,
    held_nanos      INTEGER NOT NULL,
    holds           TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Versions of price rows that a cost was found by.
CREATE TABLE prices (
    id            TEXT PRIMARY KEY,
    first_used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
