-- The twin of 0011_audit.sqlite.sql: each row holds the digest of the row before it. Rows are added and never changed.
CREATE TABLE audit_log (
  sequence bigint NOT NULL PRIMARY KEY,
  time timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  result text NOT NULL,
  address text NOT NULL,
  previous text NOT NULL,
  digest text NOT NULL
);
CREATE FUNCTION audit_log_stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$;
CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_stays();
