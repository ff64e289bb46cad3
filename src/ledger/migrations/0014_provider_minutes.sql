-- Calls of providers that fail, by the minute, counted with their events and forgotten after hours.
CREATE TABLE provider_minutes (
  provider TEXT NOT NULL,
  minute_ms INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  successes INTEGER NOT NULL,
  -- Class of one of the failures
  failure TEXT,
  PRIMARY KEY (provider, minute_ms)
) STRICT, WITHOUT ROWID;
