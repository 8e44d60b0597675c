"""``densevision new`` on 12 images in five formats; ``tests/test_five_formats.py`` trains on them."""

import re

import pytest
from PIL import Image

from densevision.cli.main import main
from densevision.cli.new import check_name, name_of
from densevision.config.find import configs_folder
from densevision.config.load import load_config
from densevision.config.stored import from_plain, to_plain
from densevision.errors import UserError
from densevision.registry import DATASETS
from tests.five_formats import COUNT, FORMATS


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DENSEVISION_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize("kind", FORMATS)
def test_a_folder_becomes_a_config_that_loads_from_any_folder(here, kind, capsys, monkeypatch):
    data = here / "my data é" / kind
    FORMATS[kind](data)
    assert main(["new", f"my data é/{kind}", "--weights", "none"]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith(f"next: densevision train {kind}.py\n") and f"{COUNT} images" in printed
    assert sorted(path.name for path in here.glob("*.*")) == [f"{kind}.py", f"{kind}_train.txt", f"{kind}_val.txt"]
    config_file = here / f"{kind}.py"
    assert len(config_file.read_text().splitlines()) <= 60
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    config = load_config(config_file)
    stored = from_plain(to_plain(config), str(config_file))
    for each in (config, stored):
        parts = [DATASETS.build(each[f"{part}_dataloader"].dataset) for part in ("train", "val", "test")]
        assert [len(part) for part in parts] == [10, 2, 2]
    assert not set(parts[0].image_paths()) & set(parts[1].image_paths())
    assert len(parts[0].metainfo["classes"]) == (3 if kind == "palette_masks" else 2)
    assert config.train_dataloader.batch_size <= 10 and config.param_scheduler[0].end < config.train_cfg.max_iters / 5
    # nothing was written to the data
    assert not [path for path in data.rglob("*") if path.suffix in (".py", ".pth") or "train" in path.name]


def test_a_config_is_never_overwritten(here, capsys):
    FORMATS["coco"](here / "cells")
    (here / "cells.py").write_text("mine")
    assert main(["new", "cells", "--weights", "none"]) == 2
    assert "cells.py exists already and is not overwritten; give another name with --name" in capsys.readouterr().err
    assert main(["new", "cells", "--weights", "none", "--name", "cells_2"]) == 0
    assert (here / "cells.py").read_text() == "mine" and (here / "cells_2.py").exists()


def test_an_edited_list_changes_the_split(here):
    FORMATS["voc"](here / "data")
    assert main(["new", "data", "--weights", "none"]) == 0
    train, val = here / "data_train.txt", here / "data_val.txt"
    moved, *rest = train.read_text().splitlines()
    train.write_text("\n".join(rest))
    val.write_text(val.read_text() + moved)
    config = load_config(here / "data.py")
    assert [len(DATASETS.build(config[f"{part}_dataloader"].dataset)) for part in ("train", "val")] == [9, 3]


@pytest.mark.parametrize("kind", ["voc", "binary_masks"])
def test_labels_of_the_stored_pixels_turn_exif_off(here, kind, capsys):
    FORMATS[kind](here / "data")
    for path in (path for folder in ("JPEGImages", "images") for path in (here / "data" / folder).glob("*")):
        image = Image.open(path)
        exif = image.getexif()
        exif[0x112] = 6  # rotate by 90 degrees
        image.save(path, exif=exif)
    assert main(["new", "data", "--weights", "none"]) == 0
    assert "the labels fit the images as stored" in capsys.readouterr().out
    assert load_config(here / "data.py").train_dataloader.dataset.exif == "ignore"


@pytest.mark.parametrize(
    "folder, name",
    [
        ("My cells (2)", "my_cells_2"),
        ("données", "donnees"),
        ("细胞", "my_data"),
        ("2024", "data_2024"),
        ("class", "data_class"),
        ("a.b-c", "a_b_c"),
    ],
)
def test_the_name_follows_the_folder(tmp_path, folder, name):
    (tmp_path / folder).mkdir()
    assert name_of(tmp_path / folder) == name
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "../up", "x.py", "class", "1st"])
def test_a_name_that_no_module_can_have_is_refused(name):
    with pytest.raises(UserError, match="--name .*: give letters, digits and underscores only, such as "):
        check_name(name)


def test_data_that_can_not_be_used_stop_in_one_line(here, capsys):
    (here / "empty").mkdir()
    for data in ("empty", "missing"):
        assert main(["new", data]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and data in error
    assert not list(here.glob("*.py"))


def test_the_bases_have_the_shipped_recipes():
    """The bases of small data differ from those of BCCD and CamVid in flips and data only."""
    base, bccd = ((configs_folder() / "_base_" / f"{name}.py").read_text() for name in ("small_detection", "bccd"))
    steps = re.findall(r"dict\(type=(?:Box\w+|Expand|SSDCrop|ColorJitter).*\)", base)
    assert len(steps) == 5 and all(line in bccd for line in steps)
