"""The microcontrollers that TinyFormer knows: one YAML file each under ``conf/mcu``."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

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
    """Read the description of a microcontroller.

    Args:
        name_or_path: a known name such as ``stm32f746``, or the path of a YAML file of the same form.

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
    try:
        return McuConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TinyFormerError(f"Cannot read the MCU file '{path}': {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise TinyFormerError(f"The MCU file '{path}' is not valid YAML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise TinyFormerError(f"The MCU file '{path}' is wrong at '{where}': {first['msg']}.") from error
