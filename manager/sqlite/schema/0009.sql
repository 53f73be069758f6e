-- When the policy's revision was made; NULL for one that was made before this was kept.

ALTER TABLE meta ADD COLUMN changed_at INTEGER;
