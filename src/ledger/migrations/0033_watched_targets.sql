-- Calls of watched revisions by target, counted with their events. One that is given up after a few calls would not be seen in
-- the sum, where those count that served in its place.
CREATE TABLE configuration_watch_targets (
  revision INTEGER NOT NULL,
  target_id TEXT NOT NULL,
  requests INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  -- Failures that were the client's answer
  seen INTEGER NOT NULL,
  PRIMARY KEY (revision, target_id)
) STRICT, WITHOUT ROWID;
