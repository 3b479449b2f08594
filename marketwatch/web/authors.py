"""Who wrote a rule, for those who may know: people know their own rules, admins everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..model.accounts import OWNER_ID
from ..model.alerts import Rule

Names = Mapping[str, str]
"""User names by user id."""


class Reader(NamedTuple):
    """Whoever looks at rules. `user_id`: "" for a guest. `names`: of the authors that they may know, by user id; None without
    accounts, where every rule is the owner's. `every`: they know all of them, also those whose account is gone."""

    user_id: str = ""
    names: Names | None = None
    every: bool = False

    def knows(self, rule: Rule) -> bool:
        """Rules of the file have no author."""
        return self.names is not None and rule.origin != "file" and (self.every or rule.owner_id in self.names)

    def name_of(self, rule: Rule) -> str | None:
        """The name of its author; None where they may not know it, or the account is gone."""
        return self.names.get(rule.owner_id) if self.names is not None and self.knows(rule) else None

    def says(self, rule: Rule) -> str:
        """The author in words, "" where they may not know."""
        if not self.knows(rule):
            return ""
        if rule.owner_id == self.user_id:
            return "yours"
        return said(rule, self.names or {})


NOBODY = Reader()
"""Who is told nothing."""


def said(rule: Rule, names: Names) -> str:
    """The author of a rule in words, for who knows all `names`; "" for a rule of the file."""
    if rule.origin == "file":
        return ""
    if rule.owner_id == OWNER_ID:
        return "by the owner of the program"
    return f"by {names.get(rule.owner_id, 'an account that is gone')}"
