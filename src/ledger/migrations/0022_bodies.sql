-- What a tenant wants kept of its prompts and replies: JSON of share, what is hidden, and days; null for nothing.
ALTER TABLE tenants ADD COLUMN bodies TEXT;
