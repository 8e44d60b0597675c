"""The sample image of a site, with what Python finds in it, so that a browser can be compared with Python."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from densevision.errors import UserError
from densevision.images import encode_image, fit_image, read_image, shrink_image
from densevision.inference.classification import ClassificationPredictor
from densevision.inference.predictor import DRAWING, DetectionPredictor, SegmentationPredictor
from densevision.inference.tflite_backend import TFLiteBackend, load_tflite
from densevision.stages import native_output_hidden

_LONGEST = 1280  # pixels of the sample's longer side
_SCENE = 3_000_009  # the default sample is the rendered scene of this seed, which no demo trains or evaluates on


@dataclass(frozen=True)
class Answer:
    """What Python finds in the sample.

    Attributes:
        content: for the page, see ``answer``.
        files: content by name, without a folder.
    """

    content: dict[str, Any]
    files: dict[str, bytes]


def read_sample(path: Path | None) -> np.ndarray:
    """Return the sample [H, W, 3] uint8 RGB, at most 1280 pixels on the longer side.

    Args:
        path: None renders a driving scene.
    Raises:
        UserError: it can't be read.
    """
    if path is None:
        from densevision.scenes import render_scene

        return render_scene(_SCENE).image
    try:
        return shrink_image(read_image(path), _LONGEST)[0]
    except OSError as error:
        raise UserError(f"--image {path}: {error.strerror}" if error.strerror else f"--image {error}") from error


def answer(model: Path, image: np.ndarray, stem: str) -> Answer:
    """Run a file on the sample.

    Args:
        stem: begins the files' names.
    Returns:
        Content with ``input``, the file of the image at the network's size, ``input_adler32`` of its RGB bytes, and
        ``postprocess`` with ``detections`` (rows of label, score, and xyxy in pixels of the sample); or ``scores`` [K]
        of a classifier; or ``labels``, the file of the label map: of the cells that the file computes, or of the
        input's pixels if it computes logits.
    Raises:
        UserError: the file can't be run, or is of a task that the page can't show.
    """
    with native_output_hidden():  # XNNPACK's line
        backend = TFLiteBackend(model, threads=1)
        predictor = load_tflite(model, threads=1, nms=DRAWING.nms)
    if not isinstance(predictor, DetectionPredictor | SegmentationPredictor | ClassificationPredictor):
        raise UserError(f"{model}: the page shows no models of this task; leave it out")
    crop = predictor.center_crop if isinstance(predictor, ClassificationPredictor) else None
    pixels = fit_image(image, backend.input_size, crop)
    content: dict[str, Any] = {"input": f"{stem}-input.png", "input_adler32": zlib.adler32(pixels.tobytes())}
    files = {content["input"]: encode_image(pixels)}
    if isinstance(predictor, ClassificationPredictor):
        content["scores"] = predictor(image).tolist()
    elif isinstance(predictor, SegmentationPredictor):
        content["labels"] = f"{stem}-labels.png"
        labels = predictor(pixels) if backend.about.outputs == "logits" else backend.run(pixels[None])[0][0]
        files[content["labels"]] = encode_image(labels)
    else:
        found: Any = predictor(image)
        rows = zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
        content["detections"] = [[label, score, *box] for label, score, box in rows]
        content["postprocess"] = asdict(predictor.postprocess)
    return Answer(content, files)
