# SPDX-License-Identifier: Apache-2.0
"""Hydra: from ``conf/`` and overrides to the text of ``params.yaml``. With :mod:`tinyformer.config.multirun` alone
in importing Hydra."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tinyformer.config.groups import groups
from tinyformer.config.load import closest, known_keys, validate
from tinyformer.config.moved import moves
from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file

_logger = logging.getLogger(__name__)
_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\b")
"""The interpolation that reads the environment, anywhere in a value."""


@dataclass(frozen=True)
class Composition:
    """A validated configuration and its canonical text (what DVC's own Hydra support writes too)."""

    config: Config
    text: str


def compose(conf: Path, overrides: Sequence[str] = (), experiment: str | None = None) -> Composition:
    """Compose ``conf/config.yaml`` with ``overrides`` in Hydra's grammar, on top of the recipe ``experiment``.

    Raises:
        TinyFormerError: an unknown group, choice or key, a wrong type, an impossible value; each named with its file.
    """
    words = [f"experiment={experiment}", *overrides] if experiment else list(overrides)
    for old, new in (moved := moves(words)).items():
        _logger.warning("'%s' has moved: read as '%s'.", old, new)
    words = [moved.get(word, word) for word in words]
    try:
        with initialize_config_dir(config_dir=str(conf.resolve()), version_base="1.3"):
            tree = hydra_compose(config_name="config", overrides=words, return_hydra_config=True)
        choices: dict[str, str] = {k: v for k, v in tree.hydra.runtime.choices.items() if isinstance(v, str)}
        with_hydra = OmegaConf.to_container(tree, resolve=False)
        assert isinstance(with_hydra, dict)
        del with_hydra["hydra"]
        plain = OmegaConf.create(with_hydra)
    except HydraException as error:
        raise TinyFormerError(_explain(error, conf, words)) from None
    except yaml.YAMLError as error:
        raise TinyFormerError(f"A file in {conf} is not valid YAML: {' '.join(str(error).split())}.") from None
    return finish(plain, conf, words, choices)


def finish(tree: DictConfig, conf: Path, words: Sequence[str], choices: dict[str, str]) -> Composition:
    """Resolve and validate what Hydra has composed of ``conf`` and the overrides ``words``.

    ``choices`` are those of the groups. Raises :class:`TinyFormerError` as :func:`compose`.
    """
    _refuse_environment(OmegaConf.to_container(tree, resolve=False), conf)
    try:
        data = OmegaConf.to_container(tree, resolve=True, throw_on_missing=True)
        text = OmegaConf.to_yaml(tree, resolve=True)
    except OmegaConfBaseException as error:
        raise TinyFormerError(
            f"{_place_of_key(getattr(error, 'full_key', '') or '', conf)}: {_first_line(error)}."
        ) from None
    assert isinstance(data, dict)
    config = validate({str(k): v for k, v in data.items()}, lambda path: _locate(path, conf, words, choices))
    return Composition(config, text)


def _refuse_environment(node: Any, conf: Path, path: tuple[str, ...] = ()) -> None:
    """Raise :class:`TinyFormerError` where a value would come from the environment: params.yaml is committed and
    published, secrets would be, too."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            _refuse_environment(value, conf, (*path, str(key)))
    elif isinstance(node, str) and _ENVIRONMENT.search(node):
        key = ".".join(path)
        raise TinyFormerError(
            f"{_place_of_key(key, conf)}: {key} takes its value from the environment, which would write it into "
            "params.yaml; write the value itself."
        )


def write_if_changed(path: Path, text: str) -> bool:
    """Write ``text`` unless the file already holds it; returns whether it was written."""
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    replace_file(path, text.encode())
    return True


def _explain(error: HydraException, conf: Path, words: Sequence[str]) -> str:
    message = str(error)
    available = groups(conf)
    for word in words:
        name, _, value = word.lstrip("+~").partition("=")
        if name in available and value not in available[name]:
            guess = closest(value, available[name])
            hint = f" Did you mean '{guess}'?" if guess else ""
            return (
                f"'{word}': there is no {conf.name}/{name}/{value}.yaml.{hint} Choices: {', '.join(available[name])}."
            )
    if found := re.search(r"Could not override '([^']+)'", message):
        path = tuple(found[1].split("."))
        depth = next(i for i in range(len(path)) if path[i] not in known_keys(path[:i]) or i == len(path) - 1)
        known = known_keys(path[:depth]) if depth else sorted({*known_keys(()), *available})
        guess = closest(path[depth], known)
        hint = f" Did you mean '{'.'.join((*path[:depth], guess, *path[depth + 1 :]))}'?" if guess else ""
        listing = f" Known keys: {', '.join(known)}." if known else ""
        return f"Command line: unknown key '{found[1]}'.{hint}{listing}"
    if found := re.search(r"Could not find '([^']+)'", message):
        return f"{conf.name}/ has no '{found[1]}'; correct the defaults list that names it."
    for word in words:
        try:
            OverridesParser.create().parse_override(word)
        except HydraException as problem:
            return f"Command line: '{word}' is no override ({_first_line(problem)}); write key=value or group=choice."
    return f"Command line or {conf.name}/: {_first_line(error)}."


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _place_of_key(key: str, conf: Path) -> str:
    group = key.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]
    return f"{conf.name}/{group}" if (conf / group).is_dir() else f"{conf.name}/config.yaml"


def _locate(path: tuple[str, ...], conf: Path, words: Sequence[str], choices: dict[str, str]) -> str:
    """Who set this key last: the command line, the experiment, the group's file or config.yaml."""
    for word in reversed(words):
        key = tuple(word.lstrip("+~").split("=")[0].split("."))
        if len(key) > 1 and path and (path[: len(key)] == key or key[: len(path)] == path):
            return f"Command line ({word})"
    recipe = conf / "experiment" / f"{choices.get('experiment', '')}.yaml"
    if _sets(recipe, path):
        return f"{conf.name}/experiment/{recipe.name}"
    if path and path[0] in choices:
        return f"{conf.name}/{path[0]}/{choices[path[0]]}.yaml"
    return f"{conf.name}/config.yaml"


def _sets(file: Path, path: tuple[str, ...]) -> bool:
    if not file.is_file():
        return False
    node: Any = yaml.safe_load(file.read_bytes())
    for part in path:
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
