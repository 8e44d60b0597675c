"""Convert published weights to a checkpoint."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from densevision.checkpoints.files import describe
from densevision.checkpoints.settings import scaling, settings_of
from densevision.errors import UserError
from densevision.weights.report import LoadReport
from densevision.weights.source import COUNTER, Source, Tensors, find_source
from densevision.weights.tensorflow_checkpoint import find_tensorflow_checkpoint


def convert(weights: str, model: str | None = None) -> tuple[dict, LoadReport]:
    """Read or download published weights, and rename and check every tensor.

    Args:
        weights: a file or folder; or "library:network" or "library:network.tag", which the library downloads.
        model: the "library:network" of a file.
    Returns:
        A checkpoint with ``state_dict`` and ``meta``, which ``densevision test`` and ``init_from`` read, and the
        report on its tensors.
    Raises:
        UserError: there are no such weights, or tensors do not fit; names the first three.
    """
    path = Path(weights)
    if model is not None:
        name, source = model, find_source(model)
        tensors = source.read(path)
    elif path.exists() or find_tensorflow_checkpoint(path):  # the prefix of its files
        raise UserError(f"{path}: name its network, for example --model timm:mobilenetv3_large_100")
    else:
        name = weights
        source, tensors = _download(weights)
    try:
        checkpoint, report = to_checkpoint(name, source, tensors)
    except UserError as error:
        raise UserError(f"{weights}: {error}") from error
    report.origin = name if weights == name else f"{name} ({weights})"
    return checkpoint, report


def _download(weights: str) -> tuple[Source, Tensors]:
    if ":" not in weights:
        raise UserError(f"no file {weights}; published networks are written like timm:mobilenetv3_large_100")
    name, _, tag = weights.partition(".")
    source = find_source(name)
    if source.download is None:
        raise UserError(f"{name} can't be downloaded; give its file and --model {name}")
    return source, source.download(tag)


def to_checkpoint(name: str, source: Source, tensors: Tensors) -> tuple[dict, LoadReport]:
    """Rename the tensors of a source, and check that they fill our network completely.

    Raises:
        UserError: they do not; names the first three tensors that do not fit.
    """
    network = source.network()
    expected = network.state_dict()
    state: dict[str, Tensor] = {}
    unused, misfits = [], []
    for theirs, tensor in tensors.items():
        ours = source.rename(theirs)
        if ours is None:
            unused.append(theirs)
        elif ours not in expected:
            misfits.append(f"{theirs} (unknown)")
        elif (fitting := _fit(tensor, expected[ours])) is None:
            misfits.append(f"{theirs} ({describe(tensor)}, but {ours} is {describe(expected[ours])})")
        else:
            state[ours] = fitting
    state |= {ours: tensor for ours, tensor in expected.items() if ours.endswith(COUNTER) and ours not in state}
    misfits += [f"nothing for {ours}" for ours in expected if ours not in state] if not misfits else []
    if misfits:
        raise UserError(f"this is not {name}: {len(misfits)} tensors do not fit, first {', '.join(misfits[:3])}")
    settings = settings_of(network) | scaling(source.scaling.mean, source.scaling.std)
    meta = dict(source=name, settings=settings, dataset_meta=source.dataset_meta())
    ordered = {ours: state[ours] for ours in expected}
    return dict(state_dict=ordered, meta=meta), LoadReport(name, loaded=list(expected), unused=unused)


def _fit(tensor: Tensor, expected: Tensor) -> Tensor | None:
    """Return the tensor with the dtype and shape of the model; a 1x1 convolution can fill a linear layer."""
    if expected.dim() == 2 and tensor.dim() == 4 and tensor.shape[2:] == (1, 1):
        tensor = tensor.flatten(1)
    return tensor.to(expected.dtype, copy=True).contiguous() if tensor.shape == expected.shape else None
