# SPDX-License-Identifier: Apache-2.0
"""Pages of the documentation's site that have no file in docs/: the repository's own texts, and one for every package.

A hook of MkDocs (mkdocs.yml).
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
TEXTS = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
LINKS = {
    "](docs/": "](",
    "](CONTRIBUTING.md)": "](contributing.md)",
    "](CHANGELOG.md)": "](changelog.md)",
    "](LICENSE)": "](https://www.apache.org/licenses/LICENSE-2.0)",
}
"""Links of those texts, in the repository and on the site."""
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):(<code>)~?")
"""A Sphinx role before a name, which Markdown shows as it is."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the packages' pages to the navigation."""
    assert config.nav is not None
    config.nav.append({"API": [{name: _page(name)} for name in _packages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for page, source in TEXTS.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        for link, on_site in LINKS.items():
            text = text.replace(link, on_site)
        files.append(File.generated(config, page, content=text))
    for name, modules in _packages().items():
        blocks = "\n\n".join(f"::: {module}" for module in modules)
        files.append(File.generated(config, _page(name), content=f"# {name}\n\n{blocks}\n"))
    return files


def on_page_content(html: str, **_: object) -> str:
    """Drops the roles of docstrings."""
    return ROLE.sub(r"\1", html)


def _page(package: str) -> str:
    return f"api/{package}.md"


def _packages() -> dict[str, list[str]]:
    """Modules by package, both by their full names; a package that has a docstring comes first among its modules."""
    packages: dict[str, list[str]] = {}
    for path in sorted((SOURCE / "tinyformer").rglob("*.py")):
        if path.name == "__main__.py" or '"""' not in path.read_text(encoding="utf-8"):
            continue
        module = path.relative_to(SOURCE).with_suffix("")
        parts = module.parts[:-1] if module.name == "__init__" else module.parts
        packages.setdefault(".".join(module.parts[:-1]), []).append(".".join(parts))
    return packages
