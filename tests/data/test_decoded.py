"""Decoded images in files: equal to the decoded ones, checked, limited, and never in the way."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from albumentations import HorizontalFlip
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader

from densevision.classification.dataset import ImageFolder
from densevision.config.load import load_config
from densevision.data import decoded
from densevision.data.decoded import DecodedCache
from densevision.data.sampler import SampleKey
from densevision.detection.coco import CocoDataset
from densevision.errors import UserError
from densevision.images import read_image, write_image
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.training.changes import _ignored
from tests.classification.conftest import write_tree
from tests.detection.conftest import write_coco
from tests.segmentation.conftest import make_dataset, mask

PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
SIZE = 50  # of its file: a head of 32 bytes, 18 pixels


def refuse() -> np.ndarray:
    raise AssertionError("decoded again")


@pytest.fixture
def source(tmp_path):
    """Write an image; return its path."""
    write_image(tmp_path / "a.png", PIXELS)
    return tmp_path / "a.png"


@pytest.fixture
def cache(tmp_path):
    return DecodedCache(str(tmp_path / "cache"), 1)


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """Collect what is logged."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    monkeypatch.setattr(MMLogger.get_current_instance(), "handlers", [handler])
    return lines


def kept(cache):
    return sorted(cache.folder.glob("*.decoded"))


def fill(cache, source, count):
    """Read ``count`` copies of an image through the cache."""
    for number in range(count):
        path = source.with_name(f"copy{number}.png")
        if not path.exists():
            shutil.copy2(source, path)
        assert cache.read(path, "", lambda path=path: read_image(path)).tolist() == PIXELS.tolist()


def test_an_image_is_decoded_once_and_read_by_later_runs(cache, source):
    assert cache.read(source, "", lambda: read_image(source)).tolist() == PIXELS.tolist()
    (path,) = kept(cache)
    assert path.stat().st_size == SIZE and path.read_bytes()[32:] == bytes(range(18))
    assert (cache.folder / "bytes").read_text() == "50".rjust(20)
    for reader in (cache, DecodedCache(str(cache.folder), 1)):
        found = reader.read(source, "", refuse)
        assert found.tolist() == PIXELS.tolist() and found.dtype == np.uint8 and found.flags.writeable
    assert sorted(os.listdir(cache.folder)) == sorted(["bytes", path.name])


def test_label_ids_have_two_dimensions(cache, source):
    cache.read(source, "ids", lambda: PIXELS[..., 0])  # not contiguous
    assert cache.read(source, "ids", refuse).tolist() == [[0, 3, 6], [9, 12, 15]]


def test_another_recipe_path_size_or_time_is_another_image(cache, source):
    def read(path, recipe=""):
        return cache.read(path, recipe, lambda: read_image(path)).tolist()

    for recipe in ("apply", "ignore", "apply (2, 3) [1, 1]"):
        read(source, recipe)
    other = source.with_name("b.png")
    shutil.copy2(source, other)
    read(other, "apply")
    assert len(kept(cache)) == 4
    before = source.stat()
    write_image(source, 255 - PIXELS)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert read(source, "apply") == (255 - PIXELS).tolist() and len(kept(cache)) == 5
    with source.open("ab") as file:
        file.write(b"\0")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.read(source, "apply", lambda: PIXELS[:1]).tolist() == PIXELS[:1].tolist() and len(kept(cache)) == 6


def test_an_image_that_changes_while_it_is_decoded_is_not_kept(cache, source):
    def decode():
        pixels = read_image(source)
        os.utime(source, ns=(0, 0))
        return pixels

    assert cache.read(source, "", decode).tolist() == PIXELS.tolist()
    assert not cache.folder.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:40] + b"\xff" + content[41:],
        lambda content: content[:8] + content[12:16] + content[8:12] + content[16:],  # 3x2
        lambda content: bytes(len(content)),
    ],
)
def test_a_damaged_file_is_decoded_again_and_replaced(cache, source, damage, said):
    fill(cache, source, 1)
    (path,) = kept(cache)
    whole = path.read_bytes()
    for _ in range(2):
        path.write_bytes(damage(whole))
        fill(cache, source, 1)
        assert path.read_bytes() == whole
    (line,) = said
    assert f"{cache.folder}: {path.name} is damaged; it is written again" in line


