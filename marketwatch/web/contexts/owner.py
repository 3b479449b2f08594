"""The page on which somebody becomes the owner."""

from __future__ import annotations

from dataclasses import dataclass

from ...accounts.preferences import CURRENCIES


@dataclass(frozen=True, slots=True)
class OwnerPage:
    """`possible`: somebody can be the owner, else `why` not. `place`: the file with the token, "" where it is a setting.

    `back`: where to go afterwards. `mistake`: what was wrong with the last try. `currency` and `symbols`: what the owner likes
    to see; `kept`: that was said just now.
    """

    signed_in: bool
    possible: bool
    why: str
    place: str
    back: str
    mistake: str
    currency: str = ""
    symbols: str = ""
    currencies: tuple[str, ...] = CURRENCIES
    kept: bool = False
