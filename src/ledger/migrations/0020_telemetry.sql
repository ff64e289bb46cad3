-- How exporters fare: counts since they first ran. Times are epoch ms.
CREATE TABLE exporters (
  name TEXT PRIMARY KEY,
  sent INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  last_sent_ms INTEGER,
  last_failed_ms INTEGER,
  last_error TEXT
) STRICT, WITHOUT ROWID;
