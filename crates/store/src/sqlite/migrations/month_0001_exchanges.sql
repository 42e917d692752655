-- The exchanges of one month. Times of a run are microseconds; tags, losses,
-- verdicts and the decision are JSON texts. What is not there is an empty text.

CREATE TABLE exchanges (
    id              TEXT    NOT NULL PRIMARY KEY,
    at_ms           INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    key             TEXT    NOT NULL,
    team            TEXT    NOT NULL,
    organisation    TEXT    NOT NULL,
    user            TEXT    NOT NULL,
    run             TEXT    NOT NULL,
    tags            TEXT    NOT NULL,
    dialect         TEXT    NOT NULL,
    operation       TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    target          TEXT    NOT NULL,
    served_model    TEXT    NOT NULL,
    status          INTEGER NOT NULL,
    outcome         TEXT    NOT NULL,
    stream          INTEGER NOT NULL,
    input           INTEGER NOT NULL,
    cache_read      INTEGER NOT NULL,
    cache_write     INTEGER NOT NULL,
    cache_write_1h  INTEGER NOT NULL,
    audio_in        INTEGER NOT NULL,
    output          INTEGER NOT NULL,
    reasoning       INTEGER NOT NULL,
    audio_out       INTEGER NOT NULL,
    cost_nanos      INTEGER NOT NULL,
    price_id        TEXT    NOT NULL,
    flags           INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    losses          TEXT    NOT NULL,
    verdicts        TEXT    NOT NULL,
    decision        TEXT    NOT NULL,
    config_revision TEXT    NOT NULL,
    overhead_us     INTEGER NOT NULL,
    first_us        INTEGER NOT NULL,
    took_us         INTEGER NOT NULL
) STRICT;

CREATE TABLE attempts (
    exchange       TEXT    NOT NULL,
    n              INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    target         TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    why            TEXT    NOT NULL,
    phase          TEXT    NOT NULL,
    status         INTEGER NOT NULL,
    connect_us     INTEGER NOT NULL,
    first_us       INTEGER NOT NULL,
    total_us       INTEGER NOT NULL,
    cut_by_us      INTEGER NOT NULL,
    input          INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write    INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    audio_in       INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    reasoning      INTEGER NOT NULL,
    audio_out      INTEGER NOT NULL,
    cost_nanos     INTEGER NOT NULL,
    PRIMARY KEY (exchange, n)
) STRICT, WITHOUT ROWID;

-- Bodies of requests and answers, where keeping them is on.
CREATE TABLE payloads (
    exchange TEXT NOT NULL,
    part     TEXT NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (exchange, part)
) STRICT;
