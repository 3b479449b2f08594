"""The real program with accounts: its first link, the command line, what it never logs, and a fuzzer that is signed in."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pyotp
import pytest

from marketwatch.clock import SystemClock
from marketwatch.model.accounts import Role
from tests.integration.test_api_schema import _EXPRESSIONS_HAVE_A_GRAMMAR, _FUZZ, _OPTIONS
from tests.kit.program import Program, program
from tests.kit.streams import serving
from tests.kit.watches import TOKEN, world

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "planted-secret-key-of-thirty-two-bytes-or-more"
PASSWORD = "planted kettle moss 41"
WRONG = ("wrong-planted-password", "wrong-planted-link", "planted.jwt.token", "mwk_planted-key", "mwr_planted-refresh")
INVITE = {"MARKETWATCH_ACCOUNTS": "invite", "SECRET_KEY": SECRET_KEY, "LOG_LEVEL": "debug"}


async def first_code(running: Program) -> str:
    """The code of the link that the program prints."""
    async with asyncio.timeout(30):
        while not (found := re.search(r"/register\?invite=(\S+)", "".join(running.log))):
            await asyncio.sleep(0.05)
    return found[1]


async def answer(client: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Any:
    async with client.request(method, path, **more) as found:
        return await found.json()


async def test_program_never_logs_a_secret(tmp_path: Path) -> None:
    """A whole life of an account at the loudest level of the log, with right and wrong secrets of every kind."""
    async with program("demo", env=INVITE, data_dir=tmp_path) as running:
        code = await first_code(running)
        await running.until("/")
        planted = [SECRET_KEY, PASSWORD, TOKEN, *WRONG]
        async with aiohttp.ClientSession(running.url) as client:
            asked = {"username": "ada", "password": PASSWORD, "invitation": code}
            grant = (await answer(client, "POST", "/api/users/register", json=asked))["data"]
            mine = {"Authorization": f"Bearer {grant['access_token']}"}
            key = (await answer(client, "POST", "/api/users/me/keys", json={"name": "b", "scopes": ["read"]}, headers=mine))[
                "data"
            ]
            totp = (await answer(client, "POST", "/api/users/me/totp", json={"password": PASSWORD}, headers=mine))["data"]
            otp = {"otp": pyotp.TOTP(totp["secret"]).now()}
            codes = (await answer(client, "POST", "/api/users/me/totp/confirm", json=otp, headers=mine))["data"]
            invited = (await answer(client, "POST", "/api/invitations", json={}, headers=mine))["data"]
            async with client.post(f"/api/users/{grant['user_id']}/reset", headers=mine) as found:
                link = (await found.json())["data"]
            for path in (link["path"], "/reset?code=wrong-planted-link"):
                async with client.get(path) as found:
                    assert found.status == (200 if path == link["path"] else 403)
            fresh = await answer(client, "POST", "/api/users/refresh", json={"refresh_token": grant["refresh_token"]})
            wrong = {"username": "ada", "password": "wrong-planted-password"}
            await answer(client, "POST", "/api/users/login", json=wrong)
            for bad in ("planted.jwt.token", "mwk_planted-key", key["key"] + "x"):
                await answer(client, "GET", "/api/users/me", headers={"Authorization": f"Bearer {bad}"})
            await answer(client, "POST", "/api/users/refresh", json={"refresh_token": "mwr_planted-refresh"})
            async with client.get("/api/rules/explain?token=" + TOKEN, headers={"Cookie": f"session={TOKEN}"}):
                pass
        ended = await running.stop()
    planted += [grant["access_token"], grant["refresh_token"], fresh["data"]["refresh_token"], key["key"], totp["secret"]]
    planted += [link["code"], invited["code"], *codes["recovery_codes"]]
    assert ended.code == 0
    text = ended.stderr.replace(code, "", 1)
    assert [secret for secret in [*planted, code] if secret in text] == []


def command(folder: Path, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """`marketwatch user ...` on a database of its own."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MARKETWATCH_DATA_DIR": str(folder), "HOME": str(folder)}
    whole = [sys.executable, "-m", "marketwatch", "user", *words]
    return subprocess.run(whole, cwd=folder, env=env, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_command_line_makes_accounts_and_checks_the_log(tmp_path: Path) -> None:
    made = command(tmp_path, "add", "ada", "--email", "ada@example.org", text=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    assert "ada (admin)" in made.stderr
    assert command(tmp_path, "add", "bob", text="short\n").returncode == 1
    assert command(tmp_path, "add", "ADA", text=PASSWORD + "\n").returncode == 1
    assert command(tmp_path, "password", "ada", text="another kettle 42\n").returncode == 0
    assert command(tmp_path, "password", "eve", text="another kettle 42\n").returncode == 1
    listed = command(tmp_path, "list")
    assert re.search(r"ada\s+admin\s+ada@example.org", listed.stdout)
    whole = command(tmp_path, "verify-audit")
    found = re.search(r"2 entries, the last one is (2:[0-9a-f]{64})", whole.stderr)
    assert found, whole.stderr
    assert command(tmp_path, "verify-audit", "--expect", found[1]).returncode == 0
    assert command(tmp_path, "verify-audit", "--expect", "3:" + "0" * 64).returncode == 1
    assert command(tmp_path, "verify-audit", "--expect", "nonsense").returncode == 2


async def test_command_line_says_what_to_do_while_the_program_writes(tmp_path: Path) -> None:
    async with program("demo", env=INVITE, data_dir=tmp_path) as running:
        await first_code(running)
        refused = await asyncio.to_thread(lambda: command(tmp_path, "add", "ada", text=PASSWORD + "\n"))
        assert refused.returncode == 1
        assert "use its own pages" in refused.stderr


_AS_ADMIN = (
    "--exclude-path-regex=/(logout|password|totp|standing|sessions/)",
    "--exclude-operation-id=delete_user",
    "--exclude-path=/api/users/register",
    "--exclude-path=/api/users/login",
    "--exclude-path=/api/users/reset",
    "--include-path-regex=/api/(users|invitations|audit)",
)
_PLAIN_BODIES = """
[[operations]]
include-path-regex = "^/api/(users|invitations|audit)"
checks.positive_data_acceptance.enabled = false
"""
"""No JSON schema can say which name is free, which time zone is known or whose id it is."""


@pytest.mark.slow
@pytest.mark.timeout(480)
async def test_openapi_fuzzed_by_somebody_who_is_signed_in_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(_EXPRESSIONS_HAVE_A_GRAMMAR + _PLAIN_BODIES)
    async with world(tmp_path, accounts="open", clock=SystemClock()) as made:
        headers = await made.bearer(await made.person("ada", Role.ADMIN))
        async with serving(made.build()) as port:
            url = f"http://127.0.0.1:{port}/api/openapi.json"
            options = [option for option in _OPTIONS if "Authorization" not in option]
            signed = [f"--header=Authorization: {headers['Authorization']}", "--exclude-checks=ignored_auth"]
            whole = [sys.executable, "-W", "ignore", "-c", _FUZZ, "run", url, *options, *signed, *_AS_ADMIN]
            process = await asyncio.create_subprocess_exec(
                *whole, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            output, _ = await asyncio.wait_for(process.communicate(), 450)
        assert process.returncode == 0, output.decode()[-6000:]
