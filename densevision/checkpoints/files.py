"""Read a file of PyTorch tensors as plain data; nothing in it is executed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor

from densevision.errors import UserError, as_path

_MAGIC = {
    "a gzip archive": b"\x1f\x8b",
    "a PNG image": b"\x89PNG",
    "a JPEG image": b"\xff\xd8\xff",
    "an HDF5 file (Keras)": b"\x89HDF",
    "a PDF": b"%PDF",
}


def read_plain(path: Path, map_location: str | torch.device = "cpu") -> object:
    """Read a .pth or .safetensors file.

    Returns:
        Its content: tensors, numbers, strings, lists and dicts.
    Raises:
        UserError: no such file, a damaged one, or one that contains more than plain data.
    """
    if not as_path(path, "weights file").is_file():
        raise UserError(f"no weights file {path}{'; this is a folder, give a file in it' * path.is_dir()}")
    if fault := _other_kind(path):
        raise UserError(f"{path} {fault}")
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        if zipfile.is_zipfile(path):
            _check_sums(path)
        return torch.load(path, map_location=map_location, weights_only=True)
    except UserError:
        raise
    except Exception as error:  # zip, pickle, EOF and key errors: torch documents no list
        raise UserError(
            f"{path} is damaged or contains more than plain weights: {first_line(error)}; copy or write it again"
        ) from error


def _check_sums(path: Path) -> None:
    """Compare the contents with the checksums of the zip, which torch does not."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise UserError(f"{path} is compressed, which torch never writes; give the file as training wrote it")
        damaged = archive.testzip()
    if damaged is not None:
        raise UserError(f"{path} is damaged: the checksum of {damaged} is wrong; copy or write it again")


def _other_kind(path: Path) -> str | None:
    """Return what a file is that contains no tensors, with the remedy; or None."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if not head:
        return "is damaged: the file is empty; copy or write it again"
    if head[4:8] == b"TFL3":
        return "is a .tflite file; give it a name that ends in .tflite"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer; run git lfs pull"
    if path.suffix == ".py":
        return "is a Python file, not a checkpoint; give a file that densevision train wrote, such as best.pth"
    if head.startswith(b"PK"):
        return _foreign_zip(path)
    return None if path.suffix == ".safetensors" else _foreign(head)


def _foreign_zip(path: Path) -> str | None:
    """Return what is wrong with a zip, which PyTorch writes too: its end is missing, or other files are in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # the zip's directory may be any bytes: names in no encoding, lengths past the end
        return "is damaged (the end is missing, as after a download that stopped); copy or write it again"
    if any(name.endswith("/data.pkl") for name in names):
        return None
    listed = ", ".join(names[:3]) or "nothing"
    return f"is a zip archive with {listed}, not a checkpoint; unpack it, and give the .pth file"


def _foreign(head: bytes) -> str | None:
    """Return what a file is that starts like no file of PyTorch: text, a page, an archive; or None."""
    remedy = "not a checkpoint; give a file that densevision train wrote, such as best.pth"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "is a web page, not a checkpoint: the address led to a page; download the file itself"
    for name, magic in _MAGIC.items():
        if head.startswith(magic):
            return f"is {name}, {remedy}"
    if all(byte in b"\t\r\n\f" or 32 <= byte != 127 for byte in head):
        shown = head.decode("utf-8", "replace").strip().partition("\n")[0][:40]
        return f"is a text file that starts with {shown!r}, {remedy}"
    return None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a file; of a dict with "state_dict" or "model", that entry.

    Raises:
        UserError: as ``read_plain``, or the file contains something other than tensors by name.
    """
    content = read_plain(path)
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and is_state_dict(content.get(key)):
            content = content[key]
    if not is_state_dict(content):
        raise UserError(f"{path} contains no tensors by name; give a state dict")
    return content


def is_state_dict(content: object) -> TypeGuard[dict[str, Tensor]]:
    """Whether this is a dict of tensors by name."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    )


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f"reading {path} needs the package safetensors: pip install safetensors") from error
    return load_file(path)


def describe(tensor: Tensor | None) -> str:
    """Return a tensor's shape as text, for a message."""
    return "nothing" if tensor is None else "x".join(map(str, tensor.shape)) or "scalar"


def first_line(error: Exception) -> str:
    """Return one line on what went wrong."""
    if isinstance(error, pickle.UnpicklingError):  # torch's own message suggests loading it anyway
        return "it contains more than tensors and plain data; none of it was run"
    return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0][:200]
