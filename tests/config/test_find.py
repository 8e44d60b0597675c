"""Configs are found by path or by name, from any folder, and a config in any folder reads the package's bases."""

import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mmengine.config import config as mmengine_config

from densevision.cli.main import main
from densevision.config.find import configs_folder, find_config, shipped_configs
from densevision.config.load import load_config
from densevision.config.renamed import RENAMED
from densevision.errors import UserError

ROOT = Path(__file__).parents[2]
NAME = "lraspp_v3_small_camvid"


def test_a_name_or_a_path_finds_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(NAME) == find_config(Path(NAME)) == ROOT / f"configs/segmentation/{NAME}.py"
    Path("mine.py").write_text("")
    assert find_config("mine.py") == Path("mine.py")
    shutil.copy(ROOT / f"configs/segmentation/{NAME}.py", f"{NAME}.py")
    assert find_config(f"{NAME}.py") == Path(f"{NAME}.py")  # a path wins
    assert load_config(NAME).filename == str(ROOT / f"configs/segmentation/{NAME}.py")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lraspp_v3_small_camvit", "no config lraspp_v3_small_camvit; did you mean lraspp_v3_small_camvid"),
        (f"{NAME}.py", f"no config file {NAME}.py; the one that ships with densevision is found by its name alone"),
        (f"configs/segmentation/{NAME}.py", f"ships with densevision is found by its name alone, {NAME}"),
        ("qqqq", "no config qqqq; `densevision configs` lists the shipped ones"),
        ("folder/qqqq.py", "no config file folder/qqqq.py; `densevision configs` lists the shipped ones"),
        ("mein.py", "no config file mein.py; did you mean mine.py? `densevision configs` lists the shipped ones"),
        ("notes.txt", "notes.txt is no config: configs are Python files"),
        ("ssdlite_mobilenet_v3_large_320_400k_coco", "it was renamed to ssdlite_v3_large_coco"),
        ("configs/detection/ssdlite_mobilenet_v1_320_400k_coco.py", "it was renamed to ssdlite_v1_coco"),
    ],
)
def test_what_is_not_found_gets_one_line(tmp_path, monkeypatch, capsys, given, message):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("")
    Path("notes.txt").write_text("")
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        find_config(given)
    assert "\n" not in str(raised.value)
    assert main(["train", given]) == 2
    assert message in capsys.readouterr().err


def test_every_old_name_has_a_config_of_today():
    assert set(RENAMED.values()) <= set(shipped_configs())  # the others never had another name
    assert not set(RENAMED) & set(shipped_configs())


def test_an_old_name_of_the_users_own_file_is_a_path(tmp_path):
    own = tmp_path / "ssdlite_mobilenet_v3_large_320_400k_coco.py"
    own.write_text("train_cfg = dict(max_iters=3)")
    assert find_config(own) == own


OWN = """
from mmengine.config import read_base
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
with read_base():
    from densevision.configs._base_.runtime import *
    from densevision.configs._base_.camvid import *
model = dict(
    type=Segmentor,
    backbone=dict(name="mobilenet_v3_small"),
    head=dict(type=LRASPPHead, filters=64),
    num_classes=None,
)
train_cfg.update(max_iters=7)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    path = tmp_path / "some.folder" / "mine.py"
    path.parent.mkdir()
    path.write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return path


def test_a_config_in_any_folder_reads_the_packages_bases(own):
    config = load_config(own)
    assert (config.train_cfg.max_iters, config.train_dataloader.dataset.data_root) == (7, "camvid")
    assert config.default_hooks.checkpoint.save_best == "seg/mIoU"


def test_a_copied_config_is_the_same_config(tmp_path):
    for name in (NAME, "ssdlite_v3_large_reduced_coco"):
        copied = shutil.copy(shipped_configs()[name], tmp_path / "copied.py")
        assert load_config(copied).to_dict() == load_config(name).to_dict()


def test_a_shipped_config_is_a_base_too(tmp_path):
    own = tmp_path / "mine.py"
    own.write_text(
        "from mmengine.config import read_base\nwith read_base():\n"
        f"    from densevision.configs.segmentation.{NAME} import *\ntrain_cfg.update(max_iters=9)\n"
    )
    config = load_config(own)
    assert config.train_cfg.max_iters == 9 and config.model.head.filters == 128


def test_an_unknown_base_is_named(tmp_path):
    own = tmp_path / "mine.py"
    own.write_text(OWN.replace("_base_.camvid", "_base_.camvit"))
    with pytest.raises(UserError, match=r"mine.py: .*_base_/camvit.py not found") as raised:
        load_config(own)
    assert "\n" not in str(raised.value)


def test_reading_leaves_mmengine_as_it_was(own):
    before = mmengine_config.get_installed_path
    threads = [threading.Thread(target=load_config, args=(own,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mmengine_config.get_installed_path is before


def test_the_list_shows_names_and_what_they_are(capsys):
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.strip() for line in lines} >= {*shipped_configs(), "detection", "segmentation"}
    assert max(map(len, lines)) <= 80  # columns of a terminal
    assert lines[lines.index(f"  {NAME}") + 1] == (
        "      LR-ASPP 128 on V3-Small RF2, output stride 16: CamVid, 11 classes."
    )


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("BCCD", {"ssdlite_v3_large_reduced_bccd", "ssdlite_v3_small_bccd_finetuned", "ssdlite_v3_small_reduced_bccd"}),
        ("camvid", {NAME}),
        ("release", {"ssdlite_v3_large_reduced_coco_tensorflow_release"}),
    ],
)
def test_a_word_chooses_from_the_list(capsys, word, names):
    assert main(["configs", word]) == 0
    shown = {line.strip() for line in capsys.readouterr().out.splitlines()} & set(shipped_configs())
    assert names <= shown < set(shipped_configs())


def test_a_word_without_a_config_is_refused(capsys):
    assert main(["configs", "camvit"]) == 2
    assert "no config has 'camvit' in its name or description" in capsys.readouterr().err


def test_listing_needs_neither_torch_nor_mmengine():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['mmengine'] = None\n"
        "from densevision.cli.main import main; sys.exit(main(['configs', 'voc']))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0 and "lraspp_v3_large_os16_voc_torchvision" in ran.stdout, ran.stderr


def test_the_folder_is_the_checkouts():
    assert configs_folder() == ROOT / "configs"


def test_the_documented_config_of_ones_own_loads(tmp_path):
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/commands.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.py").write_text(block)
    config = load_config(tmp_path / "mine.py")
    assert (config.test_dataloader.dataset.ann_file, config.train_cfg.max_iters) == ("val.json", 3000)


def test_a_further_task_is_a_folder_of_configs(tmp_path, monkeypatch):
    for name in ("detection/a.py", "classification/b.py", "_base_/c.py", "classification/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr("densevision.config.find.configs_folder", lambda: tmp_path)
    assert list(shipped_configs()) == ["b", "a"]
