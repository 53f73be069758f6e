-- Sums of usage by hour, product and outcome: a day of everybody is millions of minutes, and thousands of these. They are whole from meta.hours_since on;
-- before that, which is when usage was counted without them, minutes are summed. Proxies' clocks may be ahead, hence one hour more than the next one.

CREATE TABLE usage_hour (
    hour     INTEGER NOT NULL, -- its first minute
    key      INTEGER NOT NULL, -- of usage_key, with product and outcome alone
    requests INTEGER NOT NULL,
    PRIMARY KEY (hour, key)
) STRICT, WITHOUT ROWID;

ALTER TABLE meta ADD COLUMN hours_since INTEGER NOT NULL DEFAULT 0; -- a minute; 0: always

UPDATE meta SET hours_since = (unixepoch() / 3600 + 2) * 60 WHERE EXISTS (SELECT * FROM usage);
