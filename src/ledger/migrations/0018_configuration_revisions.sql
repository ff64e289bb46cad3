-- What the configuration was: whole states, before and after each change that was made as one, of which the latest are kept.
CREATE TABLE configuration_revisions (
  revision INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  who TEXT NOT NULL,
  -- found: as it was before an apply; apply; rollback
  made_by TEXT NOT NULL,
  -- The revision that it was made from; of a rollback the one that it went back to
  from_revision INTEGER NOT NULL,
  reason TEXT,
  -- Things that were made, changed or taken away
  changes INTEGER NOT NULL
) STRICT;

-- The state of a revision: JSON, compressed, as base64 in parts, since a row takes no more than 2 MB.
CREATE TABLE configuration_revision_parts (
  revision INTEGER NOT NULL,
  part INTEGER NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (revision, part)
) STRICT, WITHOUT ROWID;

-- Revisions that are looked after: taken back if what they touched fails more than it may.
CREATE TABLE configuration_watches (
  revision INTEGER PRIMARY KEY,
  -- What is gone back to
  from_revision INTEGER NOT NULL,
  -- watching, kept, rolled-back, failed
  state TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  max_error_rate REAL NOT NULL,
  min_requests INTEGER NOT NULL,
  -- JSON arrays of ids
  routes TEXT NOT NULL,
  targets TEXT NOT NULL,
  -- Calls of these before
  before_requests INTEGER NOT NULL,
  before_failures INTEGER NOT NULL,
  -- And since, counted with their events. seen: failures that were the client's answer
  requests INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  seen INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX configuration_watched ON configuration_watches (until_ms) WHERE state = 'watching';
