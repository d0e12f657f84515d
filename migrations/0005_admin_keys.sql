-- Keys of programs that do what admins do.

ALTER TABLE api_keys ADD COLUMN admin INTEGER NOT NULL DEFAULT 0;
