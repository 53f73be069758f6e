-- For requests with a rare product, operation or outcome: all that fit are then found by their keys, in place of going through everybody's.

CREATE INDEX request_by_key ON request (key, time, id);
