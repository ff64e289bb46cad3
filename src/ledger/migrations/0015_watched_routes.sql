-- The usage consumer looks for watched routes with every batch; usually there are none.
CREATE INDEX routes_watched ON routes (watched_since_ms) WHERE watched_since_ms IS NOT NULL;
