"""The tables of portfolios, watchlists and screens, as the backup knows them."""

from __future__ import annotations

from .table import Table

BOOK_TABLES: tuple[Table, ...] = (
    Table(
        "portfolios",
        (
            "portfolio_id", "owner_id", "name", "name_key", "base_currency", "cost_method", "created_at", "updated_at",
            "version", "deleted_at",
        ),
        texts=frozenset({"portfolio_id", "owner_id", "name", "name_key", "base_currency", "cost_method"}),
    ),
    Table(
        "portfolio_transactions",
        (
            "portfolio_id", "transaction_id", "kind", "coin", "quantity", "time", "price", "currency", "rate", "fee",
            "fee_currency", "note", "source", "external_id", "import_id", "sequence", "version",
        ),
        texts=frozenset(
            {
                "portfolio_id", "transaction_id", "kind", "coin", "currency", "fee_currency", "note", "source", "external_id",
                "import_id",
            }
        ),
        decimals=frozenset({"quantity", "price", "rate", "fee"}),
    ),
    Table(
        "watchlists",
        ("watchlist_id", "owner_id", "name", "name_key", "position", "version"),
        texts=frozenset({"watchlist_id", "owner_id", "name", "name_key"}),
    ),
    Table(
        "watchlist_items",
        ("watchlist_id", "symbol", "position", "note"),
        texts=frozenset({"watchlist_id", "symbol", "note"}),
    ),
    Table(
        "screens",
        (
            "screen_id", "owner_id", "name", "name_key", "filter", "shown", "watchlist_id", "sort", "direction", "position",
            "version", "deleted_at", "used_at",
        ),
        texts=frozenset(
            {"screen_id", "owner_id", "name", "name_key", "filter", "shown", "watchlist_id", "sort", "direction"}
        ),
    ),
)  # fmt: skip
