"""Damaged images in training: skipped and counted, up to a limit; errors of the machine are not damage."""

import errno

import pytest
import torch
from torch.utils.data import DataLoader

from densevision.data.dataset import SeededDataset
from densevision.data.sampler import SampleKey
from densevision.errors import MachineFault, UserError
from densevision.images import DamagedError
from densevision.training.stop import protect_worker


class Numbers(SeededDataset):
    """Images that are numbers; some can't be read."""

    def __init__(self, size, damaged=(), error=DamagedError("a.jpg: damaged")):  # noqa: B008
        super().__init__(size)
        self.at_fault, self.error = set(damaged), error

    def load(self, index, seed):
        if index in self.at_fault:
            raise self.error
        return dict(inputs=torch.tensor(index))


def test_a_damaged_image_is_replaced_and_counted_once():
    data = Numbers(20, {3, 4})
    for seed in range(5):
        for index in range(20):
            assert data[SampleKey(index, seed)]["inputs"] not in (3, 4)
    assert data.damaged.nonzero().flatten().tolist() == [3, 4]


def test_the_replacement_depends_on_the_key_alone():
    taken = [data[SampleKey(3, 7)]["inputs"] for data in (Numbers(20, {3}), Numbers(20, {3, 5}))]
    assert taken[0] == taken[1]


def test_more_than_a_fifth_is_an_error():
    data = Numbers(20, set(range(4)))
    for index in range(20):
        data[SampleKey(index, 0)]
    assert data.damaged.sum() == 4
    with pytest.raises(UserError, match=r"5 of 20 training images can't be read, more than a fifth; the last one is a"):
        for index in range(20):
            Numbers.__getitem__(_with(data, 4), SampleKey(index, 0))


def _with(data, index):
    data.at_fault.add(index)
    return data


def test_three_damaged_images_are_never_an_error():
    data = Numbers(4, {0, 1, 2})
    assert [int(data[SampleKey(index, 1)]["inputs"]) for index in range(4)] == [3, 3, 3, 3]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_too_many_open_files_are_not_damage(number):
    with pytest.raises(MachineFault, match="ulimit -n") as caught:
        Numbers(4, {0}, OSError(number, "Too many open files", "a.jpg"))[SampleKey(0, 0)]
    assert caught.value.status == 1


class Unsent:
    """What can't be sent to another process, as a tensor without shared memory."""

    def __reduce__(self):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_7>: No space left on device (28)")


class UnsentItems(Numbers):
    def load(self, index, seed):
        return Unsent()


def test_a_batch_that_a_worker_cannot_send_is_an_error_and_no_endless_wait():
    loader = DataLoader(
        UnsentItems(4), num_workers=1, collate_fn=list, worker_init_fn=protect_worker, multiprocessing_context="fork"
    )
    with pytest.raises(MachineFault, match=r"^a loader worker can't send a batch: .*increase it .docker run --shm"):
        next(iter(loader))
