from itertools import islice

import pytest

from densevision.data.sampler import SampleKey, SeededSampler


def draws(
    count: int, *, size: int = 5, seed: int = 3, start: int = 0, rank: int = 0, world_size: int = 1
) -> list[SampleKey]:
    sampler = SeededSampler(range(size), seed)
    sampler.start, sampler.rank, sampler.world_size = start, rank, world_size
    return list(islice(sampler, count))


def test_every_pass_is_another_permutation():
    indices = [draw.index for draw in draws(15)]
    passes = [indices[:5], indices[5:10], indices[10:]]
    assert [sorted(one) for one in passes] == [[0, 1, 2, 3, 4]] * 3
    assert passes[0] != passes[1] != passes[2]


def test_the_same_image_gets_another_seed_in_every_pass():
    assert len({draw.seed for draw in draws(1000, size=4)}) == 1000


def test_the_seed_decides_order_and_augmentation():
    assert draws(10) == draws(10)
    assert [d.index for d in draws(10)] != [d.index for d in draws(10, seed=4)]
    assert {d.seed for d in draws(10)}.isdisjoint(d.seed for d in draws(10, seed=4))


@pytest.mark.parametrize("start", [1, 5, 7, 12])
def test_a_start_skips_exactly_that_many_draws(start):
    assert draws(6, start=start) == draws(start + 6)[start:]


def test_processes_share_out_the_draws_of_one():
    together = draws(12)
    assert draws(6, rank=0, world_size=2) == together[0::2]
    assert draws(6, rank=1, world_size=2) == together[1::2]
    assert draws(2, rank=2, world_size=3, start=3) == together[5:12:3][:2]


def test_length_is_the_share_of_one_pass():
    assert len(SeededSampler(range(5))) == 5
    sampler = SeededSampler(range(5))
    sampler.world_size = 2
    assert len(sampler) == 3


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="holds no image"):
        SeededSampler([])
