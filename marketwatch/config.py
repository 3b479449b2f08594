"""Settings: parsed once, frozen, typed. The only reader of `os.environ` and of the configuration file.

Order: command line, environment, `marketwatch.toml` (or `--config`), defaults. An unknown key or an impossible value stops
the start with one sentence that names it. `FIELDS` is the one table from which parsing, README and `.env.example` follow.
"""

from __future__ import annotations

import ipaddress
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from . import setting_values as values
from .errors import ConfigError
from .setting_values import duration_ms as duration_ms


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """The user's data directory after the XDG convention (on Windows below LOCALAPPDATA)."""
    base = environ.get("XDG_DATA_HOME") or environ.get("LOCALAPPDATA") or str(Path.home() / ".local" / "share")
    return Path(base) / "marketwatch"


def has_display() -> bool:
    """A graphical session is there, so that a browser could be opened."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table."""

    field: str
    env: str
    default: str
    parse: Callable[[str], Any]
    help: str
    secret: bool = False


_FILE = Path("marketwatch.toml")
_M = "MARKETWATCH_"
FIELDS: tuple[Setting, ...] = (
    Setting("host", "HOST", "127.0.0.1", values.text, "Address to listen on; anything but loopback makes the pages public"),
    Setting("port", "PORT", "8080", values.whole(0, 65535), "Port to listen on; 0 takes a free one"),
    Setting("database_url", "DATABASE_URL", "", values.text, "`postgresql://...` or `sqlite:///path`; empty: SQLite in the data directory", True),
    Setting("redis_url", "REDIS_URL", "", values.text, "`redis[s]://...`: a copy of the market of the moment for other processes; empty: none", True),
    Setting("redis_commands_a_day", _M + "REDIS_COMMANDS_A_DAY", "0", values.whole(0, 10**9), "Redis commands a day at most; 0: no bound (at Upstash 15,000, for its free plan)"),
    Setting("kafka_brokers", "KAFKA_BROKERS", "", values.texts, "Reserved for running as several processes"),
    Setting("log_level", "LOG_LEVEL", "info", values.one_of("debug", "info", "warning", "error"), "How much is logged"),
    Setting("environment", "ENVIRONMENT", "development", values.one_of("development", "production", "test"), "`production` logs JSON lines"),
    Setting("binance_ws_url", "BINANCE_WS_URL", "", values.texts, "Stream endpoints, tried in order; empty: the venue's own list"),
    Setting("binance_rest_url", "BINANCE_REST_URL", "", values.texts, "REST endpoints, tried in order; empty: the venue's own list"),
    Setting("coinbase_ws_url", "COINBASE_WS_URL", "", values.texts, "Coinbase stream endpoints, tried in order; empty: the venue's own"),
    Setting("coinbase_rest_url", "COINBASE_REST_URL", "", values.text, "Coinbase Exchange REST endpoint; empty: the venue's own"),
    Setting("token", _M + "TOKEN", "", values.token, "Token of the owner; empty: made at the first start and kept in the data directory (loopback only)", True),
    Setting("secret_key", "SECRET_KEY", "", values.secret_key, "Signs access tokens, 32 bytes or more; empty: made at the first start and kept in the data directory", True),
    Setting("accounts", _M + "ACCOUNTS", "", values.one_of("", "off", "invite", "open"), "Who may have an account: `off` (loopback only: the owner alone), `invite` or `open`; empty: `off` on loopback, else `invite`"),
    Setting("guests", _M + "GUESTS", "on", values.switch, "With accounts: whether who is not signed in may look at the market pages"),
    Setting("cors", _M + "CORS", "", values.origins, "Origins whose pages may call the API with a token, such as `https://app.example.org`"),
    Setting("oidc_issuer", _M + "OIDC_ISSUER", "", values.issuer, "Identity provider whose tokens are taken too: the `iss` of its tokens; empty: none"),
    Setting("oidc_audience", _M + "OIDC_AUDIENCE", "", values.text, "The `aud` that these tokens must have: the client or project at the provider"),
    Setting("feed", _M + "FEED", "auto", values.feed, "`auto`, `binance`, `binance-us`, `coinbase`, `demo` or `recorded:PATH[@SPEED]`"),
    Setting("symbols", _M + "SYMBOLS", "BTCUSDT,ETHUSDT,SOLUSDT,BNBUSDT,XRPUSDT,DOGEUSDT,ADAUSDT,TRXUSDT", values.symbols, "Pairs to watch, or `all:USDT`"),
    Setting("binance_stream", _M + "BINANCE_STREAM", "trade", values.one_of("trade", "aggtrade"), "Which Binance trade stream to read"),
    Setting("time_unit", _M + "BINANCE_TIME_UNIT", "millisecond", values.one_of("millisecond", "microsecond"), "Unit of times in Binance frames"),
    Setting("coinbase_format", _M + "COINBASE_FORMAT", "exchange", values.one_of("exchange", "advanced"), "Coinbase Exchange or Advanced Trade feed"),
    Setting("gulp_ms", _M + "GULP_MS", "20", values.whole(0, 1000), "Read the socket in gulps of this many ms; 0 reads frame by frame"),
    Setting("sample_ms", _M + "SAMPLE_MS", "500", values.whole(100, 10_000), "Length of a sample step in ms"),
    Setting("lateness_ms", _M + "LATENESS_MS", "250", values.whole(0, 60_000), "How long a sample step stays open for trades that come late"),
    Setting("window", _M + "WINDOW", "60", values.whole(2, 100_000), "The main window, in samples"),
    Setting("windows", _M + "WINDOWS", "5m,1h,24h", values.windows, "Further windows, in samples or as durations"),
    Setting("reference", _M + "REFERENCE", "BTCUSDT", lambda v: v.strip().upper(), "The symbol that correlation and beta compare with"),
    Setting("whale_usd", _M + "WHALE_USD", "100000", values.number(1, 1e12), "A trade of this many dollars is a whale"),
    Setting("whale_quantile", _M + "WHALE_ONE_IN", "0", values.whole(0, 10_000_000), "1 in N trades per symbol is a whale instead; 0 turns it off"),
    Setting("store_trades", _M + "STORE_TRADES", "off", values.switch, "Store every trade, not whales only"),
    Setting("store_demo", _M + "STORE_DEMO", "off", values.switch, "Keep the demo market's data in the database"),
    Setting("tape_mb", _M + "TAPE_MB", "32", values.number(1, 4096), "Memory for the in-memory tape of recent trades"),
    Setting("retention_days", _M + "RETENTION_DAYS", "7", values.number(0.01, 36500), "Samples and trades older than this are deleted"),
    Setting("max_store_mb", _M + "MAX_STORE_MB", "2000", values.number(10, 10_000_000), "The oldest samples are deleted above this size"),
    Setting("ingest_window", _M + "INGEST_WINDOW", "", values.hours, "Read the feed only in these hours, e.g. `08:00-09:00` UTC; empty: always"),
    Setting("stale_s", _M + "STALE_S", "10", values.number(1, 3600), "A feed without data for this long is stale"),
    Setting("probe_s", _M + "PROBE_S", "30", values.number(0.1, 86_400), "How often `auto` looks for a live market while it plays the demo market"),
    Setting("backfill", _M + "BACKFILL", "on", values.switch, "Fetch candles of the last 30 days at the start"),
    Setting("demo_seed", _M + "DEMO_SEED", "7", values.whole(0, 2**31), "Seed of the demo market: the same seed gives the same market"),
    Setting("allowed_hosts", _M + "ALLOWED_HOSTS", "", values.texts, "Further host names under which the pages may be asked for"),
    Setting("trusted_hops", _M + "TRUSTED_HOPS", "0", values.whole(0, 10), "Proxies in front whose X-Forwarded-For entry is believed"),
    Setting("rate_limit", _M + "RATE_LIMIT", "100", values.whole(1, 1_000_000), "Requests a minute and client, general"),
    Setting("rate_limit_data", _M + "RATE_LIMIT_DATA", "1000", values.whole(1, 10_000_000), "Requests a minute and client, market data"),
    Setting("max_clients", _M + "MAX_CLIENTS", "20000", values.whole(1, 1_000_000), "Open streams at most; above it new ones get 503"),
    Setting("data_dir", _M + "DATA_DIR", "", lambda v: Path(v).expanduser() if v else None, "Where SQLite and the spool live; empty: the user's data directory"),
    Setting("rules", _M + "RULES", "", lambda v: Path(v).expanduser() if v else None, "Path of the rules file; empty: `rules.yml` in the data directory, when it exists"),
    Setting("webhook_url", _M + "WEBHOOK_URL", "", values.web_addresses, "Where the channel `webhook` posts notices; several: to each of them", True),
    Setting("webhook_secret", _M + "WEBHOOK_SECRET", "", values.text, "Key of the signature of webhooks (HMAC-SHA256); empty: not signed", True),
    Setting("webhook_private", _M + "WEBHOOK_PRIVATE", "off", values.switch, "Let webhooks reach this machine and private networks"),
    Setting("smtp_url", _M + "SMTP_URL", "", values.mail_server, "Server of the channel `email`: `smtp[s]://user:password@host:port`", True),
    Setting("mail_to", _M + "MAIL_TO", "", values.mail_addresses, "Who gets notices by e-mail; several separated by commas"),
    Setting("mail_from", _M + "MAIL_FROM", "", values.mail_address, "Sender of e-mails; empty: the first receiver"),
    Setting("apprise_urls", _M + "APPRISE_URLS", "", values.service_addresses, "Where the channel `apprise` sends notices (needs the extra `notify`); several: to each of them", True),
    Setting("notify_per_minute", _M + "NOTIFY_PER_MINUTE", "10", values.whole(1, 1000), "Notices a minute and channel; what is more goes into one digest"),
    Setting("notify_attempts", _M + "NOTIFY_ATTEMPTS", "12", values.whole(1, 100), "Attempts to deliver a notice before it is given up as a dead letter"),
    Setting("role", _M + "ROLE", "all", values.one_of("all"), "Reserved for running as several processes"),
)  # fmt: skip


