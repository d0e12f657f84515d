-- A deleted caption keeps its words until it is gone for good, also where its photo was captioned anew meanwhile: only
-- captions that are shown are unique. No constraint of a table can be taken off, so the table is made anew, with the row
-- numbers that the search index knows.

CREATE TABLE captions_with_deleted_ones (
    number         INTEGER NOT NULL PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,               -- UUID version 7: sorts by age
    image_id       TEXT    NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    model_id       TEXT    NOT NULL,
    model_revision TEXT    NOT NULL,
    precision      TEXT    NOT NULL,                      -- number format: it can turn ties
    beam_size      INTEGER NOT NULL,
    max_length     INTEGER NOT NULL,
    caption        TEXT    NOT NULL,                      -- the model's best
    score          REAL    NOT NULL,                      -- mean log-probability per token
    candidates     TEXT    NOT NULL CHECK (json_valid(candidates)), -- every beam: [{caption, score}], best first
    decode_ms      REAL    NOT NULL,
    queue_ms       REAL    NOT NULL,
    encode_ms      REAL    NOT NULL,
    search_ms      REAL    NOT NULL,
    created_at     TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    edited         TEXT,                                  -- what a person made of it; NULL: left as it is
    edited_at      TEXT,
    deleted_at     TEXT,                                  -- still there for a while, so that it can be undone
    shown          TEXT    NOT NULL GENERATED ALWAYS AS (COALESCE(edited, caption)) VIRTUAL
) STRICT;

INSERT INTO captions_with_deleted_ones (
    number, id, image_id, model_id, model_revision, precision, beam_size, max_length, caption, score, candidates,
    decode_ms, queue_ms, encode_ms, search_ms, created_at, edited, edited_at, deleted_at)
SELECT number, id, image_id, model_id, model_revision, precision, beam_size, max_length, caption, score, candidates,
       decode_ms, queue_ms, encode_ms, search_ms, created_at, edited, edited_at, deleted_at
FROM captions;

-- No trigger may name a table that is not there while another one takes its name; those of the table go with it.
DROP TRIGGER images_renamed;
DROP TABLE captions;
ALTER TABLE captions_with_deleted_ones RENAME TO captions;

-- The same image, model and search give the same captions: answered from here the second time.
CREATE UNIQUE INDEX captions_shown ON captions (image_id, model_revision, precision, beam_size, max_length)
    WHERE deleted_at IS NULL;
CREATE INDEX captions_of_image ON captions (image_id);
CREATE INDEX captions_deleted ON captions (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX captions_kept_by_model ON captions (model_id) WHERE deleted_at IS NULL;

-- The same triggers as before.
CREATE TRIGGER captions_inserted AFTER INSERT ON captions BEGIN
    INSERT INTO captions_search (rowid, shown, file_name)
    SELECT new.number, COALESCE(new.edited, new.caption), file_name FROM images WHERE id = new.image_id;
END;

-- Deleted and inserted rather than replaced: within an upsert, its own rule for conflicts would hold.
CREATE TRIGGER captions_edited AFTER UPDATE OF edited ON captions BEGIN
    DELETE FROM captions_search WHERE rowid = old.number;
    INSERT INTO captions_search (rowid, shown, file_name)
    SELECT new.number, COALESCE(new.edited, new.caption), file_name FROM images WHERE id = new.image_id;
END;

CREATE TRIGGER captions_removed AFTER DELETE ON captions BEGIN
    DELETE FROM captions_search WHERE rowid = old.number;
END;

CREATE TRIGGER images_renamed AFTER UPDATE OF file_name ON images BEGIN
    DELETE FROM captions_search WHERE rowid IN (SELECT number FROM captions WHERE image_id = new.id);
    INSERT INTO captions_search (rowid, shown, file_name)
    SELECT number, shown, new.file_name FROM captions WHERE image_id = new.id;
END;
