-- How a route chooses among its targets, and what is different for certain requests: JSON of {group, rules}, each null for
-- none.
ALTER TABLE routes ADD COLUMN choice TEXT NOT NULL DEFAULT '{}';
