# SPDX-License-Identifier: Apache-2.0
"""Stage ``inputs``: what the pipeline reads from outside the project, so that DVC sees it change.

It runs each time and looks at each file; the stages that read these files depend on what it writes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tinyformer.config.load import load_params
from tinyformer.data.files import data_contents, plain
from tinyformer.errors import TinyFormerError
from tinyformer.keys import module_digest
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json, write_json
from tinyformer.pipeline.stage import stage_process


def inputs() -> None:
    """Write the digests of the data set's files and of the user's module, and what a board has said."""
    config = load_params(artifacts.PARAMS)
    write_json(artifacts.DATA_FILES, plain(data_contents(config.data)))
    write_json(artifacts.USER_CODE, _user_code(config.network.hook))
    write_json(artifacts.BOARD_SEEN, read_json(artifacts.BOARD) if artifacts.BOARD.exists() else None)


def _user_code(module: str | None) -> dict[str, str]:
    if module is None:
        return {}
    sys.path.insert(0, str(Path.cwd()))
    try:
        return {module: module_digest(module)}
    except ImportError as error:
        raise TinyFormerError(f"network.hook names a module that cannot be imported: {error}.") from error


if __name__ == "__main__":
    with stage_process("inputs"):
        inputs()
