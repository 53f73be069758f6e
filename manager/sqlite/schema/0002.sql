-- Named tokens, the audit log, invitations, and marks that managers count together.

ALTER TABLE account ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

CREATE TABLE admin_token (
    name         TEXT    PRIMARY KEY,
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    role         TEXT    NOT NULL,
    teams        TEXT    NOT NULL, -- JSON
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    revision     INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    time           INTEGER NOT NULL,
    actor          TEXT    NOT NULL,
    actor_kind     TEXT    NOT NULL,
    on_behalf_of   TEXT    NOT NULL,
    address        TEXT    NOT NULL,
    request_id     TEXT    NOT NULL,
    action         TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    partner        TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    product        TEXT    NOT NULL,
    before         BLOB    NOT NULL,
    after          BLOB    NOT NULL,
    policy_version INTEGER NOT NULL
) STRICT;

CREATE INDEX audit_by_time ON audit (time, id);
CREATE INDEX audit_by_actor ON audit (actor, time, id);
CREATE INDEX audit_by_partner ON audit (partner, time, id);
CREATE INDEX audit_by_name ON audit (name, time, id);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN NEW.id IN (SELECT id FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE invitation (
    digest     BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    partner    TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    invited_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (partner, email)
) STRICT;

CREATE TABLE mark (
    key   TEXT    NOT NULL,
    id    TEXT    NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (key, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX mark_by_end ON mark (until);
