-- Limits beyond one token rate and one budget: a JSON list of rules, as the admin API takes and shows them.
ALTER TABLE tenants ADD COLUMN limit_rules TEXT NOT NULL DEFAULT '[]';
ALTER TABLE teams ADD COLUMN limit_rules TEXT NOT NULL DEFAULT '[]';
ALTER TABLE virtual_keys ADD COLUMN limit_rules TEXT NOT NULL DEFAULT '[]';
