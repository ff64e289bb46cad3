-- Which of a target's credentials paid, by the name of its secret; null where it has one.
ALTER TABLE usage_events ADD COLUMN credential TEXT;
