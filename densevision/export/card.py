"""The model card that an export writes next to its file: ``MODEL.md``, with a section per .tflite of the folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_whole
from densevision.errors import UserError
from densevision.inference.metadata import ModelInfo, read_model_info
from densevision.task import TASKS, is_share

if TYPE_CHECKING:
    from densevision.export.convert import ExportReport
    from densevision.export.job import Drop

NAME = "MODEL.md"
_TITLE = "# Models\n"
_SECTION = re.compile(r"<!-- densevision export (.+?) -->\n.*?<!-- end of \1 -->\n", re.DOTALL)
_LISTED = 30  # class names
_PRECISION = {
    "none": "float32",
    "float16": "weights float16, computed in float32",
    "int8": "weights and activations int8",
}
_OUTPUTS = {
    "detections": (
        "`location` [1, D, 4] (ymin, xmin, ymax, xmax in fractions of the image), `category` [1, D], `score` [1, D], "
        "`number of detections` [1]; float32, NMS is inside"
    ),
    "boxes": (
        "`boxes` [1, A, 4] (ymin, xmin, ymax, xmax in fractions of the image), `scores` [1, A, K]; float32, NMS is "
        "left to the reader"
    ),
    "scores": "`scores` [1, K] float32: of the classes, they sum to 1",
    "labels": "`labels` [1, h, w] uint8: the class of each cell",
    "logits": "`logits` [1, h, w, K] float32: the class with the highest value is that of the cell",
}
_MEDIAPIPE = {
    "detections": ("ObjectDetector", "detect", ".setScoreThreshold({threshold:.3f}f)"),
    "scores": ("ImageClassifier", "classify", ".setMaxResults(5)"),
    "logits": ("ImageSegmenter", "segment", ".setOutputCategoryMask(true)"),
}


@dataclass(frozen=True)
class Measured:
    """What an export measured of its file.

    Attributes:
        report: of the export.
        drop: the metric of file and PyTorch model, where ``--max-drop`` asked for it.
        data: the data of the metric, in words.
        model: name of the network.
    """

    report: ExportReport
    drop: Drop | None
    data: str
    model: str


def write_card(measured: Measured) -> Path | None:
    """Write or extend ``MODEL.md`` next to a file.

    Sections of other files that still exist stay; one of the same file is replaced.

    Returns:
        The path; None where another ``MODEL.md`` is in the way, or it can't be written, which one printed line says.
    """
    path = measured.report.path.parent / NAME
    try:
        sections = _read_sections(path)
        sections[measured.report.path.name] = _section(measured, read_model_info(measured.report.path))
        kept = [text for name, text in sections.items() if (path.parent / name).is_file()]
        write_whole(path, "\n".join([_TITLE, *kept]).encode(errors="surrogateescape"))
    except (OSError, UserError, ValueError) as error:
        print(f"warning: no model card was written: {error}")
        return None
    return path


def _read_sections(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    found = {match[1]: match[0] for match in _SECTION.finditer(text)}
    if path.is_symlink() or _SECTION.sub("", text).strip() != _TITLE.strip():
        raise UserError(f"{path} is not the work of densevision export alone; rename it")
    return found


def _section(measured: Measured, about: ModelInfo) -> str:
    name = measured.report.path.name
    parts = [
        f"<!-- densevision export {name} -->",
        f"## {name}\n",
        f"{_summary(measured, about)}\n",
        "\n".join(["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in _facts(measured, about))]),
        f"\n{_preprocessing(about)}\n",
        _in_python(name),
        *_on_android(name, about),
        "### License\n\nTo be filled in: the license of these weights. It depends on that of the training images and "
        "of the weights that the training started from.\n",
        f"<!-- end of {name} -->\n",
    ]
    return "\n".join(parts)


def _summary(measured: Measured, about: ModelInfo) -> str:
    classes = [name.replace("|", "\\|").replace("\n", " ") for name in about.classes]
    more = f" and {len(classes) - _LISTED} more" if len(classes) > _LISTED else ""
    names = ", ".join(classes[:_LISTED])
    return f"{TASKS[about.task].title} with {measured.model}, {len(classes)} classes: {names}{more}."


def _facts(measured: Measured, about: ModelInfo) -> list[tuple[str, str]]:
    report, (height, width) = measured.report, about.size
    values = "0 to 255" if about.input_type == "uint8" else "-1 to 1"
    facts = [
        ("input", f"[1, {height}, {width}, 3] {about.input_type}, RGB, {values}"),
        ("outputs", _OUTPUTS[about.outputs]),
        ("precision", _PRECISION[about.quantize]),
        ("size", f"{report.size_bytes:,} bytes"),
        ("sha256", f"`{report.sha256}`"),
        ("metric", _metric(measured)),
    ]
    if report.parity:
        facts.append(("against PyTorch", f"on {report.parity.images} images: {report.parity.summary()}"))
    if about.score_threshold is not None:
        best = f"{about.score_threshold:.3f}: there, the mean F1 of the classes is best on the val data"
        facts.append(("score threshold", best))
    versions = about.origin.get("versions")
    if isinstance(versions, dict):
        facts.append(("made by", ", ".join(f"{key} {value}" for key, value in versions.items())))
    facts.append(("config", f"`{about.origin.get('config_name', 'unknown')}`; its text is in the file"))
    return facts


def _metric(measured: Measured) -> str:
    name = measured.report.path.name
    command = f"`densevision test {name} --config CONFIG`"
    drop = measured.drop
    if drop is None:
        return f"not measured for this file; {command} does, on {measured.data}"
    scale, unit = (100, " of 100") if is_share(drop.name) else (1, "")
    return (
        f"{drop.name} {scale * drop.file:.2f}{unit} ({scale * drop.model:.2f} by PyTorch), on {measured.data}; "
        f"{command} repeats it"
    )


def _preprocessing(about: ModelInfo) -> str:
    height, width = about.size
    scaled = "" if about.input_type == "uint8" else " Pixels from 0 to 255 become pixel / 127.5 - 1."
    cut = f", of the {about.center_crop:.1%} in the center" if about.center_crop is not None else ""
    aspect = "" if cut else ", without keeping the aspect ratio"
    return (
        f"Preprocessing: RGB{cut}, resized to {width}x{height} (width x height) by bilinear interpolation{aspect}."
        f"{scaled}"
    )


def _in_python(name: str) -> str:
    return (
        "### Python\n\n`pip install ai-edge-litert` and densevision; neither torch nor a config is needed.\n\n"
        f'```python\nimport densevision as dv\n\nmodel = dv.load("{name}")\nresult = model("image.jpg")\n'
        "print(result.summary())\n```\n"
    )


def _on_android(name: str, about: ModelInfo) -> list[str]:
    if about.outputs not in _MEDIAPIPE:
        return []
    task, method, option = _MEDIAPIPE[about.outputs]
    threshold = 0.3 if about.score_threshold is None else about.score_threshold
    return [
        f"### Android\n\nWith MediaPipe (`com.google.mediapipe:tasks-vision`), and {name} in `assets`:\n\n"
        "```kotlin\n"
        f"val options = {task}.{task}Options.builder()\n"
        f'    .setBaseOptions(BaseOptions.builder().setModelAssetPath("{name}").build())\n'
        f"    {option.format(threshold=threshold)}\n"
        "    .build()\n"
        f"val result = {task}.createFromOptions(context, options).{method}(BitmapImageBuilder(bitmap).build())\n"
        "```\n"
    ]
