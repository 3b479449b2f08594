"""The command line: arguments to settings, exit codes, signals. No logic of the market.

Exit codes: 0 ok, 1 failure, 2 usage or configuration, 130 interrupted (a second ctrl-C). Heavy imports happen late, after
the port is bound.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .accounts.owner import open_owner
from .clock import SystemClock
from .config import Settings, duration_ms, has_display, load
from .errors import ConfigError, MarketwatchError
from .starting import StartingServer, listen

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and answer its exit code."""
    parser = build_parser()
    arguments = parser.parse_args(_with_default(list(sys.argv[1:] if argv is None else argv)))
    try:
        settings = load(overrides=_overrides(arguments), config=arguments.config)
        command: Callable[[argparse.Namespace, Settings], int] = arguments.command
        return command(arguments, settings)
    except ConfigError as error:
        return _complain(error, USAGE)
    except MarketwatchError as error:
        return _complain(error, FAILURE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(error: Exception, code: int) -> int:
    print(f"marketwatch: {error}", file=sys.stderr)
    return code


COMMANDS = ("run", "demo", "record", "migrate", "backup", "restore", "seed", "doctor", "openapi", "healthcheck", "user", "test")


def _with_default(words: list[str]) -> list[str]:
    """`run` is the command when none is named."""
    if any(word in COMMANDS for word in words[:1]) or any(word in ("-h", "--help", "--version") for word in words):
        return words
    return ["run", *words]


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    parser = argparse.ArgumentParser(prog="marketwatch", description="Watches the crypto market.")
    parser.add_argument("--version", action="version", version=f"marketwatch {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    common = _common_options()

    def add(name: str, command: Callable[..., int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(command=command)
        return sub

    for name, text in (("run", "the whole application (the default)"), ("demo", "the demo market in a throw-away store")):
        _server_options(add(name, _run if name == "run" else _demo, text))
    record = add("record", _record, "write the raw frames of the feed with their receipt times to a file")
    record.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .gz or .zst to compress")
    record.add_argument("--duration", default="", metavar="10m", help="stop after this long; default: until ctrl-C")
    _feed_options(record)
    add("migrate", _migrate, "bring the database to the newest schema")
    backup = add("backup", _backup, "write all data to one file")
    backup.add_argument("--out", type=Path, required=True, metavar="FILE")
    restore = add("restore", _restore, "load a backup into an empty database")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--force", action="store_true", help="replace what the database holds")
    seed = add("seed", _seed, "load a recording into the database")
    seed.add_argument("file", type=Path, metavar="RECORDING")
    _user_commands(commands, common)
    add("doctor", _doctor, "check settings, database and network, and say what is wrong")
    test = add("test", _test, "run the tests of rules; exit code 1 when one does not hold, 2 for a file that cannot be used")
    test.add_argument("rules", type=Path, metavar="RULES.yml", help="a rules file")
    test.add_argument("tests", type=Path, nargs="?", metavar="TESTS.yml", help="its tests, where they are not under `tests:`")
    add("openapi", _openapi, "print the OpenAPI document")
    add("healthcheck", _healthcheck, "ask a running program for /healthz; exit code 0 when it answers")
    return parser


def _user_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """`user add|list|password|verify-audit`."""
    text = "make and look after accounts"
    users = commands.add_parser("user", help=text, description=text).add_subparsers(required=True, metavar="WHAT")

    def add(name: str, what: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = users.add_parser(name, help=what, description=what, parents=[common])
        sub.set_defaults(command=_user, what=name)
        return sub

    for name, what in (("add", "make an account; the first one is an admin"), ("password", "give an account another password")):
        sub = add(name, what + "; asks for the password, or reads it from a pipe")
        sub.add_argument("name", metavar="NAME")
        if name == "add":
            sub.add_argument("--email", default=None, metavar="ADDRESS")
            sub.add_argument("--user-role", choices=("viewer", "trader", "admin"), default="trader")
    add("list", "list all accounts")
    verify = add("verify-audit", "check the chain of the audit log; exit code 1 when it was changed")
    verify.add_argument("--expect", default="", metavar="NUMBER:DIGEST", help="an entry that was noted elsewhere")


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings file; default marketwatch.toml when there is one")
    common.add_argument("--database", dest="database_url", metavar="URL", help="postgresql://... or sqlite:///path")
    common.add_argument("--log-level", dest="log_level", metavar="LEVEL", help="debug, info, warning or error")
    common.add_argument("--host", metavar="ADDRESS", help="address to listen on")
    common.add_argument("--port", metavar="PORT", help="port to listen on; 0 takes a free one")
    return common


def _feed_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--feed", metavar="FEED", help="auto, binance, binance-us, coinbase, demo, recorded:PATH[@SPEED]")
    sub.add_argument("--symbols", metavar="LIST", help="BTCUSDT,ETHUSDT,... or all:USDT")


def _server_options(sub: argparse.ArgumentParser) -> None:
    _feed_options(sub)
    sub.add_argument("--role", metavar="ROLE", help="all")
    sub.add_argument("--no-browser", action="store_true", help="do not open the page")


_SETTING_ARGUMENTS = ("database_url", "log_level", "host", "port", "feed", "symbols", "role")


def _overrides(arguments: argparse.Namespace) -> dict[str, str]:
    given = {name: getattr(arguments, name, None) for name in _SETTING_ARGUMENTS}
    found = {name: value for name, value in given.items() if value is not None}
    if arguments.command is _demo:
        found["feed"] = "demo"
    return found


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    if settings.feed.startswith("recorded:"):
        from .feed.choose import read_recording

        _must_exist(read_recording(settings.feed.removeprefix("recorded:")).path)
    return _with_loop(_serve(settings, _listen(settings), browser=not arguments.no_browser))


def _demo(arguments: argparse.Namespace, settings: Settings) -> int:
    return _run(arguments, settings)


def _listen(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        raise MarketwatchError(
            f"Port {settings.port} of {settings.host} cannot be listened on ({error.strerror or error}); "
            "choose another with --port or PORT."
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _open_browser(url: str) -> None:
    """Only where a person sits in front: a terminal with a display."""
    if not sys.stdout.isatty() or not has_display():
        return
    import webbrowser

    webbrowser.open(url)


async def _serve(settings: Settings, listener: socket.socket, *, browser: bool) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    async with StartingServer(listener):
        url = _url(listener)
        print(f"marketwatch {__version__} listens on {url} (feed: {settings.feed}). Ctrl-C ends it.", flush=True)
        importlib.import_module("marketwatch.memory").share_heap()
        owner = await asyncio.to_thread(open_owner, settings, SystemClock())
        if owner.possible and settings.loopback and settings.accounts_mode == "off":
            url = f"{url}/owner?ticket={owner.new_ticket()}"
            print(f"To change something, open it once as its owner: {url}", flush=True)
        if browser:
            _open_browser(url)
        telemetry = await asyncio.to_thread(importlib.import_module, "marketwatch.telemetry")
        telemetry.configure_logging(settings.log_level, json=settings.environment == "production")
        app = await asyncio.to_thread(importlib.import_module, "marketwatch.app")
    await app.serve(settings, listener, stop, owner, lambda path: _announce(_url(listener) + path))
    return OK


def _announce(url: str) -> None:
    print(f"There is no account yet. Make the first one, an admin's, at {url}", flush=True)


def _on_signals(stop: asyncio.Event) -> None:
    """The first signal asks for a clean stop; a second ctrl-C ends the process at once."""

    def on_signal() -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, on_signal)
        except NotImplementedError:  # Windows has no loop signal handlers
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(on_signal))


def _with_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed (extra `fast`), else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _record(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        duration_s = duration_ms(arguments.duration) / 1000 if arguments.duration else None
    except ValueError as error:
        raise ConfigError(f"--duration was {arguments.duration!r}; it must be {error}.") from None
    _must_be_new(arguments.out)
    from .operations import record

    return _with_loop(_until_signal(record(settings, arguments.out, duration_s)))


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise ConfigError(f"The file {str(path)!r} exists already; name another one with --out.")


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"The file {str(path)!r} does not exist.")


async def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Run `work`; ctrl-C or SIGTERM cancels it, which it takes as a wish to finish."""
    stop = asyncio.Event()
    _on_signals(stop)
    task = asyncio.create_task(work)
    waiter = asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return OK


def _migrate(_arguments: argparse.Namespace, settings: Settings) -> int:
    from .operations import migrate

    return _with_loop(migrate(settings))


def _backup(arguments: argparse.Namespace, settings: Settings) -> int:
    _must_be_new(arguments.out)
    from .operations import backup

    return _with_loop(backup(settings, arguments.out))


def _restore(arguments: argparse.Namespace, settings: Settings) -> int:
    _must_exist(arguments.file)
    from .operations import restore

    return _with_loop(restore(settings, arguments.file, force=arguments.force))


def _seed(arguments: argparse.Namespace, settings: Settings) -> int:
    _must_exist(arguments.file)
    from .operations import seed

    return _with_loop(_until_signal(seed(settings, arguments.file)))


def _user(arguments: argparse.Namespace, settings: Settings) -> int:
    from . import operations

    if arguments.what == "list":
        return _with_loop(operations.user_list(settings))
    if arguments.what == "verify-audit":
        return _with_loop(operations.verify_audit(settings, arguments.expect))
    password = _ask_password()
    if arguments.what == "password":
        return _with_loop(operations.user_password(settings, arguments.name, password))
    return _with_loop(operations.user_add(settings, arguments.name, arguments.email, arguments.user_role, password))


def _ask_password() -> str:
    """From the terminal, twice and unseen; from a pipe its first line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    password = getpass("Password: ")
    if getpass("The same again: ") != password:
        raise ConfigError("The two passwords differ; nothing was changed.")
    return password


def _doctor(_arguments: argparse.Namespace, settings: Settings) -> int:
    from .operations import doctor

    return _with_loop(doctor(settings))


def _test(arguments: argparse.Namespace, settings: Settings) -> int:
    from .alerts.cases import cases_of
    from .alerts.rehearsal import rehearse

    cases = cases_of(arguments.rules, arguments.tests)
    failed = 0
    for case in cases:
        verdict = rehearse(case, settings)
        failed += bool(verdict.mistakes)
        print(*verdict.lines(), sep="\n", flush=True)
    print(f"{len(cases)} {'test' if len(cases) == 1 else 'tests'}, {failed or 'none'} failed.")
    return FAILURE if failed else OK


def _openapi(_arguments: argparse.Namespace, _settings: Settings) -> int:
    from .operations import openapi

    sys.stdout.buffer.write(openapi() + b"\n")
    return OK


def _healthcheck(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Plain sockets: a health check of a small container must not import half the program."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    try:
        with socket.create_connection((host, settings.port), timeout=4) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}:{settings.port}\r\nConnection: close\r\n\r\n".encode())
            status = connection.recv(64).split(b" ", 2)[1:2]
    except OSError as error:
        raise MarketwatchError(f"Nothing answers on {host}:{settings.port} ({error}).") from error
    if status != [b"200"]:
        raise MarketwatchError(f"/healthz on {host}:{settings.port} answered {b''.join(status).decode('ascii', 'replace')!r}.")
    return OK
