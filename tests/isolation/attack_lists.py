"""What a hostile tenant sends. attacks/ has a file for each row of SECURITY.md's tables of tenants; each line is a
statement and the answer that PostgreSQL must give.

    SET ROLE {victim_login}; -- 42501 (15: 0LP01)

| expected | means |
|---|---|
| one or more SQLSTATEs | refused with one of them; in parentheses what other major versions say |
| no row | answers, and has nothing to show |
| harmless | succeeds, and nobody else notices |
| open | the same in a transaction that stays open |

`\\connect` opens a session as psql's does; the rest is as in the attacker's own secret. Names in braces are
identifiers, those that end with _name literals; attackers.py has them all.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

DIRECTORY = Path(__file__).with_name("attacks")
GROUPS = sorted(file.stem for file in DIRECTORY.glob("*.sql"))
SUCCESSES = ("no row", "harmless", "open")
LINE = re.compile(r"(?P<text>\S.*?);? +-- (?P<expected>[^()]+?)(?: \((?P<versions>.+)\))?")


class Attack(NamedTuple):
    """A line of a group."""

    group: str
    text: str
    expected: frozenset[str]
    versions: dict[int, frozenset[str]]

    def expected_of(self, version: int) -> frozenset[str]:
        """Return what a server of this major version may answer."""
        return self.versions.get(version, self.expected)


def attacks(group: str) -> list[Attack]:
    """Return the lines of a group. Raise ValueError for one that does not say what is expected."""
    lines = (DIRECTORY / f"{group}.sql").read_text().splitlines()
    return [_read(group, line) for line in lines if line and not line.startswith("--")]


def parameters(*groups: str) -> list[object]:
    """Return the lines of these groups as parameters of a test, each with an id."""
    return [
        pytest.param(attack, id=f"{group}: {re.sub(r'[^ -~]', '?', attack.text)[:70]}")
        for group in groups
        for attack in attacks(group)
    ]


def _read(group: str, line: str) -> Attack:
    found = LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"{group}.sql: what is expected of: {line}")
    others = dict(part.split(": ") for part in (found["versions"] or "").split("; ") if part)
    versions = {int(version): _answers(group, said) for version, said in others.items()}
    return Attack(group, found["text"], _answers(group, found["expected"]), versions)


def _answers(group: str, said: str) -> frozenset[str]:
    answers = frozenset(said.split(", "))
    if not all(answer in SUCCESSES or re.fullmatch("[0-9A-Z]{5}", answer) for answer in answers):
        raise ValueError(f"{group}.sql: {said} is no answer")
    return answers
