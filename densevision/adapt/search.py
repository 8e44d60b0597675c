"""The search: narrow the network step by step, each time where it costs the least accuracy per saved time."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from densevision.adapt.history import Row, open_history
from densevision.adapt.latency import Latency, LatencyTable
from densevision.adapt.proposals import UNIFORM, Proposal, candidates, propose, smallest
from densevision.adapt.seed import Seed
from densevision.adapt.select import select, select_by_reward
from densevision.adapt.shape import Shape, widths, with_widths
from densevision.adapt.short import ShortTraining
from densevision.atomic import partial_path, publish
from densevision.checkpoints.files import read_plain
from densevision.errors import UserError
from densevision.stages import stage

VERIFY_EVERY = 3  # steps between two real files
_CLOSE = 0.005  # share of the target by which a measured file may miss it


@dataclass(frozen=True)
class Target:
    """A latency in ms, or a share of the seed's."""

    value: float
    relative: bool

    def of(self, seed_ms: float) -> float:
        """Return it in ms."""
        return self.value * seed_ms if self.relative else self.value

    def __str__(self) -> str:
        return f"{self.value:g}{'x' if self.relative else 'ms'}"


def parse_target(text: str) -> Target:
    """Read "0.7x" or "8.5ms".

    Raises:
        UserError: it is neither, not over 0, or a share over 1.
    """
    for unit in ("ms", "x"):
        number = text.removesuffix(unit)
        with contextlib.suppress(ValueError):
            if number != text and 0 < float(number) < math.inf and (unit == "ms" or float(number) <= 1):
                return Target(float(number), unit == "x")
    raise UserError(
        f"--target-latency {text}: give a share of the seed's latency such as 0.7x, or a time such as 8.5ms"
    )


@dataclass(frozen=True)
class Plan:
    """The options of a search.

    Attributes:
        target: of the file.
        step: share of the seed's latency that each step saves at least.
        short_iters: iterations of a short training; 0 chooses by recalibrated batch norms alone.
        finalists: proposals per step that are trained, of those that the screen leaves and the uniform one.
        reward: "slope", the paper's rule of section 4.2; or "product", the reward of section 4.1, with exp(-loss) as
            the accuracy.
        w: exponent of "product".
    """

    target: Target
    step: float = 0.015
    short_iters: int = 20
    finalists: int = 4
    reward: Literal["slope", "product"] = "slope"
    w: float = -0.07


