-- Answers of the admin API to requests with an Idempotency-Key, for a day. Neither the key nor anything of the request is here:
-- ids and digests are keyed, and what was answered is encrypted under a key that needs the header's own value.
CREATE TABLE idempotent_answers (
  id TEXT PRIMARY KEY,
  request_digest TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL,
  status INTEGER,
  answer TEXT
) STRICT;
CREATE INDEX idempotent_answers_by_time ON idempotent_answers (started_at_ms);
