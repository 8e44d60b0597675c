"""Evolution: on accuracies with a known optimum, its space around a network, and what a network of it inherits."""

import random
from dataclasses import replace

import pytest
import torch

from densevision.adapt.evolution import Evolution, evolve, mutate
from densevision.adapt.evolved import evolve_network
from densevision.adapt.genes import GENES, describe, express, space, stages
from densevision.adapt.inherit import inherit
from densevision.adapt.result import write_result
from densevision.adapt.select import reward
from densevision.adapt.shape import config_of, shape_of, widths
from densevision.adapt.transplant import transplant
from densevision.config.load import load_config
from densevision.inference.load import build_model, load_model
from tests.adapt.networks import build, detector, segmentor
from tests.adapt.test_search import Device, prepared, search, start  # noqa: F401  fixtures

SPACE = (3, 4, 3, 3, 4) * 3  # three stages: 80 million genomes
FOUND_IN = 600  # evaluations that find the best of them in all 20 problems (median: 186)


def problem(seed):
    """Return accuracy and latency (ms) of a genome, the sums of what its genes give, and the most accurate genome."""
    chance = random.Random(seed)
    gains = [[0.0, *(chance.uniform(-0.02, 0.02) for _ in range(count - 1))] for count in SPACE]
    costs = [[0.0, *(chance.uniform(-0.7, 0.3) for _ in range(count - 1))] for count in SPACE]
    best = tuple(max(range(len(gain)), key=gain.__getitem__) for gain in gains)

    def total(base, table):
        return lambda genome: base + sum(row[allele] for row, allele in zip(table, genome, strict=True))

    return total(0.6, gains), total(10, costs), best


@pytest.mark.parametrize("seed", range(20))
def test_the_known_optimum_is_found_and_w_0_ignores_the_latency(seed):
    accuracy, latency, best = problem(seed)
    rewards = lambda genomes: [reward(accuracy(g), latency(g), 8, 0) for g in genomes]  # noqa: E731
    assert evolve(SPACE, rewards, Evolution(FOUND_IN)) == (best, accuracy(best))


@pytest.mark.parametrize("seed", range(3))
def test_w_towards_minus_1_respects_the_target(seed):
    accuracy, latency, best = problem(seed)
    target = 0.85 * latency(best)  # the most accurate network is too slow
    found = {0: best}
    for w in (-0.07, -1):
        rewards = lambda genomes, w=w: [reward(accuracy(g), latency(g), target, w) for g in genomes]  # noqa: E731
        found[w] = evolve(SPACE, rewards, Evolution(FOUND_IN))[0]
    assert latency(found[-1]) <= target
    assert latency(found[-1]) <= latency(found[-0.07]) <= latency(best)
    assert accuracy(found[-1]) <= accuracy(found[-0.07]) <= accuracy(best)


def test_no_genome_is_evaluated_twice_and_a_small_space_ends():
    seen = []

    def rewards(genomes):
        seen.extend(genomes)
        return [float(sum(genome)) for genome in genomes]

    assert evolve((2, 3), rewards, Evolution(100)) == ((1, 2), 3.0)
    assert len(seen) == len(set(seen)) <= 6


def test_a_mutation_changes_one_gene():
    genome = (0,) * len(SPACE)
    for seed in range(20):
        child = mutate(genome, SPACE, random.Random(seed))
        assert sum(a != b for a, b in zip(genome, child, strict=True)) == 1
        assert all(0 <= allele < count for allele, count in zip(child, SPACE, strict=True))


SMALL = build(detector())


def genome(**alleles):
    """Return the genome with alleles of stage 2, the blocks 3 to 5 of V3-Small."""
    genes = [0] * len(space(SMALL[2]))
    for name, allele in alleles.items():
        genes[2 * len(GENES) + GENES.index(name)] = allele
    return tuple(genes)


