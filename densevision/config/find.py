"""Find a config by its path, or by the name of one that ships with the package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from densevision.config.renamed import RENAMED
from densevision.errors import UserError, as_path, did_you_mean

_LIST = "`densevision configs` lists the shipped ones"


def configs_folder() -> Path:
    """Return the folder of the shipped configs: in the installed package, or at the top of a source checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configs by name, task by task."""
    paths = sorted(configs_folder().glob("[!_]*/*.py"))
    return {path.stem: path for path in paths}


def find_config(config: str | Path) -> Path:
    """Return the path of a config.

    Args:
        config: the path of a file, or the name of a shipped config (``lraspp_v3_small_camvid``).
    Raises:
        UserError: there is neither; or the file is no Python file.
    """
    path = as_path(config, "config")
    if path.is_file():
        if path.suffix != ".py":
            raise UserError(f"{path} is no config: configs are Python files; {_LIST}")
        return path
    shipped = shipped_configs()
    if str(config) in shipped:
        return shipped[str(config)]
    raise UserError(f"no config {'file ' if _looks_like_path(config) else ''}{config}; {_remedy(path, shipped)}")


def _looks_like_path(config: str | Path) -> bool:
    return Path(config).name != str(config) or Path(config).suffix == ".py"


def _remedy(path: Path, shipped: Iterable[str]) -> str:
    name = path.name.removesuffix(".py")
    if name in RENAMED:
        return f"it was renamed to {RENAMED[name]}"
    if name in shipped:
        return f"the one that ships with densevision is found by its name alone, {name}"
    siblings = (other.name for other in path.parent.glob("*.py"))
    near = did_you_mean(path.name, siblings) or did_you_mean(name, shipped)
    return f"{near} {_LIST}" if near else _LIST
