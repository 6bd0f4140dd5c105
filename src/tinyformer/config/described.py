# SPDX-License-Identifier: Apache-2.0
"""YAML files that describe something, by a user's hand: what is wrong with one is a sentence that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from pydantic import ValidationError

from tinyformer.errors import TinyFormerError


@contextmanager
def described(what: str, path: Path) -> Iterator[None]:
    """Reading and validating ``path``, a ``what`` ("MCU file"), within a ``with`` block.

    Raises:
        TinyFormerError: the file cannot be read, is not YAML, or is no ``what`` (named with the key).
    """
    try:
        yield
    except OSError as error:
        raise TinyFormerError(f"Cannot read the {what} '{path}': {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise TinyFormerError(f"The {what} '{path}' is not valid YAML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise TinyFormerError(f"The {what} '{path}' is wrong at '{where}': {first['msg']}.") from error
