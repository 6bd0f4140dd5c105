# SPDX-License-Identifier: Apache-2.0
"""The key of a stage: what dvc.yaml says that it reads, and the code that it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tinyformer.config.root import Config
from tinyformer.errors import TinyFormerError
from tinyformer.keys import content_digest, work_key
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import damaged, read_yaml


def stage_key(stage: str, config: Config) -> str:
    """Hash of the code, the parameters and the inputs of ``stage``: of all that DVC runs it anew for.

    Raises:
        TinyFormerError: dvc.yaml is missing or damaged, or an input is missing.
    """
    settings = config.model_dump(mode="json")
    parameters, inputs = _read_definition(stage)
    paths = [re.sub(r"\$\{([\w.]+)\}", lambda match: str(_value(settings, match[1])), path) for path in inputs]
    return work_key(
        f"tinyformer.pipeline.{stage}",
        {name: _value(settings, name) for name in parameters},
        {path: content_digest(Path(path)) for path in paths},
    )


def _read_definition(stage: str) -> tuple[list[str], list[str]]:
    """Names of the parameters, and paths that are no code, on which ``stage`` depends."""
    data = read_yaml(artifacts.DEFINITION)
    try:
        definition = data["stages"][stage]
        parameters: list[str] = []
        for entry in definition["params"]:
            parameters += [entry] if isinstance(entry, str) else entry[artifacts.PARAMS.name]
        return parameters, [path for path in definition["deps"] if not path.startswith("src/")]
    except (KeyError, TypeError, AttributeError):
        raise damaged(artifacts.DEFINITION) from None


def _value(settings: dict[str, Any], name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise TinyFormerError(f"{artifacts.DEFINITION} names a parameter '{name}', which does not exist.")
        value = value[part]
    return value
