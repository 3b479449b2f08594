"""The tables of accounts, as the backup knows them."""

from __future__ import annotations

from .table import Table

ACCOUNT_TABLES: tuple[Table, ...] = (
    Table(
        "accounts",
        (
            "user_id",
            "username",
            "username_key",
            "email",
            "email_key",
            "password_hash",
            "role",
            "created_at",
            "active",
            "totp_secret",
            "totp_confirmed",
            "totp_step",
            "outside",
            "preferences",
        ),
        frozenset({"active", "totp_confirmed"}),
        texts=frozenset(
            {
                "user_id",
                "username",
                "username_key",
                "email",
                "email_key",
                "password_hash",
                "role",
                "totp_secret",
                "outside",
                "preferences",
            }
        ),
    ),
    Table(
        "recovery_codes",
        ("user_id", "code_hash", "used_at"),
        texts=frozenset({"user_id", "code_hash"}),
    ),
    Table(
        "sessions",
        ("session_id", "user_id", "kind", "token_hash", "created_at", "seen_at", "expires_at", "address", "agent"),
        texts=frozenset({"session_id", "user_id", "kind", "token_hash", "address", "agent"}),
    ),
    Table(
        "refresh_tokens",
        ("token_hash", "session_id", "issued_at", "expires_at", "used_at"),
        texts=frozenset({"token_hash", "session_id"}),
    ),
    Table(
        "api_keys",
        ("key_id", "user_id", "name", "token_hash", "hint", "scopes", "created_at", "expires_at", "used_at"),
        texts=frozenset({"key_id", "user_id", "name", "token_hash", "hint", "scopes"}),
    ),
    Table(
        "invitations",
        ("invitation_id", "token_hash", "role", "email", "invited_by", "created_at", "expires_at", "used_at", "used_by"),
        texts=frozenset({"invitation_id", "token_hash", "role", "email", "invited_by", "used_by"}),
    ),
    Table(
        "password_resets",
        ("user_id", "token_hash", "made_by", "created_at", "expires_at"),
        texts=frozenset({"user_id", "token_hash", "made_by"}),
    ),
    Table(
        "audit_log",
        ("sequence", "time", "actor", "action", "subject", "result", "address", "previous", "digest"),
        texts=frozenset({"actor", "action", "subject", "result", "address", "previous", "digest"}),
    ),
)
