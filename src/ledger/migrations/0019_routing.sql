-- Where data of a tenant's or a key's requests may go: JSON, null for anywhere.
ALTER TABLE tenants ADD COLUMN data_policy TEXT;
ALTER TABLE virtual_keys ADD COLUMN data_policy TEXT;

-- Members of requests by name: of one tenant, or, with '', of everybody.
CREATE TABLE presets (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- JSON of a Preset
  preset TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  UNIQUE (tenant_id, name)
) STRICT;
