"""Copy the figures of docs/results.json to README.md, to pages in docs and to the headers of the configs.

    python tools/update_results.py

docs/results.json has four lists. In ``trainings``, one per config, ``metrics`` starts with the one that README and
headers quote. ``by_iteration`` holds it during training; ``earlier`` lists what earlier runs of the same config gave,
in words: their spread is that of rounding. A config without an entry says so in its header ("Ours: not trained yet.").
``tricks`` has the rows of the recipes: the metric on val of each seed, without and with a trick; its task "streets" is
segmentation of the data of tools/benchmarks/camvid_streets.py. ``int8`` has the metric of checkpoints and of their int8
files, and ``peers`` the rows of tools/benchmarks/peers.py.
"""

import itertools
import json
import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OURS = re.compile(r"Ours: .*?\.(?=\s)", re.DOTALL)
_BLOCK, _PEERS, _STREETS = (
    re.compile(rf"(<!-- {mark}from results\.json -->\n).*?(<!-- end -->)", re.DOTALL)
    for mark in ("", "peers ", "streets ")
)


def read_results() -> dict[str, list[dict]]:
    """Return the lists of docs/results.json."""
    return json.loads((ROOT / "docs/results.json").read_text())


def updated(results: dict[str, list[dict]]) -> Iterator[tuple[Path, str]]:
    """Yield every file that quotes a figure, with the text that it should have."""
    runs, tricks = results["trainings"], results["tricks"]
    for run in runs:
        headed = f"Ours: {headline(run)} on {run['data']} (docs/results.md)."
        yield _replaced(run["config"], {_OURS: lambda _, headed=headed: headed})
    yield _replaced("README.md", {_BLOCK: _fill(readme_lines(runs))})
    filled = {_BLOCK: _fill(results_lines(runs)), _PEERS: _fill(peers_lines(results["peers"]))}
    yield _replaced("docs/results.md", filled)
    yield _replaced("docs/classification.md", {_BLOCK: _fill(classification_lines(runs))})
    yield _replaced("docs/recipes.md", {_BLOCK: _fill(tricks_lines(tricks, "detection"))})
    filled = {_BLOCK: _fill(tricks_lines(tricks, "segmentation")), _STREETS: _fill(tricks_lines(tricks, "streets"))}
    yield _replaced("docs/recipes_segmentation.md", filled)
    yield _replaced("docs/export.md", {_BLOCK: _fill(int8_lines(results["int8"]))})


def headline(run: dict) -> str:
    """Write the first metric: "AP50 0.870"."""
    return figures(run).partition(",")[0]


def figures(run: dict) -> str:
    """Write all metrics: "AP50 0.870, AP 0.572"."""
    return ", ".join(f"{name} {value:.3f}" for name, value in run["metrics"].items())


def readme_lines(runs: list[dict]) -> list[str]:
    """Write README's table."""
    rows = [f"| {run['data']} | {run['model']} | {headline(run)} |" for run in runs]
    return ["| data | model | metric |", "| --- | --- | --- |", *rows]


def results_lines(runs: list[dict]) -> list[str]:
    """Write the table of docs/results.md, the commands, and a line about each run."""
    lines = ["| data | config | metrics | wall time | date, commit |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {run['data']} | `{run['config']}` | {figures(run)} | {run['wall_time']} | {run['date']}, {run['commit']} |"
        for run in runs
    ]
    lines += ["", "```", *dict.fromkeys(run["command"] for run in runs), "```", ""]
    return lines + [f"- {run['model']}, {run['data']}: {' '.join(_sentences(run))}" for run in runs]


def classification_lines(runs: list[dict]) -> list[str]:
    """Write the classifiers' figures for docs/classification.md."""
    own = [run for run in runs if run["config"].startswith("configs/classification/")]
    return [
        f"{run['model']}, {run['data']}: {figures(run)}, {run['wall_time']} (`{run['command']}`, {run['date']}). "
        + " ".join(_sentences(run))
        for run in own
    ]


