-- Origins whose pages may read a tenant's answers, on top of the deployment's own: a JSON array of text.
ALTER TABLE tenants ADD COLUMN cors_origins TEXT NOT NULL DEFAULT '[]';
