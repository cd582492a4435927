-- With a row this file is a copy, which `backfilld backup` made then (unix seconds), and no daemon has
-- taken it up yet. Tap sends nothing again of what the original took in after that.
CREATE TABLE copied (made REAL NOT NULL) STRICT;
