-- Whether the policy served something until somebody took the last away: proxies take an empty policy only then.

ALTER TABLE meta ADD COLUMN emptied INTEGER NOT NULL DEFAULT 0;
