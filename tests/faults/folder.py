"""Change the current folder for a while; ``contextlib.chdir`` needs Python 3.11."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def chdir(folder: str | Path) -> Iterator[None]:
    """Make ``folder`` the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
