-- Times are microseconds since 1970, UTC; minutes are minutes since 1970, UTC.
-- Whoever changes the schema adds a file with the next number and never edits
-- one that was released.

CREATE TABLE meta (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    lineage  BLOB    NOT NULL CHECK (length(lineage) = 16),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO meta (id, lineage, revision) VALUES (1, randomblob(16), 0);

-- Every kind of resource but credentials. With a rowid, because documents may
-- be megabytes and would otherwise lie in the inner pages of the key's tree.
CREATE TABLE resource (
    kind     TEXT NOT NULL,
    partner  TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, partner, name)
) STRICT;

CREATE TABLE credential (
    id           TEXT    PRIMARY KEY,
    partner      TEXT    NOT NULL,
    application  TEXT    NOT NULL,
    environment  TEXT    NOT NULL,
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    managed_by   TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    rotated_to   TEXT    NOT NULL,
    rotated_from TEXT    NOT NULL
) STRICT;

CREATE TABLE account (
    email         TEXT    PRIMARY KEY,
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT;

CREATE TABLE membership (
    partner    TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (partner, email)
) STRICT, WITHOUT ROWID;

CREATE INDEX membership_by_email ON membership (email);

CREATE TABLE session (
    digest     BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    data       BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX session_by_expiry ON session (expires_at);

-- The words of usage stand once; usage and request rows hold their number.
CREATE TABLE usage_key (
    id          INTEGER PRIMARY KEY,
    partner     TEXT NOT NULL,
    application TEXT NOT NULL,
    product     TEXT NOT NULL,
    environment TEXT NOT NULL,
    operation   TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    UNIQUE (partner, application, product, environment, operation, outcome)
) STRICT;

-- One tree for both questions: a range of days for everybody, and for one
-- partner a short range of minutes for each of its keys on each day. An index
-- by key would double the size, and with it what each commit writes.
CREATE TABLE usage (
    day      INTEGER NOT NULL, -- minute / 1440
    key      INTEGER NOT NULL,
    minute   INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (day, key, minute)
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    time           INTEGER NOT NULL,
    request_id     TEXT    NOT NULL,
    partner        TEXT    NOT NULL,
    key            INTEGER NOT NULL,
    credential     TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    path           TEXT    NOT NULL,
    status         INTEGER NOT NULL,
    limit_name     TEXT    NOT NULL,
    policy_version INTEGER NOT NULL,
    proxy          TEXT    NOT NULL
) STRICT;

-- They end in id for the order of equal times, and in key so that rows of
-- another product or outcome are passed over without being read.
CREATE INDEX request_by_time ON request (time, id, key);
CREATE INDEX request_by_partner ON request (partner, time, id, key);
CREATE INDEX request_by_request_id ON request (request_id);

CREATE TABLE credential_use (
    partner    TEXT    NOT NULL,
    credential TEXT    NOT NULL,
    used_at    INTEGER NOT NULL,
    PRIMARY KEY (partner, credential)
) STRICT, WITHOUT ROWID;

CREATE TABLE proxy (
    id             TEXT    PRIMARY KEY,
    node           TEXT    NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_sync      INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    policy_at      INTEGER NOT NULL,
    sequence       INTEGER NOT NULL, -- the bits of an unsigned number
    reply          BLOB    NOT NULL,
    revision       INTEGER NOT NULL
) STRICT;

CREATE INDEX proxy_by_last_sync ON proxy (last_sync);

CREATE TABLE bucket (
    id       TEXT    PRIMARY KEY,
    state    BLOB    NOT NULL,
    revision INTEGER NOT NULL
) STRICT;
