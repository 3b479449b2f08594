-- Links by which somebody who has forgotten their password sets another one; of each the hash, and one for an account at most.
CREATE TABLE password_resets (
  user_id TEXT NOT NULL PRIMARY KEY,
  token_hash TEXT NOT NULL UNIQUE,
  made_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
