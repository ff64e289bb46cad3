-- Alerts: what happened, whom to tell, and what became of telling them. Money is nano-USD, times are epoch ms.

CREATE TABLE alerts (
  -- Newest last: what pages of the history go by
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  -- '' for what concerns the whole deployment
  tenant_id TEXT NOT NULL,
  -- Names as they were
  tenant_name TEXT,
  team_id TEXT,
  key_id TEXT,
  scope TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  subject_name TEXT,
  what TEXT NOT NULL,
  window_start_ms INTEGER NOT NULL,
  window_end_ms INTEGER,
  at_ms INTEGER NOT NULL,
  noted_at_ms INTEGER NOT NULL,
  -- JSON object
  facts TEXT NOT NULL,
  -- However often its message comes
  UNIQUE (tenant_id, what, window_start_ms)
) STRICT;

CREATE TABLE alert_channels (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  -- URL of a webhook, or address of a mailbox; of Slack, whose URL is a secret, only its host
  address TEXT NOT NULL,
  -- A webhook's signing secret or Slack's URL: encrypted here, or the name of the Worker secret that holds it
  sealed TEXT,
  secret_name TEXT,
  -- JSON arrays of text; empty for everything
  kinds TEXT NOT NULL,
  tenants TEXT NOT NULL,
  teams TEXT NOT NULL,
  keys TEXT NOT NULL,
  is_on INTEGER NOT NULL,
  -- Where the gateway was reached when the channel was made: messages lead to its dashboard
  origin TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How channels fare, apart from what an operator says of them.
CREATE TABLE alert_channel_health (
  channel_id TEXT PRIMARY KEY,
  -- Null while it works
  failing_since_ms INTEGER,
  -- Not tried before this; null while it works
  next_at_ms INTEGER,
  last_delivered_at_ms INTEGER,
  last_error TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_deliveries (
  alert_id TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  -- pending, delivered, given-up
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  -- While pending: not before this
  next_at_ms INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  settled_at_ms INTEGER,
  last_error TEXT,
  PRIMARY KEY (alert_id, channel_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_deliveries_due ON alert_deliveries (next_at_ms) WHERE state = 'pending';

-- What is beyond the usual: a JSON object for a tenant, or for everybody under ''.
CREATE TABLE alert_rules (
  id TEXT PRIMARY KEY,
  rules TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
