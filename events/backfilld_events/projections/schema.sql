-- Tables for asking, derived from the log and made anew from it whenever this file changes.
CREATE TABLE folded (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

CREATE TABLE job (
    number     INTEGER PRIMARY KEY,          -- the position of its first event
    id         TEXT    NOT NULL UNIQUE,
    ended      INTEGER NOT NULL,
    state      BLOB    NOT NULL,             -- msgpack of folds.job.Job
    records    INTEGER NOT NULL DEFAULT 0    -- of its collections, inserted or updated since it began
) STRICT;
CREATE INDEX job_unended ON job (number) WHERE ended = 0;

CREATE TABLE lexicon (nsid TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT;

CREATE TABLE page (                          -- an event that names repositories; see pages.py
    base       INTEGER PRIMARY KEY,          -- the number of its first entry
    count      INTEGER NOT NULL,
    news       INTEGER NOT NULL,             -- entries that nothing had named before: their home
    job        INTEGER NOT NULL,             -- 0: receipts of repositories that no job had found
    collection INTEGER NOT NULL,             -- asked for in it (collection.number); 0: none or several
    first      INTEGER NOT NULL,             -- the ordinal of its first entry in the job
    position   INTEGER NOT NULL
) STRICT;
CREATE INDEX page_ordinal ON page (job, first);

CREATE TABLE drawer (                        -- DID -> number of its repo; see numbers.py
    node       INTEGER NOT NULL,
    chunk      INTEGER NOT NULL,
    entries    BLOB    NOT NULL,
    PRIMARY KEY (node, chunk)
) STRICT, WITHOUT ROWID;
CREATE TABLE filter (
    slice      INTEGER PRIMARY KEY,
    written    INTEGER NOT NULL,             -- entries of the slice below this number are in drawers
    bits       BLOB    NOT NULL
) STRICT;

CREATE TABLE repo (
    id         INTEGER PRIMARY KEY,          -- its number: base and place of the page it came first
    class      INTEGER NOT NULL,             -- classes.Class
    since      INTEGER NOT NULL,             -- the position that put it into its class
    handed     INTEGER,                      -- the position of its first hand-off since Tap knows it
    held       INTEGER NOT NULL,             -- a job counts it as classes.Class.HELD: in mode add
                                             -- 1, in mode auto 2, in mode refetch 3
    live       INTEGER NOT NULL,             -- rows in the index: inserted less deleted or removed
    removed    INTEGER NOT NULL,             -- taken out of the index by hand, and not come again
    aside      INTEGER NOT NULL,             -- came, and is no row: dead letters, not asked for
    came       INTEGER NOT NULL,             -- messages of its records since it was handed over last
    ask        INTEGER NOT NULL,             -- classes.Ask
    due        INTEGER NOT NULL,             -- when to ask Tap about it, unix seconds
    wait       INTEGER NOT NULL,             -- how long it was left alone before that, seconds
    need       INTEGER NOT NULL,             -- classes.Need
    need_at    INTEGER NOT NULL              -- from when on, unix seconds
) STRICT;
CREATE INDEX repo_due ON repo (ask, due) WHERE ask > 0;
CREATE INDEX repo_need ON repo (need, need_at) WHERE need > 0;
CREATE INDEX repo_unfit ON repo (id) WHERE class IN (6, 7);

CREATE TABLE seen (                          -- what Tap told of a repository, what we did with it
    repo       INTEGER PRIMARY KEY,
    account    TEXT,                         -- the last identity event's status
    handle     TEXT,
    tap_state  TEXT,                         -- the last answer of /info
    tap_error  TEXT,
    rev        TEXT,
    tap_records INTEGER,
    observed   INTEGER,                      -- the position of that answer
    drained    INTEGER NOT NULL,             -- 1: active, and then Tap's outbox was seen empty
    retries    INTEGER NOT NULL,             -- failed tries, as Tap counts them
    fault      INTEGER NOT NULL,             -- faults.Fault
    host       INTEGER NOT NULL,             -- host.number of its PDS; 0: not known
    out        INTEGER NOT NULL,             -- classes.Out
    back       INTEGER NOT NULL,             -- 1: the account was not active, and is again; 2: it
                                             -- is said not to be, and was fetched since
    sweep      INTEGER NOT NULL,             -- 1: fetched anew: rows that did not come are ghosts;
                                             -- 2: and some were deleted since
    before     TEXT,                         -- the rev that it had when it was taken out of Tap last
    doubt      INTEGER NOT NULL,             -- 1: not as many rows as Tap counts; seen once
    differs    TEXT,                         -- why its rows are not as many as Tap counts
    mended     INTEGER NOT NULL,             -- 1: fetched anew for that, or that is no help
    apart      TEXT,                         -- how its rows differ from its server's; see apart.py
    mend       INTEGER NOT NULL              -- 1: it is to be fetched anew for that
) STRICT;
CREATE INDEX seen_differs ON seen (repo) WHERE differs IS NOT NULL OR apart IS NOT NULL;
CREATE INDEX seen_fetched ON seen (observed) WHERE tap_state = 'resyncing' AND out = 0;

CREATE INDEX seen_host ON seen (repo) WHERE host > 0;

CREATE TABLE host (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE collection (                    -- of jobs; its repositories are counted under -number
    number     INTEGER PRIMARY KEY,
    nsid       TEXT    NOT NULL UNIQUE,
    asked      INTEGER NOT NULL              -- from this position on Tap fetches it: that of the
                                             -- first job for it, or of a start of the Tap we run
) STRICT;

CREATE TABLE member (                        -- jobs of a repository besides that of its first page,
    repo       INTEGER NOT NULL,             -- and collections (-number) besides that of the page
    job        INTEGER NOT NULL,
    held       INTEGER NOT NULL,             -- classes.Held
    PRIMARY KEY (repo, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE outing (                        -- repositories out of Tap, or on their way; outings.py
    position   INTEGER NOT NULL,             -- of the event that names them
    repo       INTEGER NOT NULL,
    PRIMARY KEY (position, repo)
) STRICT, WITHOUT ROWID;

CREATE TABLE lost (position INTEGER PRIMARY KEY) STRICT;  -- where the index was lost; losing.py

CREATE TABLE emptied (                       -- collections that somebody had removed; emptied.py
    collection TEXT PRIMARY KEY,
    position   INTEGER NOT NULL,             -- where it was asked for last
    under_way  INTEGER NOT NULL              -- 1: some of their records are still to go
) STRICT, WITHOUT ROWID;

CREATE TABLE restored (                      -- of these the index is a backup; restoring.py
    collection TEXT PRIMARY KEY,
    position   INTEGER NOT NULL,             -- where it was found to be one
    made       REAL    NOT NULL              -- when it was made, unix seconds
) STRICT, WITHOUT ROWID;

CREATE TABLE retried (                       -- jobs for what failed in another: ids
    job        TEXT    NOT NULL,
    later      TEXT    NOT NULL,
    PRIMARY KEY (job, later)
) STRICT, WITHOUT ROWID;

CREATE TABLE target (job INTEGER NOT NULL, collection TEXT NOT NULL, PRIMARY KEY (job, collection))
STRICT, WITHOUT ROWID;

CREATE TABLE tally (                         -- by job; by collection (-number); 0: all there are
    job        INTEGER NOT NULL,
    class      INTEGER NOT NULL,             -- classes.Class, tally.of_fault or tally.FOUND
    n          INTEGER NOT NULL,
    PRIMARY KEY (job, class)
) STRICT, WITHOUT ROWID;
CREATE TABLE zone (                          -- the same, by blocks of repo.id: where to look for them
    job        INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    block      INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (job, class, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE delivered (                     -- all receipts of every index, by collection
    collection TEXT PRIMARY KEY,
    inserted   INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER NOT NULL,
    unchanged  INTEGER NOT NULL, stale   INTEGER NOT NULL, dead    INTEGER NOT NULL,
    ignored    INTEGER NOT NULL,
    last       INTEGER NOT NULL              -- the position at which any came last that were wanted
) STRICT;
