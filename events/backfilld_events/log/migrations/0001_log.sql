-- The log. Rows are only ever added: the triggers refuse the rest, REPLACE too, which delete
-- triggers alone do not see.
CREATE TABLE event (
    position    INTEGER PRIMARY KEY,
    stream      TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    type        TEXT    NOT NULL,
    schema      INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    actor       TEXT    NOT NULL,
    cause       INTEGER,
    payload     BLOB    NOT NULL,
    hash        BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX event_stream ON event (stream, version);

CREATE TRIGGER event_next BEFORE INSERT ON event
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM event)
  OR NEW.version IS NOT (SELECT coalesce(max(version), 0) + 1 FROM event WHERE stream = NEW.stream)
BEGIN SELECT RAISE(ABORT, 'positions and versions have no gap and are never reused'); END;

CREATE TRIGGER event_no_update BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER event_no_delete BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
