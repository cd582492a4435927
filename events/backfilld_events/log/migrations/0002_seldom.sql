-- Finds the events of a type, but for the types of which there may be millions: these are found
-- soon wherever one looks, and would make the index as large as they are many. log/seldom.py has
-- the same words.
CREATE INDEX event_seldom ON event (type) WHERE type NOT IN ('job.page-discovered', 'job.batch-handed-off', 'index.records-committed', 'tap.repos-observed');
