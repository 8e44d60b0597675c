"""What a search has done so far: a file that survives a kill, a table and a chart."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from densevision.adapt.proposals import UNIFORM
from densevision.atomic import write_json, write_whole
from densevision.errors import UserError
from densevision.json_text import parse_json
from densevision.outputs import check_taken
from densevision.training.workdir import WorkDir

_STATE = "state.json"
_FILES = (
    "seed.tflite",
    "weights",
    "history.csv",
    "history.png",
    "adapted.py",
    "adapted.pth",
    "adapted.tflite",
    "final",
)
_OF_SEED_FILE = ("checkpoint", "quantize", "size")  # facts that determine it
_STYLES: tuple[tuple[bool, bool | None, dict[str, Any]], ...] = (  # chosen, the uniform proposals, how they are drawn
    (False, False, dict(marker="o", ls="", ms=4, color="#9aa3ad", label="proposals")),
    (False, True, dict(marker="s", ls="", ms=4, color="#d9480f", label="uniform, not chosen")),
    (True, None, dict(marker="o", ls="-", color="#1f6feb", label="chosen")),
)
_COLUMNS = ("step", "name", "latency_ms", "screen", "score", "chosen", "measured_ms")


@dataclass
class Row:
    """A proposal, or with step 0 the seed.

    Attributes:
        step: that it was proposed in.
        name: what it narrows.
        widths: its channels by name.
        latency_ms: predicted, of the whole file.
        screen: score with recalibrated batch norms only; None if it was not reached.
        score: after a short training; None without.
        chosen: it is the step's result.
        measured_ms: of its real file; None if that was not made.
        genome: of an evolution's network, whose structure differs from the seed's; else None.
    """

    step: int
    name: str
    widths: dict[str, int]
    latency_ms: float
    screen: float | None = None
    score: float | None = None
    chosen: bool = False
    measured_ms: float | None = None
    genome: list[int] | None = None


@dataclass
class History:
    """The rows of a search, in a folder.

    Attributes:
        folder: the work directory.
        made_from: facts that a resumed search must share: checkpoint, target, options.
        rows: in order.
        finished: the target is reached and verified.
    """

    folder: Path
    made_from: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    finished: bool = False

    def save(self) -> None:
        """Write the state, which a killed search continues from."""
        content = dict(made_from=self.made_from, finished=self.finished, rows=[asdict(row) for row in self.rows])
        write_json(self.folder / _STATE, content)

    def winners(self) -> list[Row]:
        """Return the seed and the results of the finished steps."""
        return [row for row in self.rows if row.chosen]

    def of_step(self, step: int) -> list[Row]:
        """Return the proposals of a step."""
        return [row for row in self.rows if row.step == step]

    def write_table(self) -> None:
        """Write ``history.csv``, a line per proposal."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = list({name: None for row in self.rows for name in row.widths})
        writer.writerow([*_COLUMNS, *names])
        for row in self.rows:
            figures = [_text(getattr(row, column)) for column in _COLUMNS]
            writer.writerow([*figures, *(row.widths.get(name, "") for name in names)])
        write_whole(self.folder / "history.csv", text.getvalue().encode())

    def draw(self, target_ms: float) -> None:
        """Write ``history.png``: score against latency, of all proposals, and the path of the search."""
        draw_history(self.rows, target_ms, self.folder / "history.png")


def _text(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else f"{value:.6f}" if isinstance(value, float) else value


def check_folder(folder: Path) -> None:
    """Check that a search can be written to a folder.

    Raises:
        UserError: it can't be written to, or has files of other origin that the search would overwrite or take for its.
    """
    if not (folder / _STATE).exists():
        check_taken("--work-dir", folder, _FILES)
    existed = folder.exists()
    made = WorkDir(folder)
    if not existed:
        made.clear()


def open_history(folder: Path, made_from: dict[str, object], *, resume: bool) -> History:
    """Return the history in a folder, or a new one.

    Raises:
        UserError: there is a search and ``resume`` is False, or there is none to resume, or it is another one.
    """
    path = folder / _STATE
    if not resume and not path.exists():
        return History(folder, made_from)
    try:
        content = parse_json(path.read_bytes())
        stored = content["made_from"]
        rows = [Row(**row) for row in content["rows"]]
    except OSError as error:
        raise UserError(f"--resume: there is no search in {folder}; leave --resume out, or give --work-dir") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged; give another --work-dir and start again") from error
    if not resume:
        if rows:
            raise UserError(
                f"--work-dir {folder}: has a search already; continue it with --resume, or give another folder"
            )
        if any(stored.get(key) != made_from.get(key) for key in _OF_SEED_FILE):
            (folder / "seed.tflite").unlink(missing_ok=True)
        return History(folder, made_from)
    differ = [key for key in made_from if key in stored and stored[key] != made_from[key]]
    if differ:
        raise UserError(
            f"--resume: the search in {folder} has {differ[0]} {stored.get(differ[0])}, not {made_from[differ[0]]}; "
            "give the same options, or another --work-dir"
        )
    return History(folder, made_from, rows, bool(content["finished"]))


def draw_history(rows: Sequence[Row], target_ms: float, path: Path) -> None:
    """Draw the score against the latency of all proposals, and join the winners.

    Args:
        path: of the image.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=2.5, foreground="white")]
    figure = Figure(figsize=(7.2, 4.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    scored = [(row, row.measured_ms or row.latency_ms, row.score or 0.0) for row in rows if _finite(row.score)]
    for chosen, uniform, style in _STYLES:
        points = [(x, y) for row, x, y in scored if row.chosen is chosen and uniform in (None, row.name == UNIFORM)]
        if points:
            axes.plot([x for x, _ in points], [y for _, y in points], **style)
    for row, x, y in scored:
        if row.chosen:
            name = "seed" if row.step == 0 else str(row.step)
            style = dict(fontsize=7.5, color="#1f3a63", path_effects=outline)
            axes.annotate(name, (x, y), (4, 6), textcoords="offset points", **style)
    axes.axvline(target_ms, ls="--", lw=1, color="#495057")
    axes.text(target_ms, 0.02, " target", transform=axes.get_xaxis_transform(), fontsize=8, color="#495057")
    axes.set(xlabel="latency of the file (ms)", ylabel="score after short training (minus the loss)")
    axes.grid(alpha=0.25)
    axes.margins(x=0.08, y=0.1)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_whole(path, content.getvalue())


def _finite(score: float | None) -> bool:
    return score is not None and math.isfinite(score)
