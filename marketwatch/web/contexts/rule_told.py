"""What the alerts page says after a rule was written, and with what somebody may begin who has none."""

from __future__ import annotations

from typing import NamedTuple

from ...model.alerts import Rule
from ...watch import Watch
from .rule_form import EXAMPLES
from .rule_words import rule_href


class ToldView(NamedTuple):
    """A sentence about a rule, its page, and the address that takes the act back ("" where nothing does)."""

    sentence: str
    href: str
    undo: str = ""


class ExampleView(NamedTuple):
    """A rule to begin with: what it says, and the fields of its form."""

    name: str
    expression: str
    meaning: str
    fields: tuple[tuple[str, str], ...]


_SAID = {
    "created": 'The rule "{}" is in force.',
    "changed": 'The rule "{}" is in force as it was changed.',
    "deleted": 'The rule "{}" is deleted.',
    "restored": 'The rule "{}" is in force again.',
    "on": 'The rule "{}" is switched on.',
    "off": 'The rule "{}" is switched off.',
    "muted": 'The rule "{}" is muted: it goes on, but nobody is told.',
    "unmuted": 'The rule "{}" tells again.',
}


_WHOLE = (("scope", "all"), ("channels", "app"), ("enabled", "yes"))


def told_of(act: str, rule: Rule | None) -> ToldView | None:
    """None for an act or a rule that does not exist."""
    if rule is None or act not in _SAID:
        return None
    href = rule_href(rule.rule_id)
    sentence = _SAID[act].format(rule.name)
    if act in ("created", "changed", "restored") and not rule.enabled:
        sentence = f'The rule "{rule.name}" is saved, and it is switched off.'
    return ToldView(sentence, href, f"{href}/restore" if act == "deleted" else "")


def examples_of(watch: Watch) -> tuple[ExampleView, ...]:
    """Rules to begin with, as long as nobody has written one."""
    rules = watch.state.rules.values()
    if any(rule.origin != "file" for rule in rules):
        return ()
    taken = {rule.name.casefold() for rule in rules}
    return tuple(
        ExampleView(
            name,
            expression,
            meaning,
            (
                ("name", name),
                ("expression", expression),
                ("scope", "all"),
                ("channels", "app"),
                ("enabled", "yes"),
                *more.items(),
            ),
        )
        for name, expression, meaning, more in EXAMPLES
        if name.casefold() not in taken
    )
