-- The digest of the last batch of a proxy: two processes with one memory send different ones under one number.

ALTER TABLE proxy ADD COLUMN batch BLOB NOT NULL DEFAULT x'';
