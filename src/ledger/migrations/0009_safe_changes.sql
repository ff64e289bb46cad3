-- What is switched off, by hand and at once.
CREATE TABLE switches (
  -- <kind>:<subject>
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  reason TEXT NOT NULL,
  since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who changed what: written in the transaction of the change, and never again.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  who TEXT NOT NULL,
  -- <table>.<create|change|delete>, or another verb
  what TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- JSON: the row, or of one that stays the columns that are different; null for no row
  before TEXT,
  after TEXT,
  reason TEXT,
  -- How many requests met what was changed, where somebody counted
  requests INTEGER,
  -- JSON
  detail TEXT
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, id);
CREATE TRIGGER audit_keeps_entries BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_changes_nothing BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Since when a route's watched members are counted; null where none is watched.
ALTER TABLE routes ADD COLUMN watched_since_ms INTEGER;

-- Calls of a watched route's targets by minute, counted with their events. `since_ms` is the route's at that time: what was
-- counted before a change of the route says nothing about it after.
CREATE TABLE route_minutes (
  route TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  target_id TEXT NOT NULL,
  minute_ms INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  -- Failures that were the client's answer
  seen INTEGER NOT NULL,
  PRIMARY KEY (route, since_ms, target_id, minute_ms)
) STRICT, WITHOUT ROWID;

-- Why a request went where it went, in a line; null where there was no choice.
ALTER TABLE usage_events ADD COLUMN plan TEXT;
