"""``new``, ``check`` and ``browse`` on a folder of images per class."""

import shutil

import pytest

from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.data.formats.recognize import recognize
from densevision.errors import UserError
from densevision.proposal.split import split_classes
from densevision.registry import DATASETS
from tests.classification.conftest import write_tree


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_class_is_divided_by_itself():
    # Ten numbered images per class: blocks of consecutive numbers, about 17 % of each class in val.
    names = [f"{name}/{number}.jpg" for name in ("cat", "dog") for number in range(10)] + ["one/1.jpg"]
    hashes = [f"{number * 37 % 101:03}" for number in range(21)]
    split = split_classes(names, hashes, [0] * 10 + [1] * 10 + [2])
    assert sorted(split.train + split.val) == list(range(21)) and 20 in split.train
    assert [sum(10 * label <= row < 10 * label + 10 for row in split.val) for label in (0, 1)] == [2, 2]
    with pytest.raises(UserError, match="two different images"):
        split_classes(["a/1.jpg", "b/1.jpg"], ["0", "1"], [0, 1])


def test_layouts_of_class_folders(here):
    write_tree(here / "split", dict(training=dict(red=2, blue=2), valid=dict(red=1), test=dict(blue=1)))
    layout = recognize(here / "split")
    assert (layout.task, layout.name) == ("classification", "a folder per class")
    assert layout.parts == {
        "train": dict(image_dir="training"),
        "val": dict(image_dir="valid"),
        "test": dict(image_dir="test"),
    }
    write_tree(here, dict(plain=dict(red=2, blue=2)))
    assert recognize(here / "plain").parts == {"all": dict(image_dir=".")}
    with pytest.raises(UserError, match="images of one class, 'red'"):
        recognize(write_tree(here, dict(single=dict(red=2))) / "single")
    with pytest.raises(UserError, match=r"class folders of val only"):
        recognize(write_tree(here / "x", dict(val=dict(red=2, blue=1))))
    with pytest.raises(UserError, match="valid"):
        recognize(write_tree(here / "y", {name: dict(red=1, blue=1) for name in ("train", "val", "valid")}))
    with pytest.raises(UserError, match="no labeled images"):  # images and masks without a match are no classes
        recognize(write_tree(here / "z", dict(train=dict(images=1, photos=1))))


def test_new_divides_an_undivided_folder(here, capsys):
    write_tree(here, dict(pets=dict(red=12, blue=6)))
    assert main(["new", "pets", "--weights", "none"]) == 0
    printed = capsys.readouterr().out
    assert "15 train, 3 val: of each class by content hash" in printed and "96x96" in printed
    assert printed.endswith("next: densevision train pets.py\n")
    config = load_config(here / "pets.py")
    train, val = (DATASETS.build(config[f"{part}_dataloader"].dataset) for part in ("train", "val"))
    assert (len(train), len(val)) == (15, 3) and not set(train.image_paths()) & set(val.image_paths())
    assert train.metainfo["classes"] == ("blue", "red") and set(val.labels) == {0, 1}
    text = (here / "pets.py").read_text()
    assert len(text.splitlines()) <= 56 and "ImageClassifier" in text


def test_new_keeps_the_folders_parts(here, capsys):
    write_tree(here / "pets", dict(train=dict(red=4, blue=4), val=dict(red=2), test=dict(blue=1)))
    assert main(["new", "pets", "--weights", "none", "--target", "accurate"]) == 0
    printed = capsys.readouterr().out
    assert "8 train, 2 val: as the folder divides them" in printed and "without labels: blue" in printed
    config = load_config(here / "pets.py")
    assert config.model.backbone == dict(name="mobilenet_v3_large") and config.model.input_size == (96, 96)
    assert len(DATASETS.build(config.test_dataloader.dataset)) == 1 and not list(here.glob("*.txt"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "train" / "empty").mkdir(), "train: * has no image of empty"),
        (lambda root: shutil.rmtree(root / "train" / "blue"), "has one class, red"),
        (lambda root: (root / "train" / "blue").rename(root / "train" / "azure"), "no class 'blue' (1 images)"),
    ],
    ids=["empty class folder", "one class", "class only in val"],
)
def test_new_and_check_name_a_fault_in_one_line(here, change, message, capsys):
    change(write_tree(here / "pets", dict(train=dict(red=2, blue=2), val=dict(red=1, blue=1))))
    assert main(["new", "pets", "--weights", "none"]) == 2
    error = capsys.readouterr().err
    assert all(part in error for part in message.split("*")) and error.count("\n") == 1
    assert main(["check", "pets"]) == 1
    assert "Training would stop." in capsys.readouterr().out


def test_check_counts_and_finds_faults(here, capsys):
    root = write_tree(here / "pets", dict(train=dict(red=4, blue=4, green=2), val=dict(red=2, blue=2)))
    shutil.copy(root / "train" / "red" / "0.png", root / "train" / "blue" / "again.png")
    shutil.copy(root / "train" / "red" / "1.png", root / "val" / "red" / "seen.png")
    (root / "train" / "red" / "3.png").write_bytes(b"no image")
    assert main(["check", "pets"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "format: a folder per class" in words and "train: 11 images, 11 labels: blue 5, red 4, green 2" in words
    assert "1 images are in the folders of two classes, such as blue and red" in words
    assert "have the same pixels as images in train" in words and "3.png" in words
    assert "val: no labels of 1 classes: green" in words


def test_browse_shows_a_row_per_class(here, capsys):
    write_tree(here / "pets", dict(train=dict(red=3, blue=3), val=dict(red=1, blue=1)))
    assert main(["browse", "pets", "--count", "2", "--augmented", "--out", "page.html"]) == 0
    page = (here / "page.html").read_text()
    assert "blue" in page and "red" in page and page.count("<img") == 2 * 4
    assert main(["browse", "pets", "--class", "red", "--out", "grid.png", "--split", "val"]) == 0
    assert "1 of 2 images of val" in capsys.readouterr().out
    assert main(["browse", "pets", "--class", "reed", "--out", "grid.png"]) == 2
    assert "--class reed: no such class" in capsys.readouterr().err


def test_convert_data_has_nothing_to_convert(here, capsys):
    write_tree(here, dict(pets=dict(red=2, blue=2)))
    assert main(["convert-data", "pets", "--out", "out"]) == 2
    assert "pets is a folder per class, which is read as it is: densevision new pets" in capsys.readouterr().err
    assert not (here / "out").exists()
