"""Hooks of mkdocs.yml: the pages that are generated from the code when the documentation site is built."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "densevision"
NOT_PUBLIC = {"__main__", "cli", "scenes"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the reference pages to the last section of the navigation."""
    (section,) = config.nav[-1].values()
    section += [{f"densevision.{name}": f"reference/{name}.md"} for name in packages()]
    section.append({"Other modules": "reference/modules.md"})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site."""
    for name, text in generated_pages():
        files.append(File.generated(config, name, content=text))
    return files


def generated_pages() -> Iterator[tuple[str, str]]:
    """Yield the path below docs/ and the Markdown text of every generated page."""
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    from config_keys import config_keys_page

    yield "config_keys.md", config_keys_page()
    for name in packages():
        yield f"reference/{name}.md", f"::: densevision.{name}\n    options:\n      heading_level: 1\n"
    blocks = [f"::: {name}\n    options:\n      heading_level: 2\n" for name in modules()]
    yield "reference/modules.md", "\n".join(["# Other modules\n", *blocks])


def packages() -> list[str]:
    """Return the packages of densevision/ that have a reference page."""
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py") if path.parent.name not in NOT_PUBLIC)


def modules() -> list[str]:
    """Return the dotted names of the modules of densevision/ that are in no package."""
    names = (path.stem for path in sorted(PACKAGE.glob("*.py")))
    return [f"densevision.{name}" for name in names if not name.startswith("__") and name not in NOT_PUBLIC]
