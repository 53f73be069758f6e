-- What may be deleted of the audit log: entries older than "before". The table is empty but within a transaction that deletes them.

CREATE TABLE audit_retention (before INTEGER NOT NULL) STRICT;

DROP TRIGGER audit_is_not_deleted;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit WHEN NOT EXISTS (SELECT * FROM audit_retention WHERE OLD.time < before)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
