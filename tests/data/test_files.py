import os
import unicodedata
from pathlib import Path

import pytest

from densevision.data.files import find_files
from densevision.errors import UserError

FILES = ["a.jpg", "b b.JPG", "sub/c.png", "sub/d.png", "deep/er/d.png"]
SOURCE = Path("truth.json")


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def test_existing_names_are_kept(folder):
    assert find_files(folder, FILES, SOURCE) == (FILES, [])
    assert find_files(folder, [str(folder / "a.jpg"), "./a.jpg"], SOURCE) == ([str(folder / "a.jpg"), "./a.jpg"], [])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sub\\c.png", "sub/c.png"),
        ("C:\\Users\\me\\images\\a.jpg", "a.jpg"),
        ("/srv/label-studio/upload/3/a.jpg", "a.jpg"),
        ("/home/me/data/sub/c.png", "sub/c.png"),
        ("../images/a.jpg", "a.jpg"),
        ("images/sub/d.png", "sub/d.png"),  # a longer end of the path matches than for deep/er/d.png
        ("er/d.png", "deep/er/d.png"),
        ("c.png", "sub/c.png"),
        ("b%20b.JPG", "b b.JPG"),
        ("b b.jpg", "b b.JPG"),
        ("a.JPG", "a.jpg"),
        ("A.jpg", "a.jpg"),
        ("Sub/C.PNG", "sub/c.png"),
        (" a.jpg ", "a.jpg"),
        ("https://host/bucket/a.jpg?token=1", "a.jpg"),
        ("s3://bucket/path/b%20b.JPG", "b b.JPG"),
        ("/data/local-files/?d=images/a.jpg", "a.jpg"),
        ("/data/local-files/?d=images%5Csub%5Cc.png", "sub/c.png"),
        ("file:///srv/sub/c.png", "sub/c.png"),
    ],
)
def test_other_spellings_are_found_and_noted(folder, name, found):
    names, notes = find_files(folder, [name], SOURCE)
    assert names == [found]
    assert notes == [
        f"1 file_name entries are spelled differently from their files, the first is {name!r} for {found!r}"
    ]


def test_accents_of_another_unicode_form_are_found(folder):
    written = unicodedata.normalize("NFD", "übung.jpg")
    (folder / written).touch()
    assert find_files(folder, ["übung.jpg"], SOURCE)[0] == [written]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["gone.jpg", "a.jpg"], "1 of 2 images of truth.json are not in .*, the first is gone.jpg; check image_dir"),
        (["folder.jpg"], "1 of 1 images .* first is folder.jpg"),
        (["d.png"], r"file_name 'd.png' does not exist, and deep/er/d.png and sub/d.png both match"),
        (["x/a.jpg", "y/a.jpg"], "file_name 'x/a.jpg' and 'y/a.jpg' both match the file a.jpg"),
        (["a.jpg", "y/a.jpg"], "file_name 'a.jpg' and 'y/a.jpg' both match the file a.jpg"),
        (["a\0.jpg"], "1 of 1 images"),
        (["/"], "1 of 1 images"),
        (["http://[broken/a"], "1 of 1 images"),
    ],
)
def test_missing_or_ambiguous_names_raise_an_error(folder, names, words):
    with pytest.raises(UserError, match=words) as caught:
        find_files(folder, names, SOURCE)
    assert "\n" not in str(caught.value)


def test_two_files_that_differ_in_case_are_ambiguous(folder):
    (folder / "A.JPG").touch()
    if len(os.listdir(folder)) < 6:
        pytest.skip("this file system is case-insensitive")
    assert find_files(folder, ["a.jpg", "A.JPG"], SOURCE)[1] == []
    with pytest.raises(UserError, match="A.JPG and a.jpg both match"):
        find_files(folder, ["a.JPG"], SOURCE)


def test_missing_folder_is_reported(folder):
    with pytest.raises(UserError, match="1 of 1 images of truth.json are not in .*nowhere, which does not exist"):
        find_files(folder / "nowhere", ["a.jpg"], SOURCE)
