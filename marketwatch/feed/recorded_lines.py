"""Lines of a recording: `<epoch ns|us|ms|s[.frac]>[:] <raw frame>`, plain, gzip or zstd, or JSON lines that wrap a frame.

What is known to be no frame (connection headers, what was sent, answers over HTTP) is skipped and counted, what cannot be read
as well; nothing is raised for the content of a file.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import orjson
import zstandard

from ..errors import FeedError

MAX_LINE_BYTES = 10_000_000
_STAMPED = re.compile(rb"(\d{9,20})(?:\.(\d{1,12}))?:?[ \t]+(.+)", re.DOTALL)
_HEADER = re.compile(rb"(?:wss?|https?)://")
_DAMAGE = (OSError, EOFError, zlib.error, zstandard.ZstdError)


class Line(NamedTuple):
    """One frame and when it was received (ns since the epoch; None where the recording does not say)."""

    received_ns: int | None
    frame: bytes


@dataclass(slots=True)
class Recording:
    """A file of lines, readable any number of times. Counters are those of the newest reading; `origin` is the first header."""

    path: Path
    lines: int = 0
    size: int = 0
    headers: int = 0
    origin: str = ""
    malformed: dict[str, int] = field(default_factory=dict)
    damage: str = ""

    def read(self, *, most_lines: int | None = None, most_bytes: int | None = None) -> Iterator[Line]:
        """Frames in the order of the file. A damaged archive ends early, with the reason in `damage`.

        Raises FeedError when the file cannot be opened.
        """
        self.lines = self.size = self.headers = 0
        self.malformed, self.damage = {}, ""
        with self._open() as stream:
            while (most_lines is None or self.lines < most_lines) and (most_bytes is None or self.size < most_bytes):
                try:
                    text = stream.readline(MAX_LINE_BYTES + 1)
                except _DAMAGE as error:
                    self.damage = (
                        f"The recording {str(self.path)!r} is damaged after line {self.lines}: {error or 'it ends early'}."
                    )
                    return
                if not text:
                    return
                self.lines += 1
                self.size += len(text)
                if len(text) > MAX_LINE_BYTES:
                    self._count("size")
                    self._skip_rest(stream)
                    continue
                line = self._line(text.strip())
                if line is not None:
                    yield line

    def _open(self) -> IO[bytes]:
        try:
            file = self.path.open("rb")
        except OSError as error:
            reason = error.strerror or str(error)
            raise FeedError(
                f"The recording {str(self.path)!r} cannot be read ({reason}); check the path after `recorded:`."
            ) from None
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            return _Owning(gzip.GzipFile(fileobj=file), file)
        if magic == b"\x28\xb5\x2f\xfd":
            return _Owning(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True), file)
        return file

    def _skip_rest(self, stream: IO[bytes]) -> None:
        while True:
            try:
                rest = stream.readline(MAX_LINE_BYTES)
            except _DAMAGE:
                return
            if not rest or rest.endswith(b"\n"):
                return

    def _line(self, text: bytes) -> Line | None:
        match = _STAMPED.fullmatch(text)
        if match is not None:
            return Line(stamp_ns(match[1], match[2] or b""), match[3])
        if text.startswith((b"{", b"[")):
            return self._json_line(text)
        if _HEADER.match(text):
            self.headers += 1
            self.origin = self.origin or text[:200].decode("utf-8", "replace")
        elif text:
            self._count("line")
        return None

    def _json_line(self, text: bytes) -> Line | None:
        """A frame without a time, or `{"t":"recv","ts":1786309548.6,"data":"<frame>"}`, or `{"raw":"<frame>"}`."""
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._count("json")
            return None
        if not isinstance(row, dict) or not isinstance(kind := row.get("t", "recv"), str):
            return Line(None, text)
        frame = row.get("data", row.get("raw"))
        if "t" in row and "e" not in row and kind != "recv":
            self.headers += 1
            return None
        if isinstance(frame, str) and "stream" not in row:
            moment = row.get("ts")
            return Line(round(moment * 1e9) if isinstance(moment, float | int) and 0 < moment < 1e10 else None, frame.encode())
        return Line(None, text)

    def _count(self, reason: str) -> None:
        self.malformed[reason] = self.malformed.get(reason, 0) + 1


def stamp_ns(whole: bytes, fraction: bytes = b"") -> int:
    """Nanoseconds of an epoch whose unit shows in its length: 9 to 11 digits are seconds, to 14 ms, to 17 us, above that ns."""
    digits = len(whole)
    scale = 9 if digits <= 11 else 6 if digits <= 14 else 3 if digits <= 17 else 0
    return int(whole) * int(10**scale) + int((fraction + b"0" * scale)[:scale] or b"0")


class _Owning(io.BufferedReader):
    """A buffered reader that closes the file below the decompressor as well."""

    def __init__(self, raw: gzip.GzipFile | zstandard.ZstdDecompressionReader, file: IO[bytes]) -> None:
        super().__init__(raw, 1 << 18)
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()
