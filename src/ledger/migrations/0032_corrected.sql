-- What rating history anew has added to each quarter of an hour, to be told apart from what was charged: a tenant's limiter
-- knows of the latter alone.
CREATE TABLE corrected (
  tenant_id TEXT NOT NULL,
  quarter_ms INTEGER NOT NULL,
  team_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, quarter_ms, team_id, key_id)
) STRICT, WITHOUT ROWID;
