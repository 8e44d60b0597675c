"""The platform-aware search of the paper's section 4.1, by evolution instead of a controller."""

from __future__ import annotations

import math
from collections.abc import Callable

from densevision.adapt.evolution import Evolution, Genome, evolve
from densevision.adapt.genes import Expressed, describe, express, space
from densevision.adapt.history import Row
from densevision.adapt.search import Search
from densevision.adapt.select import reward
from densevision.adapt.shape import widths
from densevision.adapt.work import SEED, Base, Job
from densevision.stages import stage


def evolve_network(search: Search, report: Callable[[Row], None]) -> Row:
    """Search the network with the largest reward around the seed, and measure its file; returns its row.

    All networks inherit from the seed and are trained equally briefly. The reward is accuracy * (latency / target) ** w
    with exp(-loss) as the accuracy. An interrupted search repeats its choices and finds the scores in the history.

    Args:
        report: receives the rows that are better than all before them.
    Raises:
        UserError: see ``Search.check_target``.
    """
    search.check_target()
    if not search.history.rows:
        search.score_seed()
    seed_row = search.history.rows[0]
    best = [seed_row]
    report(seed_row)

    def rewards(genomes: list[Genome]) -> list[float]:
        rows = _rows(search, genomes)
        for row in rows:
            worse = row
            if _reward(search, row) > _reward(search, best[-1]):
                worse = best[-1]
                best.append(row)
                report(row)
            if worse.step:
                search.worker.weights(search.base(worse).name).unlink(missing_ok=True)
        return [_reward(search, row) for row in rows]

    evolve(space(search.seed.shape), rewards, Evolution(evaluations=search.plan.evaluations or 1))
    winner = best[-1]
    winner.chosen = True
    if winner.measured_ms is None:
        search.verify(winner)
    if not search.file(winner).exists():  # nothing beats the seed
        search.file(winner).write_bytes(search.seed_file.read_bytes())
    search.history.finished = True
    search.save()
    return winner


def _rows(search: Search, genomes: list[Genome]) -> list[Row]:
    """Score what is not in the history yet; returns the genomes' rows."""
    known, latency = _known(search), search.latency()
    new = [genome for genome in genomes if genome not in known]
    networks = [express(search.seed.shape, genome) for genome in new]
    if latency.prepare(network.shape for network in networks):
        stage("measured new layers")
    first = len(known)
    if new:
        stage(f"networks {first} to {first + len(new) - 1} of {search.plan.evaluations}")
    rows = [
        Row(first + number, describe(genome), widths(network.shape), latency(network.shape), genome=list(genome))
        for number, (genome, network) in enumerate(zip(new, networks, strict=True))
    ]
    jobs = [_job(search, row, network) for row, network in zip(rows, networks, strict=True)]
    for row, (_, score) in zip(rows, search.team.scores(jobs), strict=True):
        row.score = score
        search.history.rows.append(row)
        search.history.save()
    search.save()
    known = _known(search)
    return [known[genome] for genome in genomes]


def _job(search: Search, row: Row, network: Expressed) -> Job:
    base = Base(SEED, search.seed.shape)
    return Job(0, search.base(row).name, network.shape, base, train=True, origins=network.origins)


def _known(search: Search) -> dict[Genome, Row]:
    first, *others = search.history.rows
    seed = (0,) * len(space(search.seed.shape))
    return {seed: first} | {tuple(row.genome or ()): row for row in others}


def _reward(search: Search, row: Row) -> float:
    assert row.score is not None
    return reward(math.exp(row.score), row.latency_ms, search.target_ms, search.plan.w)
