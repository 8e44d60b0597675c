"""Regularised evolution over genomes: the oldest leave the population, whatever their reward."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Genome = tuple[int, ...]
_TRIES = 50  # at a mutation that has not been evaluated before


@dataclass(frozen=True)
class Evolution:
    """The options of an evolution.

    Attributes:
        evaluations: networks that are evaluated, the seed included.
        population: that is alive.
        sample: of which the best one becomes a parent.
        brood: children per round; a fixed number, so that the number of processes does not change the result.
        seed: of the random choices.
    """

    evaluations: int = 64
    population: int = 32
    sample: int = 16
    brood: int = 8
    seed: int = 0


def evolve(
    space: Sequence[int], rewards: Callable[[list[Genome]], list[float]], plan: Evolution
) -> tuple[Genome, float]:
    """Search the genome with the largest reward; returns it and its reward.

    The first population is the genome of zeros and mutations of it. A mutation changes one gene.

    Args:
        space: number of alleles of each gene.
        rewards: evaluates genomes that have not been evaluated before.
    Source: Real et al. 2019 (Regularized Evolution for Image Classifier Architecture Search).
    Departs: children come in broods, and no genome is evaluated twice.
    """
    chance = random.Random(plan.seed)
    first = (0,) * len(space)
    known: dict[Genome, float] = {first: rewards([first])[0]}
    alive = [first]
    while len(known) < plan.evaluations:
        brood: list[Genome] = []
        for _ in range(min(plan.brood, plan.evaluations - len(known))):
            for _ in range(_TRIES):
                child = mutate(_parent(alive, known, plan.sample, chance), space, chance)
                if child not in known and child not in brood:
                    brood.append(child)
                    break
        if not brood:
            break  # the neighborhood is exhausted
        known |= dict(zip(brood, rewards(brood), strict=True))
        alive = (alive + brood)[-plan.population :]
    best = max(known, key=lambda genome: known[genome])
    return best, known[best]


def _parent(alive: list[Genome], known: dict[Genome, float], sample: int, chance: random.Random) -> Genome:
    rivals = chance.sample(alive, min(sample, len(alive)))
    return max(rivals, key=lambda genome: known[genome])


def mutate(genome: Genome, space: Sequence[int], chance: random.Random) -> Genome:
    """Give one gene another allele."""
    place = chance.choice([index for index, count in enumerate(space) if count > 1])
    allele = chance.choice([other for other in range(space[place]) if other != genome[place]])
    return (*genome[:place], allele, *genome[place + 1 :])
