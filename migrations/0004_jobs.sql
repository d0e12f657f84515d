-- Training and evaluation: jobs, what they told, and the figures to plot.

CREATE TABLE jobs (
    id            TEXT    NOT NULL PRIMARY KEY,           -- UUID version 7: sorts by age
    name          TEXT    NOT NULL,
    kind          TEXT    NOT NULL CHECK (kind IN ('train', 'evaluate')),
    state         TEXT    NOT NULL CHECK (state IN
        ('queued', 'running', 'stopping', 'completed', 'failed', 'cancelled', 'interrupted')),
    folder        TEXT    NOT NULL UNIQUE,
    device        TEXT    NOT NULL CHECK (device IN ('auto', 'cpu', 'cuda')),
    recipe        TEXT    NOT NULL,                       -- the shipped recipe that it began with
    cloned_from   TEXT,                                   -- the job whose recipe was changed for this one
    work          TEXT    NOT NULL CHECK (json_valid(work)),   -- what the child process is to do
    status        TEXT    NOT NULL CHECK (json_valid(status)), -- what its events add up to
    reason        TEXT    CHECK (json_valid(reason)),     -- why it ended: {kind, text}
    process       TEXT,                                   -- the child: boot, number and start, to know it again
    kill_asked    INTEGER NOT NULL DEFAULT 0,             -- an admin wanted it ended at once
    stop_asked    INTEGER NOT NULL DEFAULT 0,
    events_offset INTEGER NOT NULL DEFAULT 0,             -- bytes of events.jsonl that are in job_events
    last_sequence INTEGER NOT NULL DEFAULT -1,            -- -1: none yet
    created_at    TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    queued_at     TEXT,                                   -- milliseconds too: the order of the queue
    started_at    TEXT,
    ended_at      TEXT
) STRICT;

CREATE INDEX jobs_not_ended ON jobs (state) WHERE state IN ('queued', 'running', 'stopping');

-- Every line of events.jsonl, as it was written.
CREATE TABLE job_events (
    job_id   TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    kind     TEXT    NOT NULL,                            -- the event's name
    line     TEXT    NOT NULL,
    PRIMARY KEY (job_id, sequence)
) STRICT, WITHOUT ROWID;

-- Samples, evaluations and warnings are few among many figures.
CREATE INDEX job_events_of_note ON job_events (job_id, kind, sequence) WHERE kind NOT IN ('metric', 'progress');

-- Figures by their place in a series, so that a plot's buckets are a scan of one range.
CREATE TABLE job_points (
    job_id    TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    phase     TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    place     INTEGER NOT NULL,                           -- from 0, in the order of iterations
    iteration INTEGER NOT NULL,
    time      REAL    NOT NULL,                           -- seconds since 1970
    value     REAL    NOT NULL,
    PRIMARY KEY (job_id, phase, name, place)
) STRICT, WITHOUT ROWID;
