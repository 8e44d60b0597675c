"""Run a row of the table in this process, and say how it ended otherwise than it must."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import traceback
from pathlib import Path

from densevision.cli.main import main
from tests.faults.folder import chdir
from tests.faults.row import Row


def fault_of(row: Row, good: Path, folder: Path) -> str | None:
    """Run a row in a copy of the good setup; return what is wrong with the result, or None.

    Args:
        good: the setup; it is not changed.
        folder: does not exist yet; the copy.
    """
    shutil.copytree(good, folder)
    if row.damage is not None:
        row.damage(folder)
    before = listing(folder)
    with chdir(folder):
        status, output, errors = run_main(row.words)
    if Path(folder, "pwned").exists():
        return f"CODE RAN\n{errors}"
    return judge(row, status, output, errors) or _left(row, status, before, listing(folder))


def judge(row: Row, status: int, output: str, errors: str) -> str | None:
    """Compare how a command ended with what the row expects."""
    if "Traceback (most recent call last)" in errors + output:
        return f"traceback\n{errors[-3000:]}"
    if status != row.status:
        return f"status {status}, not {row.status}\n{(output + errors)[-1500:]}"
    last = (errors.strip().splitlines() or [""])[-1] if row.status else output + errors
    if not re.search(row.says, last):
        return f"the message does not name {row.says!r}: {last[-1500:]}"
    if row.status == 2 and len(last) > 1000:
        return f"a message of {len(last)} characters: {last[:300]}"
    return None


def run_main(words: tuple[str, ...]) -> tuple[int, str, str]:
    """Run the command; return exit status, output and errors."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status = main(list(words))
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        except Exception:
            traceback.print_exc()
            status = 1
    return status, output.getvalue(), errors.getvalue()


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file below a folder."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            stat = path.lstat()
            found[str(path.relative_to(folder))] = (stat.st_size, stat.st_mtime_ns)
    return found


def _left(row: Row, status: int, before: dict, after: dict) -> str | None:
    changed = [name for name in after if before.get(name) != after[name] and "__pycache__" not in name]
    changed += [name for name in before if name not in after]
    wrong = [name for name in changed if name.split("/")[0] not in row.writes]
    wrong += [name for name in after if ".part" in name or ".tmp" in name]
    return f"left or changed {', '.join(wrong[:5])}" if wrong else None
