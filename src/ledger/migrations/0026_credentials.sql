-- Providers' credentials by name: which there are, and where each is kept. Part of the configuration; what they are isn't.
CREATE TABLE credentials (
  id TEXT PRIMARY KEY,
  -- Null: targets of any provider may use it.
  provider TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('stored', 'secret')),
  -- The binding that holds it, of kind 'secret': a secret of the Worker, or one of a Secrets Store.
  reference TEXT,
  created_at_ms INTEGER NOT NULL,
  CHECK ((kind = 'secret') = (reference IS NOT NULL))
) STRICT;

-- Their values, encrypted under the secret CREDENTIAL_KEY. In no revision, export or audit entry.
CREATE TABLE credential_values (
  id TEXT PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  -- Null where it is kept elsewhere.
  sealed TEXT,
  -- The last four characters of one that is long enough.
  fingerprint TEXT,
  set_at_ms INTEGER NOT NULL,
  -- JSON of where the one before is, for as long as it is still tried.
  previous TEXT,
  previous_until_ms INTEGER
) STRICT;

-- What was stored goes once the credential is kept elsewhere.
CREATE TRIGGER credentials_elsewhere AFTER UPDATE OF kind ON credentials WHEN NEW.kind = 'secret' AND OLD.kind = 'stored'
BEGIN
  DELETE FROM credential_values WHERE id = NEW.id;
END;
