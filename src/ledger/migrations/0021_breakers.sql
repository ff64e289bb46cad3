-- How targets' breakers stand in each region, as far as they have told. Written when one opens, ramps up or closes.
CREATE TABLE breakers (
  -- <region>/<target id>
  name TEXT PRIMARY KEY,
  region TEXT NOT NULL,
  target_id TEXT NOT NULL,
  -- closed, ramping, open
  state TEXT NOT NULL,
  -- How often it has opened
  opened INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
