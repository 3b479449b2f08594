"""The commonest passwords: words that people take, alone, twice, or with digits and signs behind them."""

from __future__ import annotations

import re
from itertools import pairwise

_LIST = """
password passwort passw0rd p@ssword p@ssw0rd pa55word passwd motdepasse contrasena contraseña senha parola wachtwoord haslo
qwerty qwertz azerty qwertyuiop qwertzuiop azertyuiop qwerty123 asdfgh asdfghjk asdfghjkl zxcvbn zxcvbnm yxcvbnm qazwsx
qazwsxedc qweasd qweasdzxc 1q2w3e 1q2w3e4r 1q2w3e4r5t 1qaz2wsx zaq12wsx zaq1zaq1 q1w2e3r4 q1w2e3r4t5 1qazxsw2 asdfasdf
qwerqwer asdf1234 qwer1234 abcd1234 1234qwer 123qwe 123qweasd abc123 a1b2c3d4 abcdefg abcdefgh abcdefghi aa123456 a12345678
admin administrator root toor login guest user test testtest default changeme change letmein welcome welcome1 secret secret1
master monkey dragon shadow superman batman spiderman ironman football baseball basketball soccer hockey tennis golf
iloveyou loveyou iloveu lovely love lover sweetheart princess prince angel angels baby babygirl babyboy honey beautiful
sunshine flower flowers butterfly rainbow summer winter spring autumn january february march april june july august
september october november december monday tuesday wednesday thursday friday saturday sunday
michael michelle jessica jennifer jordan daniel ashley andrew amanda joshua matthew nicole thomas robert charlie george
hannah harley hunter jasmine justin maggie martin melissa natasha nicholas patrick pepper samantha samsung stephanie taylor
tigger victoria william alexander alexandra benjamin christian christopher elizabeth jonathan richard sebastian
computer internet whatever trustno1 freedom starwars pokemon minecraft fortnite nintendo playstation google facebook twitter
instagram linkedin youtube yahoo hotmail microsoft windows apple iphone android chrome mustang ferrari porsche mercedes
corvette yamaha suzuki chelsea arsenal liverpool barcelona realmadrid juventus manchester london paris berlin newyork
america canada australia germany deutschland france england russia poland brasil mexico
cheese cookie chocolate banana orange purple yellow silver golden diamond ginger peanut coffee pepperoni
killer ninja pirate warrior matrix merlin wizard phoenix thunder lightning tornado hurricane dolphin eagle tiger lion
panther cowboy ranger steelers lakers yankees dallas cowboys
access accessgranted blahblah computer1 hello hello123 helloworld nothing something anything everything forever family
friends friend mother father brother sister daughter children christ jesus jesuschrist heaven blessed faith hopeful
bitcoin ethereum crypto satoshi satoshinakamoto hodl tothemoon lambo binance coinbase kraken dogecoin trading trader
marketwatch market moneymoney money million millionaire
fuckyou fuckyou1 fuckoff asshole bitch pussy 696969 sexsex
correcthorsebatterystaple opensesame sesame abracadabra swordfish
"""
_WORDS = frozenset(_LIST.split())
_ROWS = ("qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "abcdefghijklmnopqrstuvwxyz")
_TAIL = re.compile(r"[\W\d_]{0,6}$")
_HEAD = re.compile(r"^[\W\d_]{0,4}")
_LEET = str.maketrans({"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_RUN = 6


def is_common(folded: str) -> bool:
    """Whether `folded` (in lower case) is a common word, one of them twice, or one with a few digits and signs around it; or
    nothing but a run of neighbours such as `12345678`, `87654321` or `qwertyui`."""
    return any(_is_word(text) for text in (folded, folded.translate(_LEET), _TAIL.sub("", folded).translate(_LEET))) or _is_run(
        folded
    )


def _is_word(text: str) -> bool:
    stem = _TAIL.sub("", text)
    stems = {text, stem, _HEAD.sub("", stem)}
    halves = {one[: len(one) // 2] for one in stems if len(one) % 2 == 0 and one[: len(one) // 2] * 2 == one}
    return any(one in _WORDS for one in stems | halves)


def _is_run(text: str) -> bool:
    letters = _TAIL.sub("", text) or text
    if letters.isdigit() or text.isdigit():
        return _counts(text) or _repeats(text)
    return len(letters) >= _RUN and any(letters in row or letters in row[::-1] for row in _ROWS)


def _counts(text: str) -> bool:
    """Digits that go up or down by one, from 9 to 0 and on."""
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(text)} if text.isdecimal() else set()
    return steps in ({1}, {9}, {0})


def _repeats(text: str) -> bool:
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, 5))
