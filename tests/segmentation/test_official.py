"""Compare our IoU with that of cityscapesscripts on the same files."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image

from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.metric import IoUMetric
from tests.segmentation.conftest import FRAMES, write_frame

official = pytest.importorskip("densevision.segmentation.official")

CAMVID = (
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "vegetation",
    "traffic sign",
    "fence",
    "car",
    "person",
)


def evaluate(root, classes, out_dir, random):
    """Make random predictions that are mostly correct; return the data set and our metrics."""
    dataset = CityscapesDataset(str(root), "val", classes)
    metric = IoUMetric(out_dir=out_dir)
    metric.dataset_meta = dataset.metainfo
    num_classes = len(dataset.metainfo["classes"])
    for index in range(len(dataset)):
        sample = dataset[index]["data_samples"]
        labels = sample.gt.labels.numpy()
        guess = random.integers(0, num_classes, labels.shape)
        wrong = (random.random(labels.shape) < 0.3) | (labels == 255)
        sample.pred = PixelData(labels=torch.from_numpy(np.where(wrong, guess, labels).astype(np.uint8)))
        metric.process(None, [sample.to_dict()])
    return dataset, metric.evaluate(len(dataset))


@pytest.mark.reference
@pytest.mark.parametrize("classes, ids", [(None, range(34)), (CAMVID, (0, 23, 11, 17, 7, 8, 21, 20, 26, 24))])
def test_scores_equal_the_official_ones(tmp_path, capsys, classes, ids):
    random = np.random.default_rng(3)
    for frame in range(4):
        write_frame(tmp_path, f"bern_00000{frame}_000019", random.choice(ids, (40, 60)).astype(np.uint8))
    dataset, ours = evaluate(tmp_path, classes, tmp_path / "out", random)
    theirs = official.official_iou(tmp_path / "out", dataset.labels)
    assert capsys.readouterr().out == ""
    assert theirs["mIoU"] == pytest.approx(ours["seg/mIoU"], abs=1e-6)
    assert {name for name in theirs} == {name[4:] for name in ours} - {"aAcc"}
    for name, score in theirs.items():
        assert score == pytest.approx(ours[f"seg/{name}"], abs=1e-6), name


def test_error_of_the_script_is_one_line(cityscapes, tmp_path):
    labels = CityscapesDataset(str(cityscapes), "val").labels
    with pytest.raises(UserError, match="Found no prediction for ground truth") as caught:
        official.official_iou(tmp_path / "nowhere", labels)
    assert "\n" not in str(caught.value)


def test_predictions_of_another_size_raise_an_error(cityscapes, tmp_path):
    labels = CityscapesDataset(str(cityscapes), "val").labels
    out = tmp_path / "out"
    out.mkdir()
    for frame in FRAMES:
        Image.fromarray(np.full((4, 4), 7, np.uint8)).save(out / f"{frame}_pred.png")
    with pytest.raises(UserError, match="not equal"):
        official.official_iou(out, labels)
