-- For whom and for what the request was, so that reports by end user or tag have its feedback.
ALTER TABLE feedback ADD COLUMN end_user TEXT;
ALTER TABLE feedback ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
UPDATE feedback SET (end_user, tags) = (
  SELECT end_user, tags FROM usage_events WHERE usage_events.request_id = feedback.request_id
  ORDER BY is_final DESC, attempt DESC LIMIT 1)
WHERE EXISTS (SELECT 1 FROM usage_events WHERE usage_events.request_id = feedback.request_id);
