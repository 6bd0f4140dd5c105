# SPDX-License-Identifier: Apache-2.0
"""Where ``conf/`` is: inside an installed wheel, else in the checkout."""

from pathlib import Path

import tinyformer
from tinyformer.errors import TinyFormerError


def conf_directory() -> Path:
    """The directory of the Hydra groups.

    Raises:
        TinyFormerError: neither the package nor a checkout around it has one.
    """
    package = Path(tinyformer.__file__).resolve().parent
    for candidate in (package / "conf", package.parents[1] / "conf"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise TinyFormerError("The conf/ directory is missing; reinstall tinyformer or restore conf/ from Git.")
