# SPDX-License-Identifier: Apache-2.0
"""The key of a piece of work: a hash of all that makes its result. Equal keys, equal results.

That is the code it runs (a module and all that it imports of this package, with the data files beside them), the
parameters that change its result, and its inputs. Checkpoints and stored evaluations are found again by it, and DVC
depends on the same files (``tests/pipeline/test_dependencies.py``).
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

_PACKAGE = "tinyformer"
PACKAGE_ROOT = Path(__file__).parent
"""Where this package lies."""

_NOT_FOLLOWED = ("tinyformer.tracking",)
"""How a run is logged does not change its result."""

_GATHERS = {"tinyformer.config.root": ("tinyformer.config.base",)}
"""It lists all sections of the configuration; a module imports those that it uses itself. With what does count."""


def work_key(module: str, parameters: Mapping[str, Any], inputs: Mapping[str, bytes | str] | None = None) -> str:
    """The key of what ``module`` makes: SHA-256, in hexadecimal.

    Args:
        module: dotted name of the module that does the work; what it imports counts, too.
        parameters: plain data for JSON: what changes the result, and nothing else.
        inputs: contents, or digests of contents, by name.
    """
    digest = hashlib.sha256(code_digest(module).encode())
    digest.update(json.dumps(parameters, sort_keys=True, allow_nan=False).encode())
    for name, content in sorted((inputs or {}).items()):
        data = content if isinstance(content, bytes) else content.encode()
        digest.update(f"\n{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def content_digest(path: Path) -> str:
    """SHA-256 of a file; of a directory, that of its sorted relative names and file digests."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = (f"{file.relative_to(path).as_posix()} {content_digest(file)}\n" for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrays_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the names, types, shapes and values of ``arrays``, in hexadecimal."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def module_digest(name: str) -> str:
    """SHA-256 of the source of any module, found as an import would find it; of a package, of all its files.

    It is not imported. Raises ModuleNotFoundError where there is none.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named '{name}'")
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    return hashlib.sha256("".join(f"{file.name} {content_digest(file)}\n" for file in files).encode()).hexdigest()


@cache
def code_digest(module: str) -> str:
    """SHA-256 of the names and contents of :func:`code_files`, in hexadecimal."""
    lines = (f"{path.relative_to(PACKAGE_ROOT).as_posix()} {content_digest(path)}\n" for path in code_files(module))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@cache
def code_files(module: str) -> tuple[Path, ...]:
    """The files of ``module`` and of all modules of this package that it imports, also indirectly; sorted.

    A module comes with the packages that it lies in and the data files (C sources, templates) of the innermost one.
    The outermost package, which holds the version alone, counts only where it is imported by itself.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _GATHERS[name] if name in _GATHERS else _imports(name)
    sources = {_source(name) for name in found}
    data = {file for directory in {source.parent for source in sources} for file in _data_files(directory)}
    return tuple(sorted(sources | data))


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of this package that ``module`` names in an import, wherever it stands, and the packages they lie in."""
    names: set[str] = {module}
    for node in ast.walk(ast.parse(_source(module).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    within = dict.fromkeys(part for name in names for part in _with_packages(name))
    return tuple(name for name in within if not _lies_in(name, _NOT_FOLLOWED) and _exists(name))


def _with_packages(name: str) -> Iterator[str]:
    """``name``, which may end in what a module defines, and its packages; the outermost one only if asked for."""
    if name in (f"{_PACKAGE}.__version__", _PACKAGE):
        yield _PACKAGE
    while name.startswith(f"{_PACKAGE}."):
        yield name
        name = name.rpartition(".")[0]


def _lies_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _path(module: str) -> Path:
    return PACKAGE_ROOT.joinpath(*module.split(".")[1:])


@cache
def _exists(module: str) -> bool:
    path = _path(module)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _source(module: str) -> Path:
    path = _path(module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _data_files(package: Path) -> tuple[Path, ...]:
    """Files that are no Python below ``package``, but for its sub-packages' own; of the outermost package none."""
    if package == PACKAGE_ROOT:
        return ()
    entries = [entry for entry in package.iterdir() if entry.suffix not in (".py", ".pyc")]
    files = [entry for entry in entries if entry.is_file()]
    folders = [entry for entry in entries if entry.is_dir() and not (entry / "__init__.py").exists()]
    return (*files, *(file for folder in folders for file in _data_files(folder)))