class Search:
    """A search in a work directory.

    Args:
        seed: where it starts.
        plan: its options.
        table: latencies of the device.
        folder: the work directory.
        resume: continue the search that is there.
    Raises:
        UserError: the target can't be reached or is no target, there are no training data, or see ``open_history``.
    """

    def __init__(self, seed: Seed, plan: Plan, table: LatencyTable, folder: Path, *, resume: bool) -> None:
        self.seed, self.plan, self.table, self.folder = seed, plan, table, folder
        digest = hashlib.sha256(seed.checkpoint.read_bytes()).hexdigest()
        facts = asdict(plan) | dict(target=str(plan.target), quantize=seed.options.quantize, threads=table.threads)
        self.history = open_history(folder, dict(checkpoint=digest, **facts), resume=resume)
        self.short = ShortTraining(seed, plan.short_iters)
        (folder / "weights").mkdir(parents=True, exist_ok=True)
        self.history.save()  # a search that is killed before its first result can be resumed, too

    @cached_property
    def seed_file(self) -> Path:
        """The seed's .tflite, written once."""
        path = self.folder / "seed.tflite"
        if not path.exists():
            stage("exporting the seed, to measure it")
            self.seed.write(self.seed.model, path)
        return path

    @cached_property
    def seed_ms(self) -> float:
        """Latency of the seed's file."""
        return self.table.file(self.seed_file)

    @property
    def target_ms(self) -> float:
        """The target."""
        return self.plan.target.of(self.seed_ms)

    def check_target(self) -> None:
        """Check that the target is below the seed's latency, and that the smallest network is below the target.

        Raises:
            UserError: it is not.
        """
        target, seed_ms = self.target_ms, self.seed_ms
        if target >= seed_ms:
            raise UserError(f"--target-latency {self.plan.target}: the seed takes {seed_ms:.2f} ms already; give less")
        stage("measuring layers")
        latency = self._latency()
        least = latency(smallest(self.seed.shape))
        if least > target:
            raise UserError(
                f"--target-latency {self.plan.target}: with every layer at its minimum the file still takes "
                f"{least:.2f} ms ({least / seed_ms:.2f}x); give more, or start from a network with a smaller input"
            )

    def run(self, report: Callable[[Row], None]) -> Row:
        """Search until a real file meets the target; returns the last winner.

        Raises:
            UserError: no proposal saves enough any more; names the smallest latency that was reached.
        """
        self.check_target()
        if not self.history.rows:
            self._score_seed()
        for row in self.history.winners():
            report(row)
        while not self.history.finished:
            last = self.history.winners()[-1]
            if self._done(last):
                self.history.finished = True
                self.history.save()
                break
            report(self._step(last))
        return self.history.winners()[-1]

    def shape(self, row: Row) -> Shape:
        """Return a row's network."""
        return with_widths(self.seed.shape, row.widths)

    def model(self, row: Row) -> Any:
        """Return a winner with its weights."""
        return self.seed.build(self.shape(row), self._read(self._weights(row)))

    def file(self, row: Row) -> Path:
        """Return where a winner's .tflite is, or would be."""
        return self.folder / f"step_{row.step:02d}.tflite"

    def _latency(self) -> Latency:
        """Return the prediction that goes through the latest measured file."""
        measured = [row for row in self.history.winners() if row.measured_ms is not None]
        if not measured:
            return Latency(self.table, self.seed.geometry, self.seed.shape, self.seed_ms)
        return Latency(self.table, self.seed.geometry, self.shape(measured[-1]), measured[-1].measured_ms or 0.0)

    def _now(self, row: Row) -> float:
        return row.latency_ms if row.measured_ms is None else row.measured_ms

    def _done(self, last: Row) -> bool:
        """Whether the target is met; a network that is predicted to meet it is measured first."""
        goal = self.target_ms * (1 + _CLOSE)
        if last.step and last.measured_ms is None and (last.latency_ms <= goal or last.step % VERIFY_EVERY == 0):
            self._verify(last)
        return self._now(last) <= goal

    def _verify(self, row: Row) -> None:
        stage(f"exporting step {row.step}, to measure it")
        if not self.file(row).exists():
            self.seed.write(self.model(row), self.file(row))
        row.measured_ms = self.table.ratio(self.file(row), self.seed_file) * self.seed_ms
        self._save()

    def _score_seed(self) -> None:
        stage("training and scoring the seed")
        self.short.start(0)
        row = Row(0, "seed", widths(self.seed.shape), self.seed_ms, measured_ms=self.seed_ms)
        model = self.seed.build(self.seed.shape, self.seed.model.cpu().state_dict())
        self._train(row, model)
        row.chosen = True
        self.history.rows.append(row)
        self._save()

    def _step(self, last: Row) -> Row:
        step, latency, before = last.step + 1, self._latency(), self.shape(last)
        self.short.start(step)
        now, parent = self._now(last), self.model(last)
        saving = max(min(self.plan.step * self.seed_ms, now - self.target_ms), _CLOSE * self.seed_ms)
        if latency.prepare(candidates(before)):
            stage(f"step {step}: measured new layers")
        proposals = propose(before, latency, saving)
        if not proposals:
            raise UserError(
                f"--target-latency {self.plan.target}: no proposal saves {saving:.3f} ms any more; the smallest "
                f"latency reached is {now:.2f} ms ({now / self.seed_ms:.2f}x), in {self.folder}"
            )
        rows = {row.name: row for row in self.history.of_step(step)}
        for number, proposal in enumerate(proposals, 1):
            if proposal.name not in rows:
                stage(f"step {step}: screening {number} of {len(proposals)}, {proposal.name}")
                rows[proposal.name] = self._screen(step, proposal, parent, before)
        finalists = self._finalists(proposals, rows, (now, last.score or 0.0))
        for number, proposal in enumerate(finalists, 1):
            row = rows[proposal.name]
            if row.score is None:
                stage(f"step {step}: training {number} of {len(finalists)}, {proposal.name}")
                self._train(row, self.seed.narrowed(parent, before, proposal.shape))
                self.history.save()
        winner = rows[self._choose(finalists, rows, (now, last.score or 0.0)).name]
        winner.chosen = True
        self._save()
        for row in rows.values():
            if row is not winner:
                self._weights(row).unlink(missing_ok=True)
        return winner

    def _screen(self, step: int, proposal: Proposal, parent: Any, before: Shape) -> Row:
        model = self.seed.narrowed(parent, before, proposal.shape)
        self.short.recalibrate(model)
        score = self.short.score(model)
        row = Row(step, proposal.name, widths(proposal.shape), proposal.latency_ms, screen=score)
        self.history.rows.append(row)
        self.history.save()
        return row

    def _train(self, row: Row, model: Any) -> None:
        self.short.recalibrate(model)
        if row.screen is None:
            row.screen = self.short.score(model)
        if self.plan.short_iters:
            self.short.train(model)
            self.short.recalibrate(model)
        row.score = self.short.score(model) if self.plan.short_iters else row.screen
        path = self._weights(row)
        torch.save(model.cpu().state_dict(), partial_path(path))
        publish(partial_path(path), path)

    def _finalists(
        self, proposals: list[Proposal], rows: dict[str, Row], before: tuple[float, float]
    ) -> list[Proposal]:
        """Return the best proposals by the screen, and the uniform one in any case."""
        scores = {name: row.screen or 0.0 for name, row in rows.items()}
        found: list[Proposal] = []
        others = [p for p in proposals if p.name != UNIFORM]
        while others and len(found) < self.plan.finalists - 1:
            found.append(select(others, scores, before))
            others.remove(found[-1])
        return found + [p for p in proposals if p.name == UNIFORM]

    def _choose(self, finalists: list[Proposal], rows: dict[str, Row], before: tuple[float, float]) -> Proposal:
        scores = {p.name: rows[p.name].score or 0.0 for p in finalists}
        if self.plan.reward == "slope":
            return select(finalists, scores, before)
        accuracies = {name: math.exp(score) for name, score in scores.items()}
        return select_by_reward(finalists, accuracies, self.target_ms, self.plan.w)

    def _weights(self, row: Row) -> Path:
        return self.folder / "weights" / f"{row.step:02d}_{row.name.replace(' ', '_')}.pth"

    def _read(self, path: Path) -> dict[str, torch.Tensor]:
        found: Any = read_plain(path)
        return found

    def _save(self) -> None:
        self.history.save()
        self.history.write_table()
        self.history.draw(self.target_ms)
