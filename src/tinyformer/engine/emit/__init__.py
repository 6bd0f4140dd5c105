# SPDX-License-Identifier: Apache-2.0
"""The C emitter: from selected kernels and a memory plan to the files of a package."""

from tinyformer.engine.emit.package import render_package, to_json
from tinyformer.engine.emit.readme import render_readme

__all__ = ["render_package", "render_readme", "to_json"]
