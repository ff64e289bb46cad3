-- Of the last wrong token from an address some of its digest: the same again is no other guess.
ALTER TABLE sign_in_attempts ADD COLUMN tried TEXT;
