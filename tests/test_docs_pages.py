"""Pages whose content is checked against the code: data formats, start lines, layers, config keys, the site."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from mmengine.registry import Registry
from PIL import Image

from densevision import registry
from densevision.config.load import accepted_keys, load_config
from densevision.data.check import count_lines
from densevision.detection.coco import CocoDataset
from densevision.evaluation import build_dataset
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.masks import MaskDataset
from tests.test_layering import LIGHT, MAY_IMPORT, MODULES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def blocks(page, language):
    return code((DOCS / page).read_text(), language)


def code(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(title):
    """Return a section of the page on data formats."""
    return (DOCS / "data_formats.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def tree(text):
    """Return the file names of a page's folder listing; a line of less indentation ends a folder."""
    root, *lines = text.splitlines()
    return [Path(root.strip(), line.strip()) for line in lines]


def run_snippet(code, **names):
    exec(code, names)
    return names


class Loader(dict):
    """A loader of a config, as far as the page's lines change it."""

    @property
    def dataset(self):
        return self


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DENSEVISION_DATA", str(tmp_path))
    return tmp_path


def test_the_coco_example_loads(data_folder):
    listing, content = tree(blocks("data_formats.md", "text")[0]), blocks("data_formats.md", "json")[0]
    for name in listing:
        (data_folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.suffix == ".json":
            images = json.loads(content)
            if name.stem == "val":
                images["images"] = images["images"][:1]
            (data_folder / name).write_text(json.dumps(images))
        else:
            Image.new("RGB", (64, 48)).save(data_folder / name)
    loaders = dict(train_dataloader=Loader(), val_dataloader=Loader())
    run_snippet(blocks("data_formats.md", "python")[0], **loaders)
    train = CocoDataset(**loaders["train_dataloader"], input_size=(48, 64))
    assert train.metainfo["classes"] == ("car", "person") and len(train) == 2
    assert train[0]["data_samples"].gt.boxes.tolist() == [[4, 10, 34, 30], [40, 8, 50, 38]]  # xyxy
    assert count_lines("train", train.count("train"))[0] == "train: 2 images, 2 boxes: car 1, person 1"
    assert len(CocoDataset(**loaders["val_dataloader"], input_size=(48, 64))) == 1


def test_the_cityscapes_example_loads(data_folder, monkeypatch):
    page = section("Segmentation: Cityscapes folders")
    listing = tree(code(page, "text")[0])
    monkeypatch.chdir(data_folder)
    run_snippet(code(page, "python")[0])
    labels = (data_folder / "street_gtFine_labelIds.png").read_bytes()
    for name in listing:
        (data_folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48)).save(data_folder / name)
        if "gtFine" in name.parts:
            (data_folder / name).write_bytes(labels)
    loaders = dict(train_dataloader=Loader(), val_dataloader=Loader())
    run_snippet(code(page, "python")[1], **loaders)
    for loader in loaders.values():
        data = CityscapesDataset(**loader)
        assert data.metainfo["classes"] == ("sky", "road") and len(data) == 1
        assert np.bincount(data.read_labels(0).ravel()).tolist() == [24 * 64, 24 * 64]


def build(settings):
    return settings.pop("type")(**settings)


def test_the_examples_of_masks_load(data_folder):
    page = section("Segmentation: images and masks")
    for name in tree(code(page, "text")[0]):
        path = data_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.suffix == ".txt":
            path.write_text("street\ncorner.jpg\n")
        else:
            image = Image.new("L" if "masks" in name.parts else "RGB", (64, 48))
            image.paste(255 if image.mode == "L" else "red", (0, 24, 64, 48))
            image.save(path)
    names = dict(MaskDataset=MaskDataset)
    binary, colors = (run_snippet(text, **names)["data"] for text in code(page, "python"))
    assert np.bincount(build(binary).read_labels(1).ravel()).tolist() == [24 * 64] * 2
    (data_folder / "mycolors").mkdir()
    Image.new("RGB", (64, 48)).save(data_folder / "mycolors/street.jpg")
    mask = Image.new("RGB", (64, 48))
    mask.paste((128, 64, 128), (0, 24, 64, 48))
    mask.save(data_folder / "mycolors/street_mask.png")
    assert np.bincount(build(colors).read_labels(0).ravel())[[0, 255]].tolist() == [24 * 64] * 2


