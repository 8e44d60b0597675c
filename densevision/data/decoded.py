"""Decoded images in files, so that an image is decoded once and not in each epoch."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import PIL
import torch
from mmengine.logging import print_log

from densevision import __version__
from densevision.errors import UserError, as_path
from densevision.structures import check_range

_HEAD = struct.Struct("<4sI3I12x")  # magic, checksum, height, width, channels or 0
_MAGIC = b"DVD1"
_SUFFIX, _PART = ".decoded", ".part"
_COUNT, _DIGITS = "bytes", 20  # file with the size of all others
_ABANDONED = 3600  # seconds after which a file that was never finished is deleted
_KEPT_FREE = 2**30  # bytes of the file system, for checkpoints and the batches of loader processes
_DECODERS = f"{__version__} {cv2.__version__} {PIL.__version__}"


class DecodedCache:
    """Decoded images and label files, shared by loader processes, data sets, runs and users of one folder.

    A file is used for as long as path, size and time of change (nanoseconds) of the image are what they were, and for
    the same versions of densevision, OpenCV and Pillow. Its length and a CRC-32 of name, shape and pixels are checked
    each time; a damaged one is decoded again and replaced. What does not fit is decoded each time: nothing is deleted
    to make room, and a gigabyte of the file system stays free. Where the folder can't be written to, one warning says
    so, and nothing more is added.

    Args:
        folder: on a disk, or in memory that processes share: ``/dev/shm/NAME``, which lasts until the machine is
            restarted. It is made if it is not there, and may be deleted between two runs.
        gigabytes: limit of the folder's size (2**30 bytes), by all that write to it. It is exceeded by the files that
            several processes write while one starts, at most one each.
    Raises:
        UserError: the limit is not above 0, or the folder is a file.
    """

    def __init__(self, folder: str, gigabytes: float):
        self.check_values("cache", dict(folder=folder, gigabytes=gigabytes))
        self.folder, self.limit = Path(folder).absolute(), gigabytes * 2**30
        self._counted = False
        self._said = torch.zeros(2, dtype=torch.bool)  # that a file was damaged, that nothing is added any more
        with contextlib.suppress(RuntimeError, OSError):  # without shared memory there are no workers to share it with
            self._said.share_memory_()

    @staticmethod
    def check_values(place: str, values: Mapping[str, object]) -> None:
        """Check the arguments.

        Args:
            place: dotted key, for the message.
        Raises:
            UserError: one is missing or wrong.
        """
        if missing := {"folder", "gigabytes"} - values.keys():
            raise UserError(f"{place}.{sorted(missing)[0]} is missing: a cache needs folder and gigabytes")
        check_range(f"{place}.gigabytes", values["gigabytes"], low=0, with_low=False)
        folder = as_path(values["folder"], f"{place}.folder")
        if not folder.is_dir() and os.path.lexists(folder):
            raise UserError(f"{place}.folder is {str(folder)!r}, which is not a folder; give another name")

    def read(self, path: str | Path, recipe: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what ``decode`` returns, from the cache if it is there.

        Args:
            path: the file that is decoded.
            recipe: all that decides the pixels besides the file.
            decode: returns [H, W, C] or [H, W] uint8; its errors pass through.
        """
        name = self._name(path, recipe)
        if name is None:
            return decode()
        found = self._load(name)
        if found is not None:
            return found
        pixels = decode()
        if not self._said[1] and self._name(path, recipe) == name:  # the file did not change meanwhile
            try:
                self._store(name, np.ascontiguousarray(pixels))
            except OSError as error:
                self._say(1, f"{error.strerror or error}; what is not there yet is decoded each time")
        return pixels

    def _name(self, path: str | Path, recipe: str) -> str | None:
        """Return the name for a file as it is now; None if there is no such file."""
        try:
            status = os.stat(path)
        except OSError:  # reported by what reads it
            return None
        facts = f"{status.st_size} {status.st_mtime_ns} {recipe} {_DECODERS} "
        key = facts.encode() + os.fsencode(os.path.abspath(path))
        return hashlib.blake2b(key, digest_size=16).hexdigest() + _SUFFIX

    def _load(self, name: str) -> np.ndarray | None:
        path = self.folder / name
        try:
            content = np.fromfile(path, np.uint8)
        except OSError:
            return None
        pixels = _unpack(name, content)
        if pixels is None:
            self._say(0, f"{name} is damaged; it is written again, as others like it will be")
            with contextlib.suppress(OSError):
                path.unlink()
        return pixels

    def _store(self, name: str, pixels: np.ndarray) -> None:
        head = _pack_head(name, pixels)
        if not self._reserve(len(head) + pixels.nbytes):
            return
        part = self.folder / f"{secrets.token_hex(8)}{_PART}"
        try:
            with part.open("xb") as file:
                file.write(head)
                file.write(pixels.data)
            part.replace(self.folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise

    def _reserve(self, size: int) -> bool:
        """Add to the number of bytes in the folder, which all processes share; False where the limit is reached."""
        if not self._counted:
            self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / _COUNT, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with contextlib.suppress(OSError):  # file systems without locks have none
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            known = os.pread(descriptor, _DIGITS, 0).strip() if self._counted else b""
            used = int(known) if known.isdigit() else self._count()
            self._counted = True
            fits = used + size <= self.limit
            if fits and _free(descriptor) < size + _KEPT_FREE:
                raise OSError(f"less than {_KEPT_FREE / 2**30:g} GB of the file system is free")
            os.pwrite(descriptor, b"%*d" % (_DIGITS, used + size * fits), 0)
        finally:
            os.close(descriptor)
        return fits

    def _count(self) -> int:
        """Add up the sizes of the files, without those that ended processes left unfinished: they are deleted."""
        total, oldest = 0, time.time() - _ABANDONED
        for entry in os.scandir(self.folder):
            if entry.name.endswith((_SUFFIX, _PART)):
                with contextlib.suppress(OSError):  # renamed or deleted by another process
                    status = entry.stat()
                    if entry.name.endswith(_PART) and status.st_mtime < oldest:
                        os.unlink(entry)
                    else:
                        total += status.st_size
        return total

    def _say(self, which: int, text: str) -> None:
        if not self._said[which]:
            self._said[which] = True
            print_log(f"cache of decoded images {self.folder}: {text}", "current", logging.WARNING)


def _free(descriptor: int) -> int:
    status = os.fstatvfs(descriptor)
    return status.f_bavail * status.f_frsize


def _pack_head(name: str, pixels: np.ndarray) -> bytes:
    shape = (*pixels.shape, 0)[:3]
    return _HEAD.pack(_MAGIC, _checksum(name, shape, pixels), *shape)


def _unpack(name: str, content: np.ndarray) -> np.ndarray | None:
    """Return the pixels [H, W, C] or [H, W] in a file's content, None if it is not what was written."""
    if len(content) < _HEAD.size:
        return None
    magic, checksum, *sides = _HEAD.unpack(content[: _HEAD.size].tobytes())
    pixels, shape = content[_HEAD.size :], (sides[0], sides[1], sides[2])
    whole = len(pixels) == shape[0] * shape[1] * (shape[2] or 1) and magic == _MAGIC
    if not whole or checksum != _checksum(name, shape, pixels):
        return None
    return pixels.reshape(shape if shape[2] else shape[:2])


def _checksum(name: str, shape: tuple[int, ...], pixels: np.ndarray) -> int:
    return zlib.crc32(pixels.data, zlib.crc32(f"{name} {shape}".encode()))