def test_the_genes_of_a_stage():
    seed = SMALL[2]
    assert stages(seed) == [[0], [1, 2], [3, 4, 5], [6, 7], [8, 9, 10]]
    assert express(seed, genome()).shape == seed
    blocks = express(seed, genome(kernel=1, expansion=1, gate=1, width=2)).shape.spec.blocks
    # expansions 96, 240, 240 times 0.75; outputs 40 times 0.5 = 20, to 8s 24; kernels were 5
    assert [(b.kernel, b.expand, b.out, b.squeezed, b.se) for b in blocks[3:6]] == [
        (3, 72, 24, None, False),
        (3, 184, 24, None, False),
        (3, 184, 24, None, False),
    ]
    assert describe(genome(kernel=1, gate=2, width=2)) == "stage 2: kernel 3, gate on, width 0.5"
    assert describe(genome()) == "the seed"


def test_layers_leave_and_join_and_the_taps_stay_where_they_were():
    fewer, more = (express(SMALL[2], genome(layers=allele)) for allele in (1, 2))
    assert fewer.origins == (0, 1, 2, 3, 4, 6, 7, 8, 9, 10)
    assert more.origins == (0, 1, 2, 3, 4, 5, None, 6, 7, 8, 9, 10)
    assert (SMALL[2].spec.c4, fewer.shape.spec.c4, more.shape.spec.c4) == (8, 7, 9)
    assert {each.shape.spec.c3 for each in (fewer, more)} == {SMALL[2].spec.c3}


def inherited(found):
    config, model, shape = SMALL
    built = build_model(config_of(config, found.shape), 3).eval()
    assert shape_of(built, config_of(config, found.shape)) == found.shape
    built.load_state_dict(transplant(model, shape, built, found.shape, found.origins))
    return built


@pytest.mark.parametrize("alleles", [dict(), dict(layers=2)])
def test_the_seed_and_a_new_layer_compute_what_the_seed_does(alleles):
    images = torch.rand(1, 3, 96, 96) - 0.5
    with torch.no_grad():
        for one, other in zip(SMALL[1](images), inherited(express(SMALL[2], genome(**alleles)))(images), strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_a_narrower_stage_inherits_as_a_narrowed_network_does():
    found = express(SMALL[2], genome(expansion=1, width=1))
    expected = inherit(SMALL[1], SMALL[2], found.shape)
    weights = inherited(found).state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


def test_kernels_keep_their_middle():
    found = inherited(express(SMALL[2], genome(kernel=1))).state_dict()["backbone.blocks.3.depthwise.0.weight"]
    assert torch.equal(found, SMALL[1].state_dict()["backbone.blocks.3.depthwise.0.weight"][..., 1:4, 1:4])


@pytest.mark.slow
@pytest.mark.parametrize("make", [detector, segmentor])
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_v3_large", "mnasnet_a1", "mobilenet_v1"])
def test_every_gene_gives_a_network_that_runs(make, name):
    config, model, shape = build(make(name))
    chance = random.Random(0)
    for _ in range(3):
        found = express(shape, tuple(chance.randrange(count) for count in space(shape)))
        built = build_model(config_of(config, found.shape), 3).eval()
        built.load_state_dict(transplant(model, shape, built, found.shape, found.origins))
        with torch.no_grad():
            outputs = built(torch.rand(1, 3, 96, 96) - 0.5)
        assert all(torch.isfinite(each).all() for each in ([outputs] if torch.is_tensor(outputs) else outputs))


@pytest.mark.slow
def test_an_evolution_ends_with_an_ordinary_result_and_resumes(start, prepared):  # noqa: F811
    folder, path = prepared
    (folder / "step_09.tflite").write_bytes(b"never read")

    class Measured(Device):
        def ratio(self, path, base):
            return 0.8

    job = search(start, folder, Measured(path), evaluations=9, reward="product", w=-0.5)
    last = evolve_network(job, lambda row: None)
    rows = [replace(row) for row in job.history.rows]
    assert len(rows) == 9 and last.chosen and last.score > -100
    result = write_result(job, last)
    model, _ = load_model(load_config(result.config), result.checkpoint)
    assert shape_of(model, load_config(result.config)) == job.shape(last)
    assert set(widths(job.shape(last)).values()) == set(last.widths.values())
    again = search(start, folder, Measured(path), evaluations=9, reward="product", w=-0.5, resume=True)
    assert evolve_network(again, lambda row: None) == last and again.history.rows == rows
