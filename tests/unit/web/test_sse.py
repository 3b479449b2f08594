from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketwatch.clock import ManualClock
from marketwatch.web.sse import Channel, Hub, frame
from marketwatch.web.sse_client import Lean


def parse(data: bytes) -> list[tuple[str, str]]:
    """What a browser makes of a stream: (id, data) of every message (the relevant half of the standard's algorithm)."""
    events = []
    for block in data.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
        if "data" in fields:
            events.append(("".join(fields.get("id", [])), "\n".join(fields["data"])))
    return events


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_frame_any_payload_arrives_whole(payload: str) -> None:
    lines = payload.replace("\r\n", "\n").replace("\r", "\n")
    assert parse(frame(payload.encode(), "b-1")) == [("b-1", lines)]


def test_frame_payload_cannot_forge_another_event() -> None:
    assert len(parse(frame(b"a\n\nevent: evil\ndata: x\r\rdata: y", "b-1"))) == 1


class Wire:
    """The part of a transport that a stream uses; remembers what was written."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.ended = "close"

    def abort(self) -> None:
        self.ended = "abort"


def joined(hub: Hub, name: str = "page") -> tuple[Lean, Wire]:
    channel = hub._channels.setdefault(name, Channel(hub, name, hub._base))
    client, wire = Lean(channel), Wire()
    client.transport = wire  # type: ignore[assignment]
    hub.joined(client)
    return client, wire


def test_hub_publish_writes_one_frame_to_every_client_of_the_channel() -> None:
    hub = Hub(clock=ManualClock(255))
    (_, one), (_, two), (_, other) = joined(hub), joined(hub), joined(hub, "other")
    hub.publish("page", b"<p>\n</p>")
    assert one.written == two.written == b"id: ff-1\ndata: <p>\ndata: </p>\n\n"
    assert other.written == b""
    assert hub.clients == 3


def test_hub_full_client_gets_nothing_then_catches_up_in_order() -> None:
    hub = Hub(clock=ManualClock())
    client, wire = joined(hub)
    client.pause_writing()
    for number in range(5):
        hub.publish("page", b"%d" % number)
    assert wire.written == b""
    assert hub.slow_clients == 1
    client.resume_writing()
    assert [data for _, data in parse(wire.written)] == ["0", "1", "2", "3", "4"]
    assert hub.slow_clients == 0


def test_hub_client_full_for_too_long_is_cut() -> None:
    clock, reasons = ManualClock(), list[str]()
    hub = Hub(clock=clock, slow_s=12.0, on_cut=reasons.append)
    (slow, wire), (_, healthy) = joined(hub), joined(hub)
    slow.pause_writing()
    clock.move_to(11_900)
    hub.sweep()
    assert wire.ended == ""
    clock.move_to(12_000)
    hub.sweep()
    assert wire.ended == "abort"
    assert healthy.ended == ""
    assert reasons == ["slow"]
    assert hub.clients == 1


def test_hub_client_that_missed_more_than_the_history_is_cut() -> None:
    reasons = list[str]()
    hub = Hub(clock=ManualClock(), history_frames=3, on_cut=reasons.append)
    client, wire = joined(hub)
    client.pause_writing()
    for number in range(4):
        hub.publish("page", b"%d" % number)
    client.resume_writing()
    assert (wire.ended, wire.written, reasons) == ("abort", b"", ["history"])


def test_hub_history_is_bounded_in_bytes() -> None:
    hub = Hub(clock=ManualClock(), history_frames=1000, history_bytes=10_000)
    joined(hub)
    for _ in range(100):
        hub.publish("page", b"x" * 3_000)
    channel = hub._channels["page"]
    assert sum(len(part) for part in channel.frames) == channel.bytes <= 10_000


def test_hub_silent_channel_gets_a_ping_and_a_busy_one_does_not() -> None:
    clock = ManualClock()
    hub = Hub(clock=clock, ping_s=15.0)
    (_, silent), (_, busy) = joined(hub, "silent"), joined(hub, "busy")
    clock.move_to(10_000)
    hub.publish("busy", b"x")
    clock.move_to(15_000)
    hub.sweep()
    assert silent.written == b":\n\n"
    assert busy.written.count(b":\n\n") == 0


def test_hub_channel_without_clients_lingers_then_goes_and_its_numbers_never_come_back() -> None:
    clock = ManualClock()
    hub = Hub(clock=clock, linger_s=20.0)
    client, _ = joined(hub)
    hub.publish("page", b"x")
    client.connection_lost(None)
    assert hub.has_clients("page")
    clock.move_to(20_000)
    hub.sweep()
    assert not hub.has_clients("page")
    again, _ = joined(hub)
    assert again.channel.after(1) is None


def test_hub_client_that_keeps_sending_is_cut() -> None:
    hub = Hub(clock=ManualClock())
    client, wire = joined(hub)
    for _ in range(20):
        client.data_received(b"x" * 1024)
    assert wire.ended == "abort"
    assert hub.clients == 0


def test_hub_publish_without_clients_keeps_nothing() -> None:
    hub = Hub(clock=ManualClock())
    hub.publish("nobody", b"x")
    assert hub.channels() == []
