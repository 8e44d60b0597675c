"""Batches that a loader process sends in one piece."""

from __future__ import annotations

import pickle

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from densevision.data.batches import Batch, collate
from densevision.data.samples import DetSample


class _Boxes(Dataset):
    """Images [3, 4, 6] of the decoder's layout; image ``n`` has ``n`` boxes."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        sample = DetSample(metainfo=dict(img_id=index, img_path=f"{index}.jpg", ori_size=(4, 6), input_size=(4, 6)))
        boxes = torch.full((index, 4), index + 0.5)
        sample.gt = InstanceData(boxes=boxes, labels=torch.arange(index))
        pixels = (torch.arange(72, dtype=torch.uint8) + index).view(4, 6, 3)
        return dict(inputs=pixels.permute(2, 0, 1), data_samples=sample)


def _sent(batch: Batch) -> dict:
    return pickle.loads(pickle.dumps(batch))


def test_a_worker_sends_equal_tensors_of_the_same_strides():
    (here,) = DataLoader(_Boxes(), 4, collate_fn=collate)
    (sent,) = DataLoader(_Boxes(), 4, collate_fn=collate, num_workers=1)
    assert type(sent) is dict and list(sent) == ["inputs", "data_samples"]
    assert [image.stride() for image in sent["inputs"]] == [(1, 18, 3)] * 4
    assert sent["inputs"][2][:, 0, 1].tolist() == [5, 6, 7]
    for one, other in zip(sent["inputs"], here["inputs"], strict=True):
        assert torch.equal(one, other) and one.dtype == torch.uint8
    for index, (one, other) in enumerate(zip(sent["data_samples"], here["data_samples"], strict=True)):
        assert one.metainfo == other.metainfo
        assert torch.equal(one.gt.boxes, other.gt.boxes) and one.gt.boxes.shape == (index, 4)
        assert one.gt.labels.tolist() == list(range(index)) and one.gt.labels.dtype == torch.int64


def test_all_tensors_arrive_in_one_block():
    sent = _sent(collate([_Boxes()[index] for index in range(4)]))
    tensors = [*sent["inputs"], *(sample.gt.boxes for sample in sent["data_samples"])]
    assert len({value.untyped_storage().data_ptr() for value in tensors}) == 1


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(True),
        torch.empty(0, 4),
        torch.arange(6.0).view(2, 3).t(),
        torch.arange(12.0)[::2],
        torch.ones(1).expand(5),
        torch.tensor([1 + 2j]),
        torch.tensor([1.5], dtype=torch.bfloat16),
        torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last),
    ],
)
def test_any_tensor_arrives(value: Tensor):
    (sent,) = _sent(Batch(values=[value]))["values"]
    assert sent.dtype == value.dtype and sent.shape == value.shape and torch.equal(sent, value)


def test_a_sparse_tensor_and_plain_values_arrive():
    sent = _sent(Batch(values=[torch.eye(2).to_sparse(), 3, "a", None]))["values"]
    assert torch.equal(sent[0].to_dense(), torch.eye(2)) and sent[1:] == [3, "a", None]


def test_what_arrives_can_be_changed_on_its_own():
    first, second = _sent(Batch(values=[torch.zeros(3), torch.zeros(3)]))["values"]
    first += 1
    assert second.tolist() == [0, 0, 0]
