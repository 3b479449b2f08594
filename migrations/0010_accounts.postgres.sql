-- The twin of 0010_accounts.sqlite.sql: accounts, their sessions and keys. Secrets stand here as hashes.
CREATE TABLE accounts (
  user_id text NOT NULL PRIMARY KEY,
  username text NOT NULL,
  username_key text NOT NULL UNIQUE,
  email text,
  email_key text UNIQUE,
  password_hash text,
  role text NOT NULL,
  created_at timestamptz NOT NULL,
  active boolean NOT NULL,
  totp_secret text,
  totp_confirmed boolean NOT NULL,
  totp_step bigint NOT NULL,
  outside text UNIQUE,
  preferences json NOT NULL
);
CREATE TABLE recovery_codes (
  user_id text NOT NULL,
  code_hash text NOT NULL,
  used_at timestamptz,
  PRIMARY KEY (user_id, code_hash)
);
CREATE TABLE sessions (
  session_id text NOT NULL PRIMARY KEY,
  user_id text NOT NULL,
  kind text NOT NULL,
  token_hash text UNIQUE,
  created_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  address text NOT NULL,
  agent text NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE refresh_tokens (
  token_hash text NOT NULL PRIMARY KEY,
  session_id text NOT NULL,
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE TABLE api_keys (
  key_id text NOT NULL PRIMARY KEY,
  user_id text NOT NULL,
  name text NOT NULL,
  token_hash text NOT NULL UNIQUE,
  hint text NOT NULL,
  scopes text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  used_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id);
CREATE TABLE invitations (
  invitation_id text NOT NULL PRIMARY KEY,
  token_hash text NOT NULL UNIQUE,
  role text NOT NULL,
  email text,
  invited_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by text
);
