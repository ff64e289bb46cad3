-- What is counted besides tokens, from which tier it was served, and whether anybody knew the price.
ALTER TABLE usage_events ADD COLUMN is_unpriced INTEGER NOT NULL DEFAULT 0;
-- JSON object; null for nothing
ALTER TABLE usage_events ADD COLUMN units TEXT;
ALTER TABLE usage_events ADD COLUMN service_tier TEXT;
ALTER TABLE usage_hourly ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_daily ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;

-- What becomes of a tenant's requests for models without a price; null: what the gateway does with everybody's.
ALTER TABLE tenants ADD COLUMN unpriced TEXT;
-- JSON of a price and its version, where that is what such models are charged at
ALTER TABLE tenants ADD COLUMN default_price TEXT;

-- What is charged in place of the listed price. A row is never changed, only added and taken away.
CREATE TABLE prices (
  id TEXT PRIMARY KEY,
  -- Catalogue name of a provider, or *
  provider TEXT NOT NULL,
  -- As the provider names it, or a prefix with *
  model TEXT NOT NULL,
  -- Null: for every tenant
  tenant_id TEXT REFERENCES tenants (id) ON DELETE CASCADE,
  from_ms INTEGER NOT NULL,
  -- JSON; null for a margin or discount
  price TEXT,
  basis_points INTEGER NOT NULL,
  version TEXT NOT NULL,
  note TEXT,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
