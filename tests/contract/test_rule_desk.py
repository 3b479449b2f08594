"""A person's own rules in both databases: what was answered is there after the next start, whatever became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketwatch.alerts.rule_desk import RuleDesk
from marketwatch.alerts.rule_sheet import read_sheet
from marketwatch.clock import ManualClock
from marketwatch.errors import Conflict, Forbidden
from marketwatch.model.alerts import Rule, RuleRemoval, Rules
from marketwatch.ports import DurableStore, WriteBatch
from tests.kit.alerts import rule
from tests.kit.databases import MakeStore
from tests.kit.facts import T0
from tests.kit.watches import desk_of, test_settings


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[DurableStore]:
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


async def started(store: DurableStore, folder: Path) -> tuple[RuleDesk, list[list[Rule]]]:
    """A desk that has begun, and what it put in force so far."""
    told: list[list[Rule]] = []
    desk = desk_of(store, ManualClock(T0), test_settings(data_dir=folder))

    def publish(event: object) -> None:
        assert isinstance(event, Rules), event
        told.append(event.rules)

    await desk.begin(publish)
    desk.take_file([rule("file-a", name="Told by file")])
    return desk, told


def written(name: str, expression: str = "price > 1") -> Rule:
    return read_sheet({"name": name, "expression": expression, "symbols": ["BTCUSDT", "币安USDT"], "for": "30s"})


async def test_desk_started_again_has_every_version_and_knows_what_was_deleted(store: DurableStore, tmp_path: Path) -> None:
    desk, _ = await started(store, tmp_path)
    kept = await desk.create(written("Kept"))
    kept = await desk.change(kept.rule_id, written("Kept", "price > 2"))
    gone = await desk.create(written("Gone"))
    await desk.remove(gone.rule_id)
    back = await desk.create(written("Back"))
    await desk.remove(back.rule_id)
    await desk.restore(back.rule_id)
    again, told = await started(store, tmp_path)
    assert {one.rule_id for one in told[-1]} == {"file-a", "kept", "back"}
    assert sorted(again.own) == sorted(desk.own) == sorted([kept, back])
    assert [one.version for one in again.versions("kept")] == [2, 1]
    assert again.removed == [gone]
    assert await again.restore("gone") == gone
    assert {one.rule_id for one in told[-1]} == {"file-a", "kept", "back", "gone"}


async def test_author_of_a_rule_is_kept_over_versions_restarts_and_the_backup(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    await store.open()
    desk, _ = await started(store, tmp_path)
    mine = await desk.create(written("Mine", "portfolio('main').upnl < -5")._replace(owner_id="ann"))
    assert (await desk.switch(mine.rule_id, on=False)).owner_id == "ann"
    renamed = await desk.change(mine.rule_id, written("Other", "portfolio('main').upnl < -5")._replace(owner_id="bob"))
    assert (renamed.owner_id, renamed.version) == ("ann", 3)
    with pytest.raises(Forbidden, match="nobody else may change its condition"):
        await desk.change(mine.rule_id, written("Other", "portfolio('main').upnl < -4")._replace(owner_id="bob"))
    plain = await desk.create(written("Plain")._replace(owner_id="ann"))
    with pytest.raises(Forbidden):
        await desk.change(plain.rule_id, written("Plain", "position('BTC').value > 1")._replace(owner_id="bob"))
    assert (await desk.change(plain.rule_id, written("Plain", "price > 7")._replace(owner_id="bob"))).owner_id == "ann"
    await store.backup(tmp_path / "backup")
    await store.write(WriteBatch(rules=[renamed._replace(owner_id="eve")]))
    await store.restore(tmp_path / "backup", force=True)
    again, told = await started(store, tmp_path)
    assert [one.owner_id for one in again.versions(mine.rule_id)] == ["ann"] * 3
    assert {one.rule_id: one.owner_id for one in told[-1]} == {"file-a": "owner", "mine": "ann", "plain": "ann"}
    await store.close()


async def test_rule_handed_over_keeps_its_version_over_a_restart_and_stays_with_its_new_author(
    store: DurableStore, tmp_path: Path
) -> None:
    desk, told = await started(store, tmp_path)
    made = await desk.create(written("Shared", "portfolio('main').upnl < -5")._replace(owner_id="ann"))
    with pytest.raises(Forbidden, match="cannot be handed over"):
        await desk.hand_over(made.rule_id, "bob", author="ann")
    plain = await desk.change(made.rule_id, written("Shared")._replace(owner_id="ann"))
    with pytest.raises(Conflict, match="handed over meanwhile"):
        await desk.hand_over(made.rule_id, "bob", author="eve")
    assert await desk.hand_over(made.rule_id, "bob", author="ann") == plain._replace(owner_id="bob")
    assert next(one for one in told[-1] if one.rule_id == made.rule_id).owner_id == "bob"
    again, _ = await started(store, tmp_path)
    assert [(one.version, one.owner_id) for one in again.versions(made.rule_id)] == [(2, "bob"), (1, "ann")]
    with pytest.raises(Forbidden, match="earlier author"):
        await again.restore(made.rule_id, 1)
    later = await again.change(made.rule_id, written("Shared", "price > 9")._replace(owner_id="bob"))
    assert (later.version, (await again.restore(made.rule_id, 2)).owner_id) == (3, "bob")


async def test_removal_and_rules_are_written_in_one_commit_and_come_back(store: DurableStore) -> None:
    await store.write(WriteBatch(rules=[rule("a", origin="user")], removals=[RuleRemoval("a", T0), RuleRemoval("b", T0 + 1)]))
    assert await store.removals() == [RuleRemoval("a", T0), RuleRemoval("b", T0 + 1)]
    await store.write(WriteBatch(removals=[RuleRemoval("a", None)]))
    await store.write(WriteBatch(rules=[rule("a", origin="user")]))
    assert await store.removals() == [RuleRemoval("b", T0 + 1)]


async def test_removals_go_into_the_backup_and_come_out_of_it(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store()
    await store.open()
    await store.write(WriteBatch(rules=[rule("a", origin="user")], removals=[RuleRemoval("a", T0)]))
    await store.backup(tmp_path / "backup")
    await store.write(WriteBatch(removals=[RuleRemoval("a", None)]))
    await store.restore(tmp_path / "backup", force=True)
    assert await store.removals() == [RuleRemoval("a", T0)]
    await store.close()


async def test_desk_interrupted_while_it_commits_reads_again_what_became_of_it(store: DurableStore, tmp_path: Path) -> None:
    desk, told = await started(store, tmp_path)
    reached = asyncio.Event()
    write = store.write

    async def slow(batch: WriteBatch) -> None:
        await write(batch)
        reached.set()
        await asyncio.Event().wait()

    store.write = slow  # type: ignore[method-assign]
    work = asyncio.create_task(desk.create(written("Interrupted")))
    await reached.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    store.write = write  # type: ignore[method-assign]
    runner = asyncio.create_task(desk.run())
    async with asyncio.timeout(10):
        while [one.rule_id for one in told[-1]] != ["file-a", "interrupted"]:
            await asyncio.sleep(0.01)
    runner.cancel()
