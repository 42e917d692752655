-- What operators make at run time. Names are unique among a kind; a spec is the JSON of what
-- is said of the object and never holds a secret.
CREATE TABLE objects (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    created_at_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    revoked_at_ms INTEGER,
    UNIQUE (kind, name)
) STRICT;

-- Who refers to whom, by name: the object named may be one of the configuration's file.
CREATE TABLE object_references (
    from_id TEXT NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    to_kind TEXT NOT NULL,
    to_name TEXT NOT NULL,
    PRIMARY KEY (from_id, to_kind, to_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_references_by_target ON object_references (to_kind, to_name);

-- Keyed hashes of the secrets of virtual keys; the one without an end is the newest.
CREATE TABLE key_secrets (
    hash BLOB PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    hint TEXT NOT NULL,
    valid_until_ms INTEGER
) STRICT;
CREATE INDEX key_secrets_by_key ON key_secrets (key_id);

-- Sealed credentials of providers, in their order.
CREATE TABLE provider_keys (
    provider_id TEXT NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (provider_id, n)
) STRICT, WITHOUT ROWID;

-- Fingerprint of the master key under which hashes and seals of this file were made.
CREATE TABLE master_key (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint TEXT NOT NULL
) STRICT;

-- Every change, numbered without gaps.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    name TEXT NOT NULL,
    before TEXT,
    after TEXT
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;

-- Configurations that were given, accepted or not.
CREATE TABLE config_revisions (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    revision TEXT NOT NULL,
    who TEXT NOT NULL,
    source TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    message TEXT
) STRICT;
