"""Find data set folders."""

import os
from pathlib import Path

from densevision.errors import UserError


def resolve_data_root(root: str) -> Path:
    """Return the path of a data set folder.

    Args:
        root: an absolute path, or one relative to ``$DENSEVISION_DATA``; if that is not set, relative to the current
            folder.
    Raises:
        UserError: there is no such folder.
    """
    base = os.environ.get("DENSEVISION_DATA", "")
    folder = Path(base, root)  # an absolute root wins over the base
    if not folder.is_dir():
        remedy = "correct" if base else "set"
        raise UserError(
            f"data set folder {folder} does not exist; change data_root in the config, or {remedy} DENSEVISION_DATA"
        )
    return folder
