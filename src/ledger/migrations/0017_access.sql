-- Who may operate the deployment, and who did. No secret is stored: tokens and sessions only as digests. Times are epoch ms.

-- Who made a change, by what stays the same of them, from where, and whom it concerned; null in entries of before.
ALTER TABLE audit ADD COLUMN actor TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN tenant_id TEXT;
ALTER TABLE audit ADD COLUMN team_id TEXT;
CREATE INDEX audit_by_tenant ON audit (tenant_id, id) WHERE tenant_id IS NOT NULL;

CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY,
  -- Public part of the token, by which it is looked up
  kid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  -- Of the secret before the last rotation, and until when that is still taken
  previous_digest TEXT,
  previous_until_ms INTEGER,
  role TEXT NOT NULL,
  -- Null for the whole deployment
  tenant_id TEXT,
  team_id TEXT,
  created_by TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER,
  -- Beginning of the hour in which it was last used
  used_hour_ms INTEGER
) STRICT, WITHOUT ROWID;

-- What somebody is who signs in: the role that the strongest rule gives whose claim says this.
CREATE TABLE role_rules (
  id TEXT PRIMARY KEY,
  -- access, oidc, or any
  source TEXT NOT NULL,
  claim TEXT NOT NULL,
  value TEXT NOT NULL,
  role TEXT NOT NULL,
  tenant_id TEXT,
  team_id TEXT,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  subject TEXT NOT NULL,
  who TEXT NOT NULL,
  -- JSON object: what rules may ask for
  claims TEXT NOT NULL,
  address TEXT,
  created_at_ms INTEGER NOT NULL,
  seen_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (expires_at_ms);

-- Wrong tokens by where they came from, in the window that ends then; '' for all together, but of addresses that have
-- lately sent a right one.
CREATE TABLE sign_in_attempts (
  address TEXT PRIMARY KEY,
  until_ms INTEGER NOT NULL,
  wrong INTEGER NOT NULL,
  right_at_ms INTEGER
) STRICT, WITHOUT ROWID;
