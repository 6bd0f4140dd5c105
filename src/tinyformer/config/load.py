# SPDX-License-Identifier: Apache-2.0
"""From plain data to a validated :class:`Config`, with errors that a user can act on. Knows no Hydra."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tinyformer.config.moved import new_name
from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError

Locator = Callable[[tuple[str, ...]], str]
"""Names the place a key (as path) comes from: a file, or the command line."""


def load_params(path: Path) -> Config:
    """Read and validate a ``params.yaml``.

    Raises:
        TinyFormerError: the file is missing, is not YAML, or holds a bad value (named with its key and the choices).
    """
    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise TinyFormerError(f"{path} does not exist; write it with `tinyformer compose`.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise TinyFormerError(f"{path} is not valid YAML{where}; write it anew with `tinyformer compose`.") from None
    if not isinstance(data, Mapping):
        raise TinyFormerError(f"{path} holds no settings; write it anew with `tinyformer compose`.")
    return validate(data, lambda _: str(path))


def validate(data: Mapping[str, Any], locate: Locator) -> Config:
    """Turn composed data into a :class:`Config`.

    Raises:
        TinyFormerError: one line a problem: place, key, what is wrong, what is allowed.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [_sentence(details, data, locate) for details in error.errors()]
        raise TinyFormerError("\n".join(dict.fromkeys(lines))) from None


def _sentence(details: ErrorDetails, data: Mapping[str, Any], locate: Locator) -> str:
    path = tuple(str(part) for part in details["loc"])
    key = ".".join(path)
    place = locate(path)
    match details["type"]:
        case "extra_forbidden":
            known = known_keys(path[:-1])
            guess = today if (today := new_name(key)) != key else closest(path[-1], known)
            hint = f"; did you mean {guess!r}?" if guess else "."
            choices = f" Known keys: {', '.join(known)}." if known else ""
            return f"{place}: unknown key '{key}'{hint}{choices}"
        case "missing":
            return f"{place}: '{key}' is missing; give it a value."
        case "value_error":
            reason = str(details["ctx"]["error"])
            return f"{place}: {key + ': ' if key else ''}{reason}"
        case _:
            return f"{place}: '{key}' is {details['input']!r}: {_lower_first(details['msg'])}."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def closest(word: str, choices: list[str]) -> str | None:
    """The choice that ``word`` was probably meant to be, or None."""
    found = difflib.get_close_matches(word, choices, n=1)
    return found[0] if found else None


def known_keys(path: tuple[str, ...]) -> list[str]:
    """Keys that the section at ``path`` of the configuration knows; empty where the path is no section."""
    model: type[BaseModel] = Config
    for part in path:
        field = model.model_fields.get(part)
        section = _section(field.annotation) if field else None
        if section is None:
            return []
        model = section
    return sorted(model.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that ``annotation`` stands for, be it or null; None where it stands for none or several."""
    candidates = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    sections = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return sections[0] if len(sections) == 1 else None
