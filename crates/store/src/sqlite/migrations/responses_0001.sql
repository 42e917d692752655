-- Answers that providers keep: who may go on from them, and where they are. See docs/state.md.
CREATE TABLE responses (
    -- First half of a keyed hash over the tenant and the answer's id: neither is told by it.
    name       BLOB PRIMARY KEY CHECK (length(name) = 16),
    provider   TEXT NOT NULL,
    model      TEXT NOT NULL,
    -- The provider key that the answer was made with; empty where the provider asks for none.
    credential TEXT NOT NULL,
    -- When it was bound, in milliseconds since 1970.
    at_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_by_time ON responses (at_ms);
