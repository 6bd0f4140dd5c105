# SPDX-License-Identifier: Apache-2.0
"""Writes the lock files of the extras pipeline, dev and ui: the versions installed here of all that pyproject asks.

Run by `make lock` after upgrading packages in `.venv`. A package that is needed only under a condition (an older
Python, another system) keeps that condition; one whose condition does not hold here is left for pip to choose within
the bounds of those that want it. Indexes and hashes are not recorded: they differ between mirrors.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEADER = "# Written by `make lock`; `make setup` installs from it. Bounds and purposes: pyproject.toml.\n"
FILES = {"requirements.lock": "pipeline", "requirements-dev.lock": "dev", "requirements-ui.lock": "ui"}
"""Lock files by the extra that they add."""

EXTRA_CLAUSE = re.compile(r"""( and )?extra == ["'][^"']*["']( and )?""")

Conditions = dict[str, set[str]]
"""By canonical name: the conditions under which a package is needed; the empty one is always."""


def needed(requirements: Iterable[str]) -> Conditions:
    """All packages that ``requirements`` pull in here."""
    conditions: Conditions = {}
    seen: set[tuple[str, frozenset[str], str]] = set()
    waiting = [(Requirement(text), "", frozenset[str]()) for text in requirements]
    while waiting:
        requirement, inherited, parent_extras = waiting.pop()
        own = requirement.marker
        if own and not any(own.evaluate({"extra": extra}) for extra in ("", *parent_extras)):
            continue
        condition = _both(inherited, _without_extra(own))
        name = canonicalize_name(requirement.name)
        extras = frozenset(requirement.extras)
        if (name, extras, condition) in seen:
            continue
        seen.add((name, extras, condition))
        conditions.setdefault(name, set()).add(condition)
        waiting += [(Requirement(text), condition, extras) for text in metadata.requires(name) or ()]
    return conditions


def _without_extra(marker: Marker | None) -> str:
    text = EXTRA_CLAUSE.sub("", str(marker)).strip() if marker else ""
    return "" if text in ("", "()") else text


def _both(first: str, second: str) -> str:
    if not first or not second or first == second:
        return first or second
    return " and ".join(f"({text})" if " or " in text else text for text in (first, second))


def lines(conditions: Conditions) -> list[str]:
    """One pin a package, sorted by name."""
    pins = []
    for name, when in sorted(conditions.items()):
        version = metadata.version(name).split("+")[0]  # a build such as +cpu is the index's business
        marker = "" if "" in when else " or ".join(sorted(when))
        pins.append(f"{name}=={version}" + (f" ; {marker}" if marker else "") + "\n")
    return pins


def main() -> None:
    """Write all files; each but the first names only what the one before it lacks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted: list[str] = list(project["dependencies"])
    above, known = "", Conditions()
    for name, extra in FILES.items():
        wanted += project["optional-dependencies"][extra]
        found = needed(wanted)
        own = {package: when for package, when in found.items() if package not in known}
        (ROOT / name).write_text(HEADER + above + "".join(lines(own)), encoding="utf-8")
        above, known = f"-r {name}\n", found


if __name__ == "__main__":
    main()
