-- A tombstone with an empty body was left by a person, not by the network: the removal of its
-- collection takes it away too, and finds it here.
CREATE INDEX record_removed ON record (collection) WHERE cid IS NULL AND body IS NOT NULL;
