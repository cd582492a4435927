-- A tombstone with an empty body was left by a person, not by the network: the removal of its
-- collection takes it away too, and finds it here.
CREATE INDEX record_removed ON record (collection) WHERE cid IS NULL AND body IS NOT NULL;

-- The highest number that a row had at the last removal. Numbers are not given again: a removal takes
-- what has a number up to one, and what came later must not be among it.
CREATE TABLE numbered (id INTEGER NOT NULL) STRICT;
INSERT INTO numbered VALUES (0);
