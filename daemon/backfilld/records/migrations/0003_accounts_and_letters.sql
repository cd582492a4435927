-- What is to be done with an account that is not active: 1: its rows are not shown; 2: nor are they
-- kept, and none is taken in. 0: nothing.
ALTER TABLE repo ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
CREATE INDEX repo_hidden ON repo (id) WHERE hidden > 0;
CREATE INDEX repo_inactive ON repo (id) WHERE status <> 'active';

-- Those of them whose rows are still to be deleted.
CREATE TABLE leaving (repo INTEGER PRIMARY KEY REFERENCES repo) STRICT;

-- How many of `records` are not shown, kept with every commit too.
ALTER TABLE collection ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;

DROP VIEW records_text;
CREATE VIEW records_text AS
SELECT 'at://' || repo.did || '/' || collection.nsid || '/' || record.rkey AS uri,
       repo.did AS did, collection.nsid AS collection, record.rkey AS rkey, record.rev AS rev,
       record.cid AS cid, CAST(record.body AS TEXT) AS record,
       strftime('%Y-%m-%dT%H:%M:%fZ', record.indexed_at / 1e6, 'unixepoch') AS indexed_at
FROM record JOIN repo ON repo.id = record.repo JOIN collection ON collection.id = record.collection
WHERE record.cid IS NOT NULL AND repo.hidden = 0;

-- An empty `raw` of a message that was not: it was dropped, for there were too many bytes.
ALTER TABLE dead_letter ADD COLUMN action TEXT;                       -- as Tap called it
ALTER TABLE dead_letter ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE dead_letter ADD COLUMN open INTEGER NOT NULL DEFAULT 1;
ALTER TABLE dead_letter ADD COLUMN resolved_at INTEGER;               -- microseconds, UTC
ALTER TABLE dead_letter ADD COLUMN resolution TEXT;
CREATE INDEX dead_letter_open ON dead_letter (open, id);
CREATE INDEX dead_letter_of ON dead_letter (collection, open, id);
CREATE INDEX dead_letter_key ON dead_letter (did, collection, rkey) WHERE did IS NOT NULL;
CREATE INDEX dead_letter_kept ON dead_letter (open, id) WHERE length(raw) > 0;

-- How many there are, and how many bytes of them are kept; '': without a collection.
CREATE TABLE dead_count (
    collection TEXT    PRIMARY KEY,
    open       INTEGER NOT NULL,
    resolved   INTEGER NOT NULL,
    bytes      INTEGER NOT NULL
) STRICT;
INSERT INTO dead_count
SELECT ifnull(collection, ''), count(*), 0, sum(length(raw)) FROM dead_letter GROUP BY 1;

CREATE TRIGGER dead_letter_came AFTER INSERT ON dead_letter BEGIN
    INSERT INTO dead_count VALUES (ifnull(new.collection, ''), 1, 0, length(new.raw))
    ON CONFLICT DO UPDATE SET open = open + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER dead_letter_changed AFTER UPDATE OF open, raw ON dead_letter BEGIN
    UPDATE dead_count
    SET open = open + new.open - old.open, resolved = resolved + old.open - new.open,
        bytes = bytes + length(new.raw) - length(old.raw)
    WHERE collection = ifnull(new.collection, '');
END;
