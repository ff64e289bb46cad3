-- How much of a provider's own API is reached by /{provider}/…: off, models or all. A key's own is the narrower of the two,
-- or null for its tenant's.
ALTER TABLE tenants ADD COLUMN pass_through TEXT NOT NULL DEFAULT 'models';
ALTER TABLE virtual_keys ADD COLUMN pass_through TEXT;