def peers_lines(rows: list[dict]) -> list[str]:
    """Write the table of the other projects' models, in points, ours first."""
    lines = ["| config | model | epochs | by seed (mean) | minutes |", "| " + "--- | " * 5]

    def kind(row: dict) -> tuple:
        return row["config"], row["epochs"], row["kind"] != "ours", row["model"]

    in_order = sorted(rows, key=lambda row: (kind(row), row["seed"]))
    for (config, epochs, other, model), group in itertools.groupby(in_order, kind):
        found = list(group)
        minutes = ", ".join("-" if row["seconds"] is None else f"{row['seconds'] / 60:.0f}" for row in found)
        cells = [f"`{config}`", model if other else "ours", str(epochs), _points([row["value"] for row in found])]
        lines.append(f"| {' | '.join([*cells, minutes])} |")
    return [line.strip() for line in lines]


def tricks_lines(tricks: list[dict], task: str) -> list[str]:
    """Write the table of the recipes of a task, in points; with a column for test images where a row has them."""
    rows = [row for row in tricks if row["task"] == task]
    tested = any("test" in row for row in rows)
    names = ["what", "config", "iterations", "without", "with", "gain", *["test frames"] * tested, "on by default"]
    lines = [f"| {' | '.join(names)} |", "| " + "--- | " * len(names)]
    for row in rows:
        cells = [row["what"], row["config"], f"{row['iterations']:,}" if row["iterations"] else ""]
        cells += [_points(row["without"]), _points(row["with"]) or "not measured"]
        cells += [_gain(row["without"], row["with"]), *[_points(row.get("test", []))] * tested, row["default"]]
        lines.append(f"| {' | '.join(cells)} |")
    return [line.strip() for line in lines]


def int8_lines(rows: list[dict]) -> list[str]:
    """Write the table of the int8 files of trained models, in points."""
    lines = ["| config | seed | PyTorch | int8 | int8 with `--search` |", "| " + "--- | " * 5]
    for row in rows:
        metrics = [row[key] for key in ("pytorch", "int8", "search")]
        values = ("not measured" if metric is None else f"{100 * metric:.2f}" for metric in metrics)
        lines.append(f"| `{row['config']}` | {row['seed']} | {' | '.join(values)} |")
    return [line.strip() for line in lines]


def _points(values: list[float]) -> str:
    """Write a metric of each seed with the digits that are known, and their mean: "58.8, 60.3 (59.55)"."""
    mean = [f"({100 * statistics.mean(values):.2f})"] if len(values) > 1 else []
    return " ".join([", ".join(f"{100 * value:.4g}" for value in values), *mean])


def _gain(without: list[float], values: list[float]) -> str:
    """Write the difference of the means: "+1.17"; nothing where one is missing."""
    return f"{100 * (statistics.mean(values) - statistics.mean(without)):+.2f}" if without and values else ""


def _sentences(run: dict) -> Iterator[str]:
    yield f"{run['machine']}."
    if "by_iteration" in run:
        steps = ", ".join(f"{value:.3f} ({iteration})" for iteration, value in run["by_iteration"].items())
        yield f"{next(iter(run['metrics']))} by iteration: {steps}."
    if "earlier" in run:
        yield f"Earlier runs: {'; '.join(run['earlier'])}."
    if "note" in run:
        yield run["note"]


def _fill(lines: list[str]) -> Callable[[re.Match], str]:
    """Return what a block becomes: its two marks, and the lines between them."""
    return lambda found: "\n".join([found[1].rstrip(), *lines, found[2]])


def _replaced(name: str, changes: dict[re.Pattern, Callable[[re.Match], str]]) -> tuple[Path, str]:
    """Return a file and its text with what the patterns match replaced; each must match once."""
    path = ROOT / name
    content = path.read_text()
    for pattern, change in changes.items():
        content, count = pattern.subn(change, content)
        if count != 1:
            raise ValueError(f"{path}: {count} places match {pattern.pattern}, 1 should")
    return path, content


if __name__ == "__main__":
    for path, text in updated(read_results()):
        if path.read_text() != text:
            path.write_text(text)
            print(f"updated {path.relative_to(ROOT)}")
