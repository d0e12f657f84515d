-- A deleted job is out of reach at once; what it told goes in pieces, and its row last.

ALTER TABLE jobs ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
