import pytest

from densevision.segmentation.labels import CITYSCAPES_LABELS, TRAIN_CLASSES


def test_table_has_35_rows_and_19_training_classes_in_order():
    assert len(CITYSCAPES_LABELS) == 35
    assert len(TRAIN_CLASSES) == 19
    assert [label.train_id for label in CITYSCAPES_LABELS if label.name in TRAIN_CLASSES] == list(range(19))


@pytest.mark.reference
def test_table_equals_cityscapesscripts():
    reference = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    theirs = [(label.name, label.id, label.trainId, label.color) for label in reference]
    assert [tuple(label) for label in CITYSCAPES_LABELS] == theirs
