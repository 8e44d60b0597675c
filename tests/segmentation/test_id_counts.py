"""The counts and notes of a segmentation data set."""

import numpy as np

from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.id_counts import IdCounts
from densevision.segmentation.label_source import LabelImages
from tests.segmentation.conftest import ROAD, check, fault_of, lines, make_dataset, mask, write_frame


def test_pixels_are_counted_per_class_and_per_id_without_a_class(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 48), (1, 8), (9, 4), (255, 4))] * 2, ROAD)
    assert data.count("train").per_class == {"background": 96, "road": 16}
    assert lines(data).splitlines() == [
        "train: 2 images, 112 pixels: background 86 %, road 14 %",
        "  ids without a class: 9: 6 % of the pixels, 255: 6 % of the pixels (ignored)",
    ]


def test_void_ids_of_the_table_are_expected_and_absent_classes_are_listed(tmp_path):
    data = make_dataset(tmp_path, [mask((7, 16), (26, 16), (0, 16), (4, 16))])
    message = lines(data)
    check(data)
    assert "ignored: 50 % of the pixels, void ids of the Cityscapes table" in message
    assert "without pixels: sidewalk, building" in message and "without a class" not in message


def test_many_ids_without_a_class_are_summed(tmp_path):
    ids = [(0, 25), (1, 25), *((id_, 2) for id_ in range(10, 17))]
    assert "10: 3 % of the pixels" in lines(make_dataset(tmp_path, [mask(*ids)], ROAD))
    assert "2 more ids: 6 %" in lines(make_dataset(tmp_path, [mask(*ids)], ROAD))


def test_sampled_files_are_noted(tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.segmentation.dataset.SAMPLED", 2)
    data = make_dataset(tmp_path, [mask((7, 32), (8, 32))] * 6)
    counts = data.count()
    assert counts.images == 6 and sum(counts.per_class.values()) == 2 * 64
    assert "pixels are those of 2 of the 6 label files" in counts.notes


def test_class_that_the_sample_lacks_is_searched_for_in_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.segmentation.dataset.SAMPLED", 2)
    masks = [mask((0, 64))] * 5 + [mask((1, 64))]
    data = make_dataset(tmp_path, masks, ROAD)
    assert check(data).per_class["road"] == 64


def test_label_file_is_read_once(tmp_path):
    _, path = write_frame(tmp_path, "bern_000000_000019", mask((3, 64)))
    counts = IdCounts(LabelImages(np.array([str(path)])))
    assert counts.read([0])[0, 3] == 64
    path.unlink()
    assert counts.read([0])[0, 3] == 64


def test_test_split_without_labels_is_for_predictions_only(tmp_path):
    _, label = write_frame(tmp_path, "bern_000000_000019", split="test")
    label.unlink()
    label.parent.rmdir()
    label.parent.parent.rmdir()
    data = CityscapesDataset(str(tmp_path), "test")
    assert "no label files: predictions only" in lines(data, "test")
    check(data, "test")
    assert "training needs label files" in fault_of(data, "train")
