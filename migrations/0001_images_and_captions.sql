-- Photos and what the models said about them. The files lie beside the database, named by their hash.

CREATE TABLE images (
    id         TEXT    NOT NULL PRIMARY KEY,              -- UUID version 7: sorts by age
    sha256     TEXT    NOT NULL UNIQUE,                   -- of the bytes as uploaded, hexadecimal
    media_type TEXT    NOT NULL,                          -- of the stored copy, which has no metadata
    width      INTEGER NOT NULL CHECK (width > 0),        -- in pixels, upright
    height     INTEGER NOT NULL CHECK (height > 0),
    bytes      INTEGER NOT NULL,                          -- of the stored copy
    created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) STRICT;

CREATE TABLE captions (
    id             TEXT    NOT NULL PRIMARY KEY,          -- UUID version 7: sorts by age
    image_id       TEXT    NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    model_id       TEXT    NOT NULL,
    model_revision TEXT    NOT NULL,
    precision      TEXT    NOT NULL,                      -- number format: it can turn ties
    beam_size      INTEGER NOT NULL,
    max_length     INTEGER NOT NULL,
    caption        TEXT    NOT NULL,
    score          REAL    NOT NULL,                      -- mean log-probability per token
    candidates     TEXT    NOT NULL CHECK (json_valid(candidates)), -- every beam: [{caption, score}], best first
    decode_ms      REAL    NOT NULL,
    queue_ms       REAL    NOT NULL,
    encode_ms      REAL    NOT NULL,
    search_ms      REAL    NOT NULL,
    created_at     TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    -- The same image, model and search give the same captions: answered from here the second time.
    UNIQUE (image_id, model_revision, precision, beam_size, max_length)
) STRICT;
