"""Where data sets lie."""

import os
from pathlib import Path

from densevision.errors import UserError


def resolve_data_root(root: str) -> Path:
    """Find a data set folder.

    Args:
        root: an absolute path, or one relative to ``$DENSEVISION_DATA`` (where that is not set, to the current
            folder).
    Raises:
        UserError: there is no such folder.
    """
    base = os.environ.get("DENSEVISION_DATA", "")
    folder = Path(base, root)  # an absolute root wins over the base
    if not folder.is_dir():
        where = "in the config" if base else "in the config, or the environment variable DENSEVISION_DATA"
        raise UserError(f"data set folder {folder} does not exist; set data_root {where}")
    return folder
