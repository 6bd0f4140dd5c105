# SPDX-License-Identifier: Apache-2.0
"""Compiler settings by name, for those who compile a model without the pipeline."""

from __future__ import annotations

import yaml
from pydantic import ValidationError

from tinyformer.config.engine import EngineConfig
from tinyformer.config.location import conf_directory
from tinyformer.errors import TinyFormerError


def load_engine_config(name: str) -> EngineConfig:
    """The settings ``conf/engine/<name>.yaml``.

    Raises:
        TinyFormerError: there are none of that name (those that exist are listed), or the file is wrong.
    """
    directory = conf_directory() / "engine"
    path = directory / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in directory.glob("*.yaml")))
        raise TinyFormerError(f"Unknown engine settings '{name}': choose one of {known}.")
    try:
        return EngineConfig.model_validate(yaml.safe_load(path.read_bytes()) or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise TinyFormerError(f"{path} does not hold compiler settings: {error}") from None
