"""Write a folder that any static web server can publish: the page, the models, the runtime and a sample."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np

import densevision
from densevision.errors import UserError
from densevision.images import encode_image
from densevision.inference.metadata import read_model_info
from densevision.json_text import parse_json
from densevision.visualize import class_color
from densevision.web.runtime import NAME, VERSION, as_served, read_runtime
from densevision.web.sample import answer, read_sample

MANIFEST = "site.json"


def build_site(
    models: Sequence[Path], out: Path, *, runtime: Path | None = None, image: Path | None = None, results: bool = False
) -> Path:
    """Write a site; the same input gives the same bytes.

    Args:
        models: files of ``densevision export``.
        out: a new folder, an empty one, or one that this function wrote; it has the old or the new content at any
            time.
        runtime: see ``read_runtime``.
        image: see ``read_sample``.
        results: the page may send timings to the server that it comes from, as JSON by POST to ``results``.
    Returns:
        ``out``.
    Raises:
        UserError: a file can't be used, or ``out`` contains other files.
    """
    check_site(out)
    names = _names(models)
    content = {f"runtime/{name}": as_served(name, data) for name, data in read_runtime(runtime).items()}
    content |= {f"runtime/{name}": data for name, data in _package_folder("notices").items()}
    content |= _package_folder("page")
    sample = read_sample(image)
    content["sample/image.jpg"] = encode_image(sample, ".jpg")
    entries: list[dict[str, Any]] = []
    for name, model in names.items():
        entry, files = _model(name, model, sample)
        for other in entries:
            if other["sha256"] == entry["sha256"]:
                raise UserError(f"{name} and {other['name']} have the same content; name one of them")
        entries.append(entry)
        content |= files
    manifest = {
        "densevision": densevision.__version__,
        "results": results,
        "runtime": f"{NAME} {VERSION}",
        "sample": {"image": "sample/image.jpg", "size": list(sample.shape[:2])},
        "models": entries,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())},
    }
    content[MANIFEST] = f"{json.dumps(manifest, indent=1)}\n".encode()
    _write(out, content)
    return out


def check_site(out: Path) -> None:
    """Raise a UserError if a site can't be written to a folder without loss, which shows before the work."""
    if out.is_symlink() or out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a link or not a folder; give a new folder")
    if out.exists() and Path.cwd().is_relative_to(out.resolve()):
        raise UserError(f"--out {out} is the current folder or above it and can't be replaced; give a new folder")
    present = sorted(path for path in out.rglob("*") if not path.is_dir()) if out.exists() else []
    own = _own_files(out) if present else {}
    for path in present:
        name = path.relative_to(out).as_posix()
        if name != MANIFEST and own.get(name) != hashlib.sha256(path.read_bytes()).hexdigest():
            raise UserError(f"--out {out} contains {name}, which densevision web did not write; give a new folder")


def _own_files(out: Path) -> Mapping[str, str]:
    try:
        return dict(parse_json((out / MANIFEST).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--out {out} is not empty and has no site of densevision web; give a new folder") from None


def _names(models: Sequence[Path]) -> dict[str, Path]:
    """Give each file a name for people: its own, with its folder where two are alike."""
    if not models:
        raise UserError("no model; give one or more MODEL.tflite")
    plain = [model.name for model in models]
    names = {
        model.name if plain.count(model.name) == 1 else f"{model.absolute().parent.name}/{model.name}": model
        for model in models
    }
    if len(names) < len(models):
        raise UserError(f"{models[-1]}: two models have this name; rename one, or name it once")
    return names


def _package_folder(name: str) -> dict[str, bytes]:
    folder = package_files("densevision.web") / name
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir(), key=lambda path: path.name)}


def _model(name: str, path: Path, sample: np.ndarray) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest's entry of a model, and the model's files."""
    about = read_model_info(path)
    original = path.read_bytes()
    sha256 = hashlib.sha256(original).hexdigest()
    stem = f"{re.sub(r'[^A-Za-z0-9]+', '-', path.stem).strip('-')}-{sha256[:8]}"
    served = original
    if about.quantize == "float16":  # the runtime is 4.5 times slower on float16 constants
        from densevision.export.widen import widen_float16

        served = widen_float16(original)
    found = answer(path, sample, stem)
    per_class = about.outputs == "detections" and about.postprocess["nms"] == "per-class"
    entry = {
        "name": name,
        "file": f"models/{stem}.tflite",
        "bytes": len(served),
        "adler32": zlib.adler32(served),
        "sha256": sha256,
        "widened": served != original,
        "max_threads": 1 if per_class else None,  # as for TFLiteBackend
        **{key: value for key, value in asdict(about).items() if key in _SHOWN},
        "colors": about.palette or [class_color(label) for label in range(len(about.classes))],
        "answer": found.content,
    }
    files = {entry["file"]: served} | {f"sample/{file}": data for file, data in found.files.items()}
    return entry, files


_SHOWN = (
    *("outputs", "classes", "size", "input_type", "quantize", "padded_size", "align_corners", "score_threshold"),
    "center_crop",
)


def _write(out: Path, content: Mapping[str, bytes]) -> None:
    """Replace a folder at once; a failure leaves the old one."""
    partial, old = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.old")
    try:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        for name, data in content.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
        if out.exists():
            out.rename(old)
        partial.rename(out)
    except OSError as error:
        raise UserError(f"--out {out}: can't be written ({error.strerror}); give another folder") from error
    finally:  # also after Ctrl-C
        if old.exists() and not out.exists():
            old.rename(out)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
