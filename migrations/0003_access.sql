-- Who may do what: keys of client apps, sessions of people, and the few settings that are made at run time.

CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,               -- UUID version 7: sorts by age
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,                           -- the key's first characters, to recognise it by
    hash         TEXT NOT NULL UNIQUE,                    -- SHA-256 of the key, which has 256 random bits
    created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    last_used_at TEXT,
    revoked_at   TEXT
) STRICT;

CREATE TABLE sessions (
    hash       TEXT NOT NULL PRIMARY KEY,                 -- SHA-256 of the cookie, which has 256 random bits
    role       TEXT NOT NULL CHECK (role IN ('admin', 'user')),
    key_id     TEXT REFERENCES api_keys (id) ON DELETE CASCADE, -- the key that a user signed in with
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE settings (
    name       TEXT NOT NULL PRIMARY KEY,                 -- e.g. admin_password (argon2), active_model
    value      TEXT NOT NULL,
    changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) STRICT;
