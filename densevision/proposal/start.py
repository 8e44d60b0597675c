"""Find the weights that a training starts from: published ones, which the library downloads, or a file."""

from __future__ import annotations

import io
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from densevision.atomic import write_whole
from densevision.checkpoints.reading import read_checkpoint
from densevision.checkpoints.settings import non_default
from densevision.errors import UserError
from densevision.weights.convert import convert
from densevision.weights.source import find_source

_TIMEOUT_S = 5.0  # for a connection, and for each piece of a download
_HOSTS = {"torchvision": "https://download.pytorch.org", "timm": "https://huggingface.co"}
_PUBLISHED = {  # backbone -> ImageNet weights that fill it
    **{f"mobilenet_v{name}": f"torchvision:mobilenet_v{name}" for name in ("2", "3_small", "3_large")},
    "mobilenet_v3_large_minimalistic": "timm:tf_mobilenetv3_large_minimal_100",
    "mobilenet_v3_small_minimalistic": "timm:tf_mobilenetv3_small_minimal_100",
    "mnasnet_a1": "timm:semnasnet_100",
}


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        path: of a checkpoint, None for a training from scratch.
        reason: in one line.
        settings: config key below "model." -> value that the weights need, see ``settings_of``.
        later: the weights that could be downloaded where there is a network.
    """

    path: Path | None
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    later: str | None = None


def find_start(weights: str, backbone: str, folder: Path) -> Start:
    """Find or download weights.

    Args:
        weights: "auto" for published weights if they can be had; "none"; "LIBRARY:NETWORK", or a file: a checkpoint
            of a training or of ``densevision convert``.
        backbone: name of the backbone.
        folder: where downloaded and converted weights are written, and found again.
    Raises:
        UserError: the weights that were asked for can't be had.
    """
    if weights == "none":
        return Start(None, "--weights none")
    if weights == "auto":
        return _automatic(backbone, folder)
    path = Path(weights)
    if path.is_file():
        return _from_file(path.resolve(), f"--weights {weights}")
    if ":" not in weights:
        raise UserError(f"--weights {weights}: no such file; give auto, none, LIBRARY:NETWORK or a checkpoint")
    return _published(weights, folder)


def _automatic(backbone: str, folder: Path) -> Start:
    source = _PUBLISHED.get(backbone)
    if source is None:
        return Start(None, f"no published weights of {backbone} are known")
    try:
        return _published(source, folder)
    except UserError as error:
        return Start(None, f"{error}"[:1].lower() + f"{error}"[1:], later=source)


def _published(source: str, folder: Path) -> Start:
    """Return converted weights, which are downloaded if the folder does not have them."""
    find_source(source.partition(".")[0])  # a name with a mistake, before anything is downloaded
    path = folder / f"{source.replace(':', '_').replace('.', '_')}.pth"
    if not path.exists():
        with _short_timeouts():
            library = source.partition(":")[0]
            if not _is_cached(source) and not _reachable(_HOSTS.get(library)):
                raise UserError(f"{_HOSTS[library]} can't be reached, so {source} was not downloaded")
            checkpoint, _ = convert(source)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(path, content.getvalue(), "--weights")
    return _from_file(path.resolve(), f"{source}, ImageNet" if "ssd" not in source else source)


def _from_file(path: Path, reason: str) -> Start:
    try:
        meta = read_checkpoint(path).get("meta") or {}
    except UserError as error:
        raise UserError(f"--weights {path}: {error}, or that densevision convert made of a published file") from error
    return Start(path, reason, non_default(meta.get("settings") or {}))


def _is_cached(source: str) -> bool:
    """Tell whether torchvision has downloaded the weights before; timm asks its own cache."""
    library, _, name = source.partition(":")
    if library != "torchvision":
        return False
    from torchvision.models import get_model_weights

    name, _, tag = name.partition(".")
    weights = get_model_weights(name).__members__.get(tag or "DEFAULT")
    return weights is not None and Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name).is_file()


@contextmanager
def _short_timeouts() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reachable(url: str | None) -> bool:
    """Tell whether a host answers, also through a proxy; a name server that does not answer counts as no."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(str(url), method="HEAD"), timeout=_TIMEOUT_S).close()
        except urllib.error.HTTPError:
            pass  # an answer
        except (OSError, ValueError):
            return
        answered.set()

    if url is None:
        return True
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S + 1)
    return answered.is_set()
