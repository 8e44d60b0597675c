"""A data set written as a Cityscapes tree has the same images and labels."""

import pytest

from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.convert import write_cityscapes
from densevision.segmentation.masks import MaskDataset
from tests.data.formats.mask_trees import write_image, write_mask, write_pairs
from tests.segmentation.conftest import check

COLORS = dict(background=(0, 0, 0), car=(200, 0, 0), void=(0, 0, 200))


def masks(root, **options):
    return MaskDataset(str(root), "images", "masks", ["background", "car"], COLORS, **options)


@pytest.mark.parametrize("other", ["x.JPG", "x.png"])
def test_images_and_labels_stay_the_same(tmp_path, other):
    root = write_pairs(tmp_path / "data", "images", "masks", *COLORS.values())
    write_image(root / f"images/deep/er/{other}")
    write_mask(root / "masks/deep/er/x.png", *COLORS.values())
    before = masks(root)
    options = write_cityscapes({"train": before, "val": masks(root)}, tmp_path / "out")
    assert options["classes"] == dict(background=0, car=1)
    after = CityscapesDataset(**options, split="train")
    check(after)
    assert (tmp_path / "out/gtFine/val/deep_er/x_gtFine_labelIds.png").is_file() and len(after) == len(before) == 5
    order = {path.rpartition("/")[2].split("_leftImg8bit")[0]: index for index, path in enumerate(after.images)}
    for index, path in enumerate(before.images):
        other = order[path.rpartition("/")[2].rpartition(".")[0]]
        assert (before.read_labels(index) == after.read_labels(other)).all()
        assert (before.read(index) == after.read(other)).all()


def test_a_folder_with_content_and_other_classes_are_refused(tmp_path):
    root = write_pairs(tmp_path / "data", "images", "masks", *COLORS.values())
    with pytest.raises(UserError, match="not an empty folder"):
        write_cityscapes({"train": masks(root)}, root)
    other = MaskDataset(str(root), "images", "masks", ["car", "background"], COLORS)
    with pytest.raises(UserError, match="the classes of val are"):
        write_cityscapes({"train": masks(root), "val": other}, tmp_path / "out")


def test_a_damaged_file_is_named(tmp_path):
    root = write_pairs(tmp_path / "data", "images", "masks", *COLORS.values())
    data = masks(root)
    (root / "masks/street_2.png").write_bytes(b"")
    with pytest.raises(UserError, match="street_2.jpg: .*masks/street_2.png: the file is empty"):
        write_cityscapes({"train": data}, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
