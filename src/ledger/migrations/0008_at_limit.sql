-- What a request does at a limit, and what is done about spending that runs away: JSON, as the admin API takes and shows
-- them; null for the usual.
ALTER TABLE tenants ADD COLUMN at_limit TEXT;
ALTER TABLE teams ADD COLUMN at_limit TEXT;
ALTER TABLE virtual_keys ADD COLUMN at_limit TEXT;
ALTER TABLE tenants ADD COLUMN runaway TEXT;
ALTER TABLE teams ADD COLUMN runaway TEXT;
ALTER TABLE virtual_keys ADD COLUMN runaway TEXT;
-- What becomes of requests without a budget while the limiter is away: refuse or admit.
ALTER TABLE tenants ADD COLUMN limits_unavailable TEXT NOT NULL DEFAULT 'refuse';
