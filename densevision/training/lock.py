"""One run per work directory."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from densevision.errors import UserError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a work directory; the kernel releases it when the process ends, however it ends.

    The lock is on the folder itself, so no file is left. File systems without locks have none.

    Raises:
        UserError: another process, or another run of this one, holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            raise UserError(
                f"--work-dir {folder}: another run writes to this folder; wait until it ends, or give another folder"
            ) from error
    try:
        yield
    finally:
        os.close(descriptor)
