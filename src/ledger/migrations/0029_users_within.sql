-- Rules for each end user within a team, and within a key: as of a tenant. Null where there never were any.
ALTER TABLE teams ADD COLUMN end_user_limits TEXT;
ALTER TABLE virtual_keys ADD COLUMN end_user_limits TEXT;
