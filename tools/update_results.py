"""Copy the figures of docs/results.json to README.md, to pages in docs and to the headers of the configs.

    python tools/update_results.py

In docs/results.json ``metrics`` starts with the one that README and headers quote. ``by_iteration`` holds it during
training; ``earlier`` lists what earlier runs of the same config gave, in words: their spread is that of rounding. A
config without an entry says so in its header ("Ours: not trained yet.").
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OURS = re.compile(r"Ours: .*?\.(?=\s)", re.DOTALL)
_BLOCK = re.compile(r"(<!-- from results\.json -->\n).*?(<!-- end -->)", re.DOTALL)


def read_runs() -> list[dict]:
    """Return the entries of docs/results.json."""
    return json.loads((ROOT / "docs/results.json").read_text())


def updated(runs: list[dict]) -> Iterator[tuple[Path, str]]:
    """Yield every file that quotes a figure, with the text that it should have."""
    for run in runs:
        path = ROOT / run["config"]
        yield path, _replace(_OURS, f"Ours: {headline(run)} on {run['data']} (docs/results.md).", path)
    pages = {
        "README.md": readme_lines(runs),
        "docs/results.md": results_lines(runs),
        "docs/classification.md": classification_lines(runs),
    }
    for path, lines in ((ROOT / page, lines) for page, lines in pages.items()):
        block = "\n".join(lines)
        yield path, _replace(_BLOCK, rf"\1{block}\n\2", path)


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


def _sentences(run: dict) -> Iterator[str]:
    yield f"{run['machine']}."
    if "by_iteration" in run:
        steps = ", ".join(f"{value:.3f} ({iteration})" for iteration, value in run["by_iteration"].items())
        yield f"{next(iter(run['metrics']))} by iteration: {steps}."
    if "earlier" in run:
        yield f"Earlier runs: {'; '.join(run['earlier'])}."
    if "note" in run:
        yield run["note"]


def _replace(pattern: re.Pattern, text: str, path: Path) -> str:
    content, count = pattern.subn(text, path.read_text())
    if count != 1:
        raise ValueError(f"{path}: {count} places match {pattern.pattern}, 1 should")
    return content


if __name__ == "__main__":
    for path, text in updated(read_runs()):
        if path.read_text() != text:
            path.write_text(text)
            print(f"updated {path.relative_to(ROOT)}")
