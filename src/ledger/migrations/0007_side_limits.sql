-- Limits of each of a tenant's end users and of a target: JSON lists of rules, as the admin API takes and shows them; null
-- where there never were any, so that nobody enforces what was taken away.
ALTER TABLE tenants ADD COLUMN end_user_limits TEXT;
-- 1: requests have to name their end user
ALTER TABLE tenants ADD COLUMN require_end_user INTEGER NOT NULL DEFAULT 0;
ALTER TABLE targets ADD COLUMN limit_rules TEXT;

-- End users with limits of their own.
CREATE TABLE end_users (
  -- <tenant_id>/<digest>
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  -- Keyed digest of the name: all that the enforcing object knows
  digest TEXT NOT NULL,
  shard INTEGER NOT NULL,
  -- As requests name the user, for the operator
  name TEXT NOT NULL,
  limit_rules TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX end_users_by_tenant ON end_users (tenant_id);