class SettingFact(NamedTuple):
    """A setting as people may see it: `value` without secrets; `origin` "" where nobody knows who said it."""

    field: str
    env: str
    value: str
    origin: str
    help: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, parsed. Build it with `load`; tests may use `Settings.of(port=0, ...)`."""

    host: str
    port: int
    database_url: str
    redis_url: str
    redis_commands_a_day: int
    kafka_brokers: tuple[str, ...]
    log_level: str
    environment: str
    binance_ws_url: tuple[str, ...]
    binance_rest_url: tuple[str, ...]
    coinbase_ws_url: tuple[str, ...]
    coinbase_rest_url: str
    token: str
    secret_key: str
    accounts: str
    guests: bool
    cors: tuple[str, ...]
    oidc_issuer: str
    oidc_audience: str
    feed: str
    symbols: tuple[str, ...]
    binance_stream: str
    time_unit: str
    coinbase_format: str
    gulp_ms: int
    sample_ms: int
    lateness_ms: int
    window: int
    windows: tuple[str, ...]
    reference: str
    whale_usd: float
    whale_quantile: int
    store_trades: bool
    store_demo: bool
    tape_mb: float
    retention_days: float
    max_store_mb: float
    ingest_window: str
    stale_s: float
    probe_s: float
    backfill: bool
    demo_seed: int
    allowed_hosts: tuple[str, ...]
    trusted_hops: int
    rate_limit: int
    rate_limit_data: int
    max_clients: int
    data_dir: Path
    rules: Path | None
    webhook_url: tuple[str, ...]
    webhook_secret: str
    webhook_private: bool
    smtp_url: str
    mail_to: tuple[str, ...]
    mail_from: str
    apprise_urls: tuple[str, ...]
    notify_per_minute: int
    notify_attempts: int
    role: str
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Who said it, by field: `default`, `environment`, `command line` or `file NAME`."""

    @property
    def loopback(self) -> bool:
        """Only this machine can reach the pages."""
        host = self.host.strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host.lower().rstrip(".") == "localhost"

    @property
    def accounts_mode(self) -> str:
        """`off`, `invite` or `open`: without a word of the settings nobody needs an account on loopback."""
        return self.accounts or ("off" if self.loopback else "invite")

    @property
    def rules_file(self) -> Path:
        """Where the rules are read from, whether the file exists or not."""
        return self.rules or self.data_dir / "rules.yml"

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Defaults with some fields replaced by values that are already parsed."""
        values: dict[str, Any] = {row.field: row.parse(row.default) for row in FIELDS}
        values["data_dir"] = default_data_dir(os.environ)
        unknown = given.keys() - values.keys()
        if unknown:
            raise ConfigError(f"Settings has no field {sorted(unknown)[0]!r}.")
        return cls(**{**values, **given})

    def described(self) -> dict[str, str]:
        """Every setting as text, secrets blanked."""
        return {fact.field: fact.value for fact in self.facts()}

    def facts(self) -> list[SettingFact]:
        """Every setting as people may see it, in the order of `FIELDS`."""
        return [SettingFact(row.field, row.env, self._shown(row), self.origins.get(row.field, ""), row.help) for row in FIELDS]

    def _shown(self, row: Setting) -> str:
        value = getattr(self, row.field)
        if row.secret:
            return "(set)" if value else ""
        return values.shown(value)


def load(
    *,
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Merge command line (`overrides`, by field name), environment and file. Raises ConfigError with one sentence."""
    environ = os.environ if environ is None else environ
    texts: dict[str, tuple[str, str]] = {row.field: (row.default, "the default") for row in FIELDS}
    origins = {row.field: "default" for row in FIELDS}
    said = {
        f"file {(config or _FILE).name}": _from_file(config),
        "environment": _from_environ(environ),
        "command line": {name: (value, f"--{name.replace('_', '-')}") for name, value in (overrides or {}).items()},
    }
    for origin, found in said.items():
        texts |= found
        origins |= dict.fromkeys(found, origin)
    values = {row.field: _parse(row, *texts[row.field]) for row in FIELDS}
    values["data_dir"] = values["data_dir"] or default_data_dir(environ)
    return _consistent(Settings(**values, origins=origins))


