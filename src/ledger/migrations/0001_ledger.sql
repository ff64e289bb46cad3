-- The ledger: append-only usage events, and their hourly sums, which are kept in the same transaction. Money is integer
-- nano-USD, times are epoch ms. Every table is WITHOUT ROWID where it has a natural key: one row written instead of two.

-- What was applied already: a message that comes again fails here as a whole. `first_event` tells apart two messages of
-- the same number, should a limiter's storage ever start anew.
CREATE TABLE applied (
  tenant_id TEXT NOT NULL,
  outbox_id INTEGER NOT NULL,
  first_event TEXT NOT NULL,
  applied_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, outbox_id, first_event)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_events (
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  team_id TEXT,
  key_id TEXT NOT NULL,
  cost_center TEXT,
  end_user TEXT,
  tags TEXT NOT NULL,
  trace_id TEXT,
  protocol TEXT NOT NULL,
  streamed INTEGER NOT NULL,
  requested_model TEXT NOT NULL,
  route TEXT NOT NULL,
  target_id TEXT,
  provider TEXT,
  model TEXT,
  status INTEGER NOT NULL,
  ending TEXT NOT NULL,
  failure TEXT,
  cache TEXT NOT NULL,
  is_final INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  cache_write_long_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  audio_input_tokens INTEGER NOT NULL,
  audio_output_tokens INTEGER NOT NULL,
  is_estimated INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  saved_nano_usd INTEGER NOT NULL,
  price_version TEXT,
  latency_ms INTEGER NOT NULL,
  ttft_ms INTEGER,
  PRIMARY KEY (request_id, attempt, kind)
) STRICT, WITHOUT ROWID;

-- The latest requests, and the hours that a report cuts in two. The primary key follows in the index by itself.
CREATE INDEX usage_events_by_time ON usage_events (started_at_ms);

-- Sums by hour. A dimension that an event lacks is '' here, because a key column can't be null.
CREATE TABLE usage_hourly (
  hour_ms INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  team_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  cost_center TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  cache_hits INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  cache_write_long_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  audio_input_tokens INTEGER NOT NULL,
  audio_output_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  saved_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (hour_ms, tenant_id, team_id, key_id, cost_center, provider, model)
) STRICT, WITHOUT ROWID;

-- Messages that can't be applied as they are, kept until an operator replays them.
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY,
  -- What makes two deliveries the same message.
  identity TEXT NOT NULL UNIQUE,
  tenant_id TEXT,
  outbox_id INTEGER,
  body TEXT NOT NULL,
  reason TEXT NOT NULL,
  times INTEGER NOT NULL,
  first_seen_at_ms INTEGER NOT NULL,
  last_seen_at_ms INTEGER NOT NULL,
  replayed_at_ms INTEGER
) STRICT;
