-- Who lends a tenant's limits to isolates: its own object alone (`one`), or objects near them that lease from it (`regional`).
ALTER TABLE tenants ADD COLUMN limiter TEXT NOT NULL DEFAULT 'one';
