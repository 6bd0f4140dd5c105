# SPDX-License-Identifier: Apache-2.0
"""The microcontrollers that TinyFormer knows: one YAML file each under ``conf/mcu``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tinyformer.config.described import described
from tinyformer.config.location import conf_directory
from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError


def mcu_directory() -> Path:
    """Directory of the target files."""
    return conf_directory() / "mcu"


def known_mcus() -> list[str]:
    """Names that `load_mcu` accepts, sorted."""
    return sorted(path.stem for path in mcu_directory().glob("*.yaml"))


def load_mcu(name_or_path: str | Path) -> McuConfig:
    """Read the description of a microcontroller, on top of the files that its defaults list names.

    Args:
        name_or_path: a known name such as ``stm32f746``, or the path of a YAML file of the same form. A ``defaults``
            list there is Hydra's: ``core@_here_: cortex-m7`` stands for ``conf/mcu/core/cortex-m7.yaml``.

    Raises:
        TinyFormerError: unknown name, unreadable file, or a file that does not describe a microcontroller.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = mcu_directory() / f"{str(name_or_path).lower()}.yaml"
        if not path.is_file():
            known = ", ".join(known_mcus())
            raise TinyFormerError(
                f"Unknown MCU '{name_or_path}': choose one of {known}, or give the path of a .yaml file."
            )
    with described("MCU file", path):
        return McuConfig.model_validate(_compose(path))


def _compose(path: Path) -> Any:
    """The settings of ``path`` over those of its defaults, merged as Hydra merges them."""
    own = yaml.safe_load(path.read_bytes())
    if not isinstance(own, dict):
        return own
    defaults = own.pop("defaults", ["_self_"])
    merged: dict[str, Any] = {}
    for entry in defaults if "_self_" in defaults else [*defaults, "_self_"]:
        merged = _merge(merged, own if entry == "_self_" else _compose(_base(path, entry)))
    return merged


def _base(path: Path, entry: object) -> Path:
    """The file that an entry of ``path``'s defaults names: of a group (``core@_here_: NAME``), or a neighbour."""
    match entry:
        case {"core@_here_": str(choice)}:
            base = mcu_directory() / "core" / f"{choice}.yaml"
        case {"series@_here_": str(choice)}:
            base = mcu_directory() / "series" / f"{choice}.yaml"
        case str() if entry.endswith("@_here_"):
            choice = entry.removesuffix("@_here_")
            base = path.with_name(f"{choice}.yaml")
            base = base if base.is_file() else mcu_directory() / base.name
        case _:
            raise TinyFormerError(
                f"The MCU file '{path}' has {entry!r} in its defaults: write core@_here_: NAME, series@_here_: NAME, "
                "or NAME@_here_ for another microcontroller."
            )
    if not base.is_file():
        known = ", ".join(sorted(file.stem for file in base.parent.glob("*.yaml"))) or "none"
        raise TinyFormerError(f"The MCU file '{path}' builds on '{choice}', which is none of {known}.")
    return base


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
