-- Price lists that were fetched, named by what they say. The built-in one has a row without lines once it was pinned.
CREATE TABLE price_lists (
  version TEXT PRIMARY KEY,
  fetched_at_ms INTEGER NOT NULL,
  source TEXT NOT NULL,
  is_pinned INTEGER NOT NULL,
  lines TEXT
) STRICT, WITHOUT ROWID;
