-- The configuration: the source of truth for tenants, teams, virtual keys, targets and routes. What the edge reads is
-- published from here. Money is integer nano-USD, times are epoch ms. No secret is stored: keys only as keyed digests.

-- One row. The revision grows with every change, in the same transaction.
CREATE TABLE configuration (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  revision INTEGER NOT NULL
) STRICT;
INSERT INTO configuration (id, revision) VALUES (1, 0);

CREATE TABLE tenants (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  tokens_per_minute INTEGER,
  burst_tokens INTEGER,
  budget_nano_usd INTEGER,
  budget_period TEXT,
  cache_mode TEXT NOT NULL,
  cache_ttl_seconds INTEGER NOT NULL,
  time_zone TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE teams (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  tokens_per_minute INTEGER,
  burst_tokens INTEGER,
  budget_nano_usd INTEGER,
  budget_period TEXT,
  created_at_ms INTEGER NOT NULL,
  UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE virtual_keys (
  id TEXT PRIMARY KEY,
  kid TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  team_id TEXT REFERENCES teams (id),
  name TEXT NOT NULL,
  -- JSON array of {pepperVersion, hmacHex}
  hashes TEXT NOT NULL,
  cost_center TEXT,
  -- JSON arrays of text
  tags TEXT NOT NULL,
  models TEXT NOT NULL,
  tokens_per_minute INTEGER,
  burst_tokens INTEGER,
  budget_nano_usd INTEGER,
  budget_period TEXT,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- A name is free again once its key is revoked, so that a key can be replaced under the same name.
CREATE UNIQUE INDEX virtual_keys_by_name ON virtual_keys (tenant_id, name) WHERE revoked_at_ms IS NULL;

CREATE TABLE targets (
  id TEXT PRIMARY KEY,
  name TEXT,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  -- JSON of the compiled target, as it is published
  compiled TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  -- JSON of what the probe saw; null when it was never probed
  probe TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE routes (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  -- '' for every tenant
  tenant_id TEXT NOT NULL,
  -- JSON arrays of text
  targets TEXT NOT NULL,
  allowed_gaps TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  UNIQUE (model, tenant_id)
) STRICT, WITHOUT ROWID;