def _consistent(settings: Settings) -> Settings:
    """Raises ConfigError where settings do not go together."""
    if settings.accounts == "off" and not settings.loopback:
        raise ConfigError(
            f"MARKETWATCH_ACCOUNTS was 'off', but HOST is {settings.host!r}, which other machines can reach: set it to invite or "
            "open, or listen on 127.0.0.1."
        )
    if bool(settings.oidc_issuer) != bool(settings.oidc_audience):
        raise ConfigError("MARKETWATCH_OIDC_ISSUER and MARKETWATCH_OIDC_AUDIENCE are needed together; only one of them is set.")
    return settings


def _parse(row: Setting, text: str, origin: str) -> Any:
    try:
        return row.parse(text)
    except ValueError as error:
        expected = row.parse.__doc__ if "invalid literal" in str(error) or "could not convert" in str(error) else str(error)
        shown = "(hidden)" if row.secret else repr(text)
        raise ConfigError(f"{origin} was {shown}; it must be {expected}.") from None


def _from_environ(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    known = {row.env: row.field for row in FIELDS}
    for name in environ:
        if name.startswith(_M) and name not in known and name not in TEST_ONLY:
            raise ConfigError(f"The environment variable {name} is not a setting{_nearest(name, known)}.")
    return {field: (environ[env], env) for env, field in known.items() if environ.get(env, "") != ""}


TEST_ONLY = frozenset({"MARKETWATCH_RECORDED_DATA", "MARKETWATCH_TEST_DATABASE_URL"})
"""Variables with our prefix that only the tests read."""


def _from_file(config: Path | None) -> dict[str, tuple[str, str]]:
    path = config or _FILE
    if not path.exists():
        if config is not None:
            raise ConfigError(f"The configuration file {str(config)!r} does not exist.")
        return {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"The configuration file {str(path)!r} cannot be read: {error}.") from None
    names = {row.field: row for row in FIELDS}
    found: dict[str, tuple[str, str]] = {}
    for key, value in document.items():
        if key not in names:
            raise ConfigError(f"{key!r} in {str(path)!r} is not a setting{_nearest(key, names)}.")
        found[key] = (_as_text(key, value, path), f"{key!r} in {str(path)!r}")
    return found


def _as_text(key: str, value: Any, path: Path) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ",".join(str(part) for part in value)
    if isinstance(value, str | int | float):
        return str(value)
    raise ConfigError(f"{key!r} in {str(path)!r} must be a text, a number, a switch or a list of these.")


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