def test_a_file_under_the_name_of_another_is_not_taken(cache, source):
    fill(cache, source, 1)
    write_image(source, 255 - PIXELS)
    cache.read(source, "", lambda: read_image(source))
    one, other = kept(cache)
    shutil.copy(one, other)
    assert cache.read(source, "", lambda: read_image(source)).tolist() == (255 - PIXELS).tolist()


def test_the_limit_holds_over_runs_and_deleted_files_make_room(tmp_path, source):
    def run(count):
        cache = DecodedCache(str(tmp_path / "cache"), 120 / 2**30)
        fill(cache, source, count)
        return cache

    first = run(3)
    assert len(kept(first)) == 2  # 100 of 120 bytes
    assert len(kept(run(4))) == 2
    for path in kept(first):
        path.unlink()
    assert len(kept(run(4))) == 2
    (first.folder / "bytes").write_text("?")
    fill(first, source, 5)
    assert len(kept(first)) == 2


def test_two_processes_share_the_limit(tmp_path, source):
    one, other = (DecodedCache(str(tmp_path / "cache"), 220 / 2**30) for _ in range(2))
    for number in range(1, 6):
        fill(one, source, number)
        fill(other, source, 2 * number)
    assert len(kept(one)) == 4 and (one.folder / "bytes").read_text().strip() == "200"


def test_what_an_ended_process_left_is_deleted_after_an_hour(cache, source):
    cache.folder.mkdir()
    old, new = cache.folder / "0.part", cache.folder / "1.part"
    for path in (old, new):
        path.write_bytes(bytes(10))
    os.utime(old, (0, 0))
    fill(cache, source, 1)
    assert not old.exists() and new.exists()
    assert (cache.folder / "bytes").read_text().strip() == "60"


def vanish(cache):
    shutil.rmtree(cache.folder)


def occupy(cache):
    """Put folders where the next files would go."""
    for number in (1, 2):
        path = cache.folder.with_name(f"copy{number}.png")
        shutil.copy2(cache.folder.with_name("a.png"), path)
        (cache.folder / cache._name(path, "")).mkdir()


def put_below_a_file(cache):
    cache.folder, cache._counted = cache.folder.with_name("a.png") / "cache", False


@pytest.mark.parametrize(
    ("fault", "words"),
    [(vanish, "No such file or directory"), (occupy, "Is a directory"), (put_below_a_file, "Not a directory")],
)
def test_a_folder_that_cannot_be_written_to_is_one_warning(cache, source, said, fault, words):
    fill(cache, source, 1)
    fault(cache)
    fill(cache, source, 4)
    (line,) = said
    assert line == f"cache of decoded images {cache.folder}: {words}; what is not there yet is decoded each time"
    assert not list(cache.folder.glob("*.part"))


def test_a_file_system_that_is_almost_full_gets_no_more(cache, source, said, monkeypatch):
    fill(cache, source, 1)
    monkeypatch.setattr(decoded, "_KEPT_FREE", 2**60)
    fill(cache, source, 3)
    assert len(kept(cache)) == 1
    assert len(said) == 1 and "less than 1.07374e+09 GB of the file system is free; what is not there yet" in said[0]


def test_errors_of_the_image_pass_and_nothing_is_kept(cache, source):
    source.write_bytes(source.read_bytes()[:-20])
    with pytest.raises(OSError, match="a.png"):
        cache.read(source, "", lambda: read_image(source))
    source.unlink()
    with pytest.raises(FileNotFoundError, match="a.png"):
        cache.read(source, "", lambda: read_image(source))
    assert not cache.folder.exists()


