from itertools import islice

import pytest

from densevision.data.sampler import LateKey, SampleKey, SeededSampler


def sample_keys(
    count: int, *, size: int = 5, seed: int = 3, start: int = 0, rank: int = 0, world_size: int = 1
) -> list[SampleKey]:
    sampler = SeededSampler(range(size), seed)
    sampler.start, sampler.rank, sampler.world_size = start, rank, world_size
    return list(islice(sampler, count))


def test_every_pass_is_a_new_permutation():
    indices = [key.image_index for key in sample_keys(15)]
    passes = [indices[:5], indices[5:10], indices[10:]]
    assert [sorted(indices) for indices in passes] == [[0, 1, 2, 3, 4]] * 3
    assert passes[0] != passes[1] != passes[2]


def test_every_sample_has_its_own_seed():
    assert len({key.seed for key in sample_keys(1000, size=4)}) == 1000


def test_seed_determines_order_and_augmentation():
    assert sample_keys(10) == sample_keys(10)
    assert [key.image_index for key in sample_keys(10)] != [key.image_index for key in sample_keys(10, seed=4)]
    assert {key.seed for key in sample_keys(10)}.isdisjoint(key.seed for key in sample_keys(10, seed=4))


@pytest.mark.parametrize("start", [1, 5, 7, 12])
def test_start_skips_exactly_that_many_samples(start):
    assert sample_keys(6, start=start) == sample_keys(start + 6)[start:]


def test_processes_share_the_samples_of_one_process():
    together = sample_keys(12)
    assert sample_keys(6, rank=0, world_size=2) == together[0::2]
    assert sample_keys(6, rank=1, world_size=2) == together[1::2]
    assert sample_keys(2, rank=2, world_size=3, start=3) == together[5:12:3][:2]


def test_length_is_the_number_of_samples_per_process():
    assert len(SeededSampler(range(5))) == 5
    sampler = SeededSampler(range(5))
    sampler.world_size = 2
    assert len(sampler) == 3


def test_empty_data_set_raises_an_error():
    with pytest.raises(ValueError, match="contains no image"):
        SeededSampler([])


def test_samples_are_late_from_a_number_on():
    sampler = SeededSampler(range(5), 3)
    sampler.late_from = 7
    keys = list(islice(sampler, 10))
    assert [isinstance(key, LateKey) for key in keys] == [False] * 7 + [True] * 3
    assert keys == sample_keys(10)
    sampler.start = 6
    assert [isinstance(key, LateKey) for key in islice(sampler, 3)] == [False, True, True]


def test_a_change_of_late_from_leaves_what_was_read_ahead():
    sampler = SeededSampler(range(5), 3)
    sampler.late_from = 9
    stream = iter(sampler)
    for _ in range(6):
        next(stream)
    sampler.move_late(8)
    assert sampler.late_from == 8
    sampler.move_late(2)  # six samples have been given already
    assert sampler.late_from == 6 and isinstance(next(stream), LateKey)
    sampler.move_late(100)  # it has begun
    assert sampler.late_from == 6 and isinstance(next(stream), LateKey)
