-- Limits on money whose balances go on. One that is not here, or is here in another shape,
-- begins with what the book has in its window.
CREATE TABLE counted (
    "limit" TEXT PRIMARY KEY,
    shape   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
