-- ms from the request's beginning to that of its attempt. Null where nobody noted it: in events from before this column.
ALTER TABLE usage_events ADD COLUMN after_ms INTEGER;