def write_detection(root):
    write_coco(root)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)
    for name in ("a", "b"):  # JPEGs that are decoded at a half, whatever their name says
        write_image(root / "new.jpg", pixels)
        (root / "new.jpg").replace(root / "images" / f"{name}.png")
    return root / "images" / "c.png"


def write_segmentation(root):
    data = make_dataset(root, [mask((7, 40), (23, 24)), mask((7, 8), (26, 56))] * 2)
    return Path(data.labels[3])


def write_classification(root):
    write_tree(root, dict(train=dict(red=2, green=2)))
    return root / "train" / "red" / "1.png"


def open_detection(root, cache):
    return CocoDataset(str(root), "truth.json", "images", (10, 20), min_decoded=2, cache=cache)


def open_segmentation(root, cache):
    return CityscapesDataset(str(root), "train", transforms=[dict(type=HorizontalFlip, p=0.5)], cache=cache)


def open_classification(root, cache):
    return ImageFolder(str(root), "train", (8, 8), transforms=[dict(type=HorizontalFlip, p=0.5)], cache=cache)


@pytest.mark.parametrize(
    ("write", "open_data", "files"),
    [
        (write_detection, open_detection, 2),
        (write_segmentation, open_segmentation, 7),
        (write_classification, open_classification, 3),
    ],
)
def test_samples_are_equal_with_and_without_in_any_number_of_processes(tmp_path, write, open_data, files):
    damaged = write(tmp_path / "data")
    with damaged.open("r+b") as file:
        file.truncate(damaged.stat().st_size - 20)
    settings = dict(folder=str(tmp_path / "cache"), gigabytes=1)
    plain = open_data(tmp_path / "data", None)
    keys = [SampleKey(index, seed) for seed in (3, 4) for index in range(len(plain))]
    expected = [plain[key] for key in keys]
    for workers in (2, 0):  # the first run fills the cache
        data = open_data(tmp_path / "data", settings)
        found = list(DataLoader(data, None, sampler=keys, num_workers=workers))
        assert data.damaged.tolist() == plain.damaged.tolist() and plain.damaged.sum() == 1
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one["inputs"], other["inputs"])
            assert one["data_samples"].metainfo == other["data_samples"].metainfo
            for name, value in one["data_samples"].gt.items():
                assert torch.equal(value, other["data_samples"].gt.get(name)), name
        assert len(list((tmp_path / "cache").glob("*.decoded"))) == files
    with pytest.raises(UserError, match=damaged.name):
        data[int(plain.damaged.nonzero())]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("dict(folder='/dev/shm/a', gigabyte=4)", "there is no argument 'gigabyte'; did you mean gigabytes"),
        ("dict(folder='/dev/shm/a')", ".gigabytes is missing: a cache needs folder and gigabytes"),
        ("dict(gigabytes=4)", ".folder is missing: a cache needs folder and gigabytes"),
        ("dict(folder='/dev/shm/a', gigabytes=0)", ".gigabytes is 0; give a number over 0"),
        ("dict(folder='/dev/shm/a', gigabytes=-1.5)", ".gigabytes is -1.5; give a number over 0"),
        ("dict(folder='/dev/shm/a', gigabytes='4')", ".gigabytes is '4'; it must be a number"),
        ("dict(folder='', gigabytes=4)", ".folder is ''; give a path"),
        ("dict(folder='/dev/null', gigabytes=4)", ".folder is '/dev/null', which is not a folder"),
        ("/dev/shm/a", "cache is '/dev/shm/a'; it must be a dict"),
    ],
)
def test_bad_values_are_refused_with_their_key(value, words):
    with pytest.raises(UserError, match="^config, train_dataloader.dataset.cache") as caught:
        load_config("lraspp_v3_small_camvid", [f"train_dataloader.dataset.cache={value}"])
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_resumed_training_may_change_it():
    assert all(
        _ignored(f"{split}_dataloader.dataset.cache{key}") for split in ("train", "val") for key in ("", ".folder")
    )
    assert not _ignored("train_dataloader.dataset.classes")
