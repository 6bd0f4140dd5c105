"""The C emitter: from selected kernels and a memory plan to the files of a package."""

from tinyformer.engine.emit.package import render_package

__all__ = ["render_package"]
