"""Read a file of PyTorch tensors as plain data; nothing in it is executed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from densevision.errors import UserError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .pth or .safetensors file.

    Args:
        path: the file; a dict around the tensors under "state_dict" or "model" is taken off.
    Raises:
        UserError: no such file, a damaged one, or one that holds something else than tensors by name.
    """
    if not path.is_file():
        raise UserError(f"no weights file {path}")
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except UserError:
        raise
    except Exception as error:  # zip, pickle, EOF and key errors: torch documents no list
        raise UserError(f"{path} is damaged or holds no plain weights: {_first_line(error)}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise UserError(f"{path} holds no tensors by name; give a state dict")
    return content


def _read_torch(path: Path) -> object:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f"reading {path} needs the package safetensors: pip install safetensors") from error
    return load_file(path)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
