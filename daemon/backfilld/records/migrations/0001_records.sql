-- The index. Repositories and collections are interned: text keys over random DIDs would lose
-- their speed as the table grows, small numbers in order of arrival do not.
CREATE TABLE repo (
    id      INTEGER PRIMARY KEY,
    did     TEXT NOT NULL UNIQUE,
    status  TEXT,              -- of the last identity event; NULL: none yet
    handle  TEXT
) STRICT;

CREATE TABLE collection (
    id      INTEGER PRIMARY KEY,
    nsid    TEXT    NOT NULL UNIQUE,
    records INTEGER NOT NULL DEFAULT 0  -- rows that are no tombstones, kept with every commit
) STRICT;

CREATE TABLE record (
    id         INTEGER PRIMARY KEY,
    repo       INTEGER NOT NULL REFERENCES repo,
    collection INTEGER NOT NULL REFERENCES collection,
    rkey       TEXT    NOT NULL,
    rev        TEXT    NOT NULL,
    cid        TEXT,               -- NULL with body: a tombstone
    body       BLOB,               -- JSON, the bytes that came
    indexed_at INTEGER NOT NULL    -- microseconds, UTC
) STRICT;
CREATE UNIQUE INDEX record_key ON record (repo, collection, rkey);
CREATE INDEX record_collection ON record (collection) WHERE cid IS NOT NULL;

CREATE TABLE receipt (no INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;

CREATE TABLE dead_letter (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,   -- microseconds, UTC
    why        TEXT    NOT NULL,
    did        TEXT,
    collection TEXT,
    rkey       TEXT,
    raw        BLOB    NOT NULL,   -- the message, cut at the configured length
    raw_bytes  INTEGER NOT NULL    -- its whole length
) STRICT;

CREATE VIEW records_text AS
SELECT 'at://' || repo.did || '/' || collection.nsid || '/' || record.rkey AS uri,
       repo.did AS did, collection.nsid AS collection, record.rkey AS rkey, record.rev AS rev,
       record.cid AS cid, CAST(record.body AS TEXT) AS record,
       strftime('%Y-%m-%dT%H:%M:%fZ', record.indexed_at / 1e6, 'unixepoch') AS indexed_at
FROM record JOIN repo ON repo.id = record.repo JOIN collection ON collection.id = record.collection
WHERE record.cid IS NOT NULL;
