"""The page on which somebody becomes the owner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnerPage:
    """`possible`: somebody can be the owner, else `why` not. `place`: the file with the token, "" where it is a setting.

    `back`: where to go afterwards. `mistake`: what was wrong with the last try.
    """

    signed_in: bool
    possible: bool
    why: str
    place: str
    back: str
    mistake: str