def test_the_example_of_polygons_loads(data_folder):
    page = section("Segmentation: polygons")
    folder = data_folder / "mypolygons"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(folder / "images/street.jpg")
    (folder / "street.json").write_text(code(page, "json")[0])
    data = build(run_snippet(code(page, "python")[0])["data"])
    assert data.metainfo["classes"] == ("background", "road", "car")
    # The car covers 20 x 10 pixels, of which 20 x 6 are road below it.
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [24 * 64 - 80, 24 * 64 - 120, 200]


@pytest.mark.parametrize(
    "config, block", [("ssdlite*small_reduced*_bccd", 1), ("lraspp*small*_camvid", 2)], ids=["bccd", "camvid"]
)
def test_the_start_lines_are_those_of_the_real_data(config, block):
    folder = Path(os.environ.get("DENSEVISION_DATA", ROOT / "no data"))
    if not (folder / config.rpartition("_")[2]).is_dir():
        pytest.skip("DENSEVISION_DATA holds no such data set")
    (path,) = ROOT.glob(f"configs/*/{config}.py")
    settings = load_config(path)
    printed = []
    for split in ("train", "val"):
        printed += count_lines(split, build_dataset(settings, f"{split}_dataloader").count(split))
    page = blocks("troubleshooting.md", "")[block - 1].splitlines()
    wanted = [line.removesuffix(", ...") for line in page]
    assert all(line.startswith(start) for line, start in zip(printed, wanted, strict=False)), printed


def layers():
    """Return the height of each box of the drawing, by the name in it."""
    names = re.findall(r'class="name[^"]*" x="\d+" y="(\d+)">(\w+)<', (DOCS / "layers.svg").read_text())
    return {name: int(height) for height, name in names}


def test_each_box_of_the_diagram_imports_only_from_boxes_below_it():
    heights = layers()
    parts = {module.split(".")[1] for module in MODULES if "." in module} - {"__main__"}
    assert parts <= set(heights), "docs/layers.svg lacks a package"
    for part, allowed in MAY_IMPORT.items():
        if part in LIGHT | {"task"}:  # task names parts by text
            continue
        part = part.partition(".")[0]
        for other in allowed - {part}:
            assert heights[part] < heights[other], f"{part} imports {other}"


@pytest.fixture(scope="module")
def config_keys():
    pytest.importorskip("griffe")
    sys.path.insert(0, str(ROOT / "tools/site"))
    try:
        import config_keys
    finally:
        sys.path.pop(0)
    return config_keys


def listed(section):
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_every_top_level_key_is_on_the_page(config_keys):
    page = config_keys.config_keys_page()
    top = page[page.index("## Top level") : page.index("## model")]
    assert listed(top) == accepted_keys("", {})


def test_every_key_of_the_shipped_configs_is_on_the_page(config_keys):
    page = listed(config_keys.config_keys_page())
    for path in ROOT.glob("configs/*/*.py"):
        if path.parent.name != "_base_":
            missing = set(keys(load_config(path).to_dict())) - page
            assert not missing, f"{path.name}: {missing}"


def test_every_registered_class_is_on_the_page(config_keys):
    listed_names = {name for _, _, names in config_keys.SECTIONS for name in names}
    page = config_keys.config_keys_page()
    for each in vars(registry).values():
        if isinstance(each, Registry):
            each.import_from_location()
            for found in each.module_dict.values():
                name = f"{found.__module__}.{found.__qualname__}"
                if name.startswith("densevision."):
                    assert name in listed_names or f"`{found.__name__}`" in page, f"{name} is not on the page"


def keys(value):
    """Yield the keys of a config, but those of albumentations, of samplers and of dicts whose row describes them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key not in ("env_cfg", "randomness", "clip_grad", "transforms", "classes", "sampler", "paper"):
                yield from keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from keys(item)


def test_the_navigation_lists_every_page():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    named = re.findall(r"[\w/]+\.md", json.dumps(settings["nav"]))
    pages = {path.name for path in DOCS.glob("*.md")} | {"config_keys.md"}
    assert sorted(named) == sorted(pages)
    assert settings["strict"] is True and settings["theme"]["font"] is False


@pytest.mark.slow  # 12 s
def test_the_site_builds_without_a_warning_and_loads_nothing_from_the_network(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    environment = dict(os.environ, NO_MKDOCS_2_WARNING="1")
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert ran.returncode == 0 and not ran.stderr.strip(), ran.stdout + ran.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    loaded = r'<(?:script|img)[^>]* src="(?:https?:)?//|<link[^>]* rel="?stylesheet"?[^>]* href="(?:https?:)?//'
    assert not [page.name for page in pages if re.search(loaded, page.read_text())]
