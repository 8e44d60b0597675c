"""The search: narrow the network step by step, each time where it costs the least accuracy per saved time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from densevision.adapt.genes import express
from densevision.adapt.history import Row, open_history
from densevision.adapt.latency import Latency, LatencyTable
from densevision.adapt.plan import Plan
from densevision.adapt.proposals import UNIFORM, Proposal, candidates, propose, smallest
from densevision.adapt.select import select, select_by_reward
from densevision.adapt.shape import Shape, widths, with_widths
from densevision.adapt.team import Team
from densevision.adapt.work import SEED, Base, Job, Worker
from densevision.errors import UserError
from densevision.stages import stage

VERIFY_EVERY = 3  # steps between two real files
_LEAST = 0.005  # share of the seed's latency that a step saves at least
_DOUBT = 0.04  # share of the target: closer to it every file is measured, so that the search does not go too far


class Search:
    """A search in a work directory.

    Args:
        worker: of this process; it has the seed and the work directory.
        plan: its options.
        table: latencies of the device.
        team: the processes that score; by default this one.
        resume: continue the search that is there.
    Raises:
        UserError: the target can't be reached or is no target, or see ``open_history``.
    """

    def __init__(
        self, worker: Worker, plan: Plan, table: LatencyTable, team: Team | None = None, *, resume: bool
    ) -> None:
        self.worker, self.plan, self.table = worker, plan, table
        self.seed, self.folder, self.team = worker.seed, worker.folder, team or Team(worker.score)
        self.history = open_history(self.folder, self._facts(), resume=resume)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.history.save()  # a search that is killed before its first result can be resumed, too

    def _facts(self) -> dict[str, object]:
        digest = hashlib.sha256(self.seed.checkpoint.read_bytes()).hexdigest()
        options = self.seed.options
        facts = dict(checkpoint=digest, target=str(self.plan.target), threads=self.table.timer.threads)
        facts |= dict(device=self.table.timer.device)
        return asdict(self.plan) | facts | dict(quantize=options.quantize, size=list(options.size or ()))

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
        latency = self.latency()
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
            self.score_seed()
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
        if row.genome:
            return express(self.seed.shape, tuple(row.genome)).shape
        return with_widths(self.seed.shape, row.widths)

    def model(self, row: Row) -> Any:
        """Return a winner with its weights."""
        return self.worker.model(self.base(row))

    def file(self, row: Row) -> Path:
        """Return where a winner's .tflite is, or would be."""
        return self.folder / f"step_{row.step:02d}.tflite"

    def latency(self) -> Latency:
        """Return the prediction that goes through the latest measured file."""
        measured = [row for row in self.history.winners() if row.measured_ms is not None]
        if not measured:
            return Latency(self.table, self.seed.geometry, self.seed.shape, self.seed_ms)
        return Latency(self.table, self.seed.geometry, self.shape(measured[-1]), measured[-1].measured_ms or 0.0)

    def _now(self, row: Row) -> float:
        return row.latency_ms if row.measured_ms is None else row.measured_ms

    def _done(self, last: Row) -> bool:
        """Whether the target is met; a network that is predicted to meet it is measured first."""
        close = last.latency_ms <= self.target_ms * (1 + _DOUBT)
        if last.step and last.measured_ms is None and (close or last.step % VERIFY_EVERY == 0):
            self.verify(last)
        return last.measured_ms is not None and last.measured_ms <= self.target_ms

    def verify(self, row: Row) -> None:
        """Measure a row's file, in turns with the seed's."""
        stage(f"exporting step {row.step}, to measure it")
        if not self.file(row).exists():
            self.seed.write(self.model(row), self.file(row))
        row.measured_ms = self.table.ratio(self.file(row), self.seed_file) * self.seed_ms
        self.save()

    def score_seed(self) -> None:
        """Train the seed as briefly as the others, so that all scores compare."""
        stage("training and scoring the seed")
        row = Row(0, "seed", widths(self.seed.shape), self.seed_ms, measured_ms=self.seed_ms)
        for train in (False, True):
            job = Job(0, _name(row), self.seed.shape, Base(SEED, self.seed.shape), train)
            ((_, row.score),) = self.team.scores([job])
            row.screen = row.score if row.screen is None else row.screen
        row.chosen = True
        self.history.rows.append(row)
        self.save()

    def _step(self, last: Row) -> Row:
        step, latency, before = last.step + 1, self.latency(), self.shape(last)
        now = self._now(last)
        saving = max(min(self.plan.step * self.seed_ms, now - self.target_ms), _LEAST * self.seed_ms)
        if latency.prepare(candidates(before)):
            stage(f"step {step}: measured new layers")
        proposals = propose(before, latency, saving)
        if not proposals:
            raise UserError(
                f"--target-latency {self.plan.target}: no proposal saves {saving:.3f} ms any more; the smallest "
                f"latency reached is {now:.2f} ms ({now / self.seed_ms:.2f}x), in {self.folder}"
            )
        self._screen(step, last, proposals)
        rows = {row.name: row for row in self.history.of_step(step)}
        finalists = self._finalists(proposals, rows, (now, last.score or 0.0))
        self._train(last, [rows[proposal.name] for proposal in finalists])
        winner = rows[self._choose(finalists, rows, (now, last.score or 0.0)).name]
        winner.chosen = True
        self.save()
        for row in rows.values():
            if row is not winner:
                self.worker.weights(_name(row)).unlink(missing_ok=True)
        return winner

    def _screen(self, step: int, last: Row, proposals: list[Proposal]) -> None:
        """Score the proposals that have no row yet with recalibrated batch norms, and add their rows."""
        known = {row.name for row in self.history.of_step(step)}
        rows = [
            Row(step, each.name, widths(each.shape), each.latency_ms) for each in proposals if each.name not in known
        ]
        if rows:
            stage(f"step {step}: screening {len(rows)} proposals")
        for row, score in self._scores(last, rows, train=False):
            row.screen = score
            self.history.rows.append(row)
            self.history.save()

    def _train(self, last: Row, rows: list[Row]) -> None:
        """Train those of the proposals that have not been trained yet."""
        if not self.plan.short_iters:
            stage(f"step {last.step + 1}: recalibrating {len(rows)} proposals")
        else:
            stage(f"step {last.step + 1}: training {', '.join(row.name for row in rows)}")
        for row, score in self._scores(last, [row for row in rows if row.score is None], train=True):
            row.score = score
            self.history.save()

    def _scores(self, last: Row, rows: list[Row], *, train: bool) -> Iterator[tuple[Row, float]]:
        base = self.base(last)
        jobs = [Job(row.step, _name(row), self.shape(row), base, train) for row in rows]
        return ((row, score) for row, (_, score) in zip(rows, self.team.scores(jobs), strict=True))

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

    def base(self, row: Row) -> Base:
        """Return a row's network as one that others inherit from."""
        return Base(_name(row), self.shape(row))

    def save(self) -> None:
        """Write the state, the table and the chart."""
        self.history.save()
        self.history.write_table()
        self.history.draw(self.target_ms)


def _name(row: Row) -> str:
    return f"{row.step:03d}_evolved" if row.genome else f"{row.step:02d}_{row.name.replace(' ', '_')}"
