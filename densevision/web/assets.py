"""List the files of a site once, so that a server can answer only with these."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

_TEXT = "charset=utf-8"
# Stated here, because Python's mimetypes reads the registry on Windows, where any program may change them.
TYPES = {
    ".css": f"text/css; {_TEXT}",
    ".html": f"text/html; {_TEXT}",
    ".jpg": "image/jpeg",
    ".js": f"text/javascript; {_TEXT}",
    ".json": "application/json",
    ".mjs": f"text/javascript; {_TEXT}",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": f"text/plain; {_TEXT}",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
_COMPRESSED = {".css", ".html", ".js", ".json", ".mjs", ".svg", ".txt", ".wasm", ".webmanifest"}


@dataclass(frozen=True)
class Asset:
    """One file of a site.

    Attributes:
        path: where it is.
        identity: of the file; another file under the same name is not served.
        type: for the header Content-Type.
        tag: for the header ETag, from the content.
        compressed: the same with gzip, where that is worth it.
    """

    path: Path
    identity: tuple[int, int, int, int]
    type: str
    tag: str
    compressed: Asset | None = None

    @property
    def size_bytes(self) -> int:
        return self.identity[2]

    def open(self) -> IO[bytes]:
        """Open the file.

        Raises:
            OSError: it is gone, or another file or a link has taken its place.
        """
        file = self.path.open("rb")
        if _identity(file) != self.identity:
            file.close()
            raise OSError(f"{self.path} has changed")
        return file


def read_site(folder: Path, scratch: Path) -> dict[str, Asset]:
    """List what a server may answer with.

    Args:
        folder: the site. Links in it are left out, wherever they lead.
        scratch: an empty folder, which receives the compressed files.
    Returns:
        The files by their decoded URL paths: "/models/small.tflite"; "/" is index.html.
    """
    assets: dict[str, Asset] = {}
    for number, path in enumerate(_regular_files(folder)):
        asset = _read_asset(path, scratch / f"{number}.gz")
        name = "/" + path.relative_to(folder).as_posix()
        assets[name] = asset
        if path.name == "index.html":
            assets[name.removesuffix("index.html")] = asset
    return assets


def _regular_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):  # enters no links
        folders.sort()
        for path in (Path(place, name) for name in sorted(names)):
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _read_asset(path: Path, target: Path) -> Asset:
    kind = TYPES.get(path.suffix, "application/octet-stream")
    with path.open("rb") as file:
        digest = _digest(file)
        whole = Asset(path, _identity(file), kind, f'"{digest}"')
        if path.suffix not in _COMPRESSED:
            return whole
        file.seek(0)
        with target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
            shutil.copyfileobj(file, packed)
    with target.open("rb") as done:
        return replace(whole, compressed=Asset(target, _identity(done), kind, f'"{digest}-gzip"'))


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 18):
        digest.update(block)
    return digest.hexdigest()[:32]


def _identity(file: IO[bytes]) -> tuple[int, int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
