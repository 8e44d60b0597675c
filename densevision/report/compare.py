"""Put the reports of several runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from densevision.errors import UserError, did_you_mean
from densevision.json_text import parse_json
from densevision.report.content import FORMAT
from densevision.report.form import is_report
from densevision.report.page import format_count, format_metric
from densevision.task import is_share

Content = Mapping[str, Any]
_RUN_KEYS = ("experiment_name", "launcher", "work_dir", "load_from", "resume", "visualizer")  # not the user's choices


def read_report(run: Path) -> dict[str, Any]:
    """Read the report of a work dir, a result folder, or a ``report.json``.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = run / "report.json" if run.is_dir() else run
    if not run.exists():
        near = did_you_mean(run.name, [one.name for one in run.parent.iterdir()]) if run.parent.is_dir() else ""
        raise UserError(f"{run}: no such run; {near or 'give the work dir of a training'}")
    if not path.is_file():
        raise UserError(f"{run} has no report.json; densevision train and test write one into their work dir")
    try:
        content = parse_json(path.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError
        if not is_report(content):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no report that this version of densevision wrote; run the test again") from error
    return content


def run_names(runs: Sequence[Path]) -> list[str]:
    """Return short names of the runs: their last folders, as many as tell them apart."""
    folders = [run.resolve() if run.is_dir() else run.resolve().parent for run in runs]
    for depth in range(1, 1 + max(len(folder.parts) for folder in folders)):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise UserError("the same run is given twice; give each run once")


Rows = list[tuple[str, list[str]]]


def compare(contents: Sequence[Content]) -> dict[str, Rows]:
    """Return the rows of the comparison by title: a name, and a cell per run; "–" where a run has no such figure."""
    return {"Figures": [*_figures(contents), *_costs(contents)], "Config differences": _differences(contents)}


def _figures(contents: Sequence[Content]) -> Rows:
    names = list(dict.fromkeys(name for content in contents for name in content["metrics"]))
    ranking = [content["metric"]["name"] for content in contents if content["metric"]["name"]]
    names.sort(key=lambda name: name not in ranking)
    rows = []
    for name in names:
        values = [content["metrics"].get(name) for content in contents]
        rows.append((name, [format_metric(value, is_share=is_share(name)) for value in values]))
    return rows


def _costs(contents: Sequence[Content]) -> Rows:
    def row(name: str, read: Callable[[Content], Any], form: Callable[[Any], str] = str) -> tuple[str, list[str]]:
        values = [read(content) for content in contents]
        return name, ["–" if value is None else form(value) for value in values]

    rows = [
        row("best iteration", lambda one: one["iterations"].get("best"), "{:,}".format),
        row("iterations", lambda one: one["iterations"].get("all"), "{:,}".format),
        row("score threshold", lambda one: (one.get("detection") or {}).get("score_threshold"), "{:.3f}".format),
        row("mean F1", lambda one: (one.get("detection") or {}).get("mean_f1"), lambda value: f"{100 * value:.1f}"),
        row("model", lambda one: one["model"].get("name")),
        row("input", lambda one: one["model"].get("input_size"), lambda size: "x".join(map(str, size))),
        row("parameters", lambda one: one["model"].get("parameters"), "{:,}".format),
        row("size, MB", _size, lambda value: f"{value / 1e6:.2f}"),
        row("multiply-adds", lambda one: one["model"].get("madds"), format_count),
        row("ms per image", lambda one: one["model"].get("latency_ms"), "{:.3g}".format),
        row("timed by", lambda one: (one["model"].get("latency_by") or "–").removesuffix(", the network alone")),
    ]
    return [(name, cells) for name, cells in rows if set(cells) != {"–"}]


def _size(content: Content) -> float | None:
    model = content["model"]
    return model.get("file_bytes") or model.get("weights_bytes")


def _differences(contents: Sequence[Content]) -> Rows:
    settings = [content["settings"] for content in contents]
    keys = sorted({key for one in settings for key in one})
    rows = [(key, [one.get(key, "–") for one in settings]) for key in keys if key.split(".")[0] not in _RUN_KEYS]
    return [(key, cells) for key, cells in rows if len(set(cells)) > 1]
