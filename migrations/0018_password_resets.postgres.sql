-- The twin of 0018_password_resets.sqlite.sql: links by which somebody sets another password, one for an account at most.
CREATE TABLE password_resets (
  user_id text NOT NULL PRIMARY KEY,
  token_hash text NOT NULL UNIQUE,
  made_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
