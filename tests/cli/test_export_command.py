"""``densevision export``, then ``test`` and ``demo`` on the file."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from densevision.cli.main import main
from densevision.images import read_image
from tests.export.conftest import converted_once  # noqa: F401
from tests.export.toy_data import write_detector, write_segmentor
from tests.training.toy_runs import ROOT


def export(tmp_path, files, *words) -> int:
    return main(["export", *map(str, files), "--out", str(tmp_path / "m.tflite"), *map(str, words)])


@pytest.mark.usefixtures("converted_once")
def test_a_detector_from_the_checkpoint_to_the_annotated_images(tmp_path, capsys):
    config, checkpoint = write_detector(tmp_path)
    assert export(tmp_path, (config, checkpoint), "--max-drop", 9) == 0
    out = capsys.readouterr().out
    assert f"wrote {tmp_path / 'm.tflite'}: " in out and "sha256" in out
    assert "1 TFLite_Detection_PostProcess" in out and "outside XNNPACK: 4 (" in out
    assert "against PyTorch on 6 images: largest error of boxes " in out
    assert "100.00% of 600 detections agree" in out
    assert f"model card: {tmp_path / 'MODEL.md'}" in out
    drop = re.search(r"coco/AP: (.*) in the file, (.*) by PyTorch: the file loses (.*)\n", out)
    across = re.search(r"coco/AP: (.*) by PyTorch with NMS across classes, which loses (.*) of that", out)

    def metrics(*words):
        assert main(["test", *map(str, words), "--work-dir", str(tmp_path / "w"), "--json", str(tmp_path / "j")]) == 0
        return json.loads((tmp_path / "j").read_text())

    whole, file = metrics(config, checkpoint), metrics(tmp_path / "m.tflite", "--config", config)
    # Boxes of several classes overlap with random weights, and the file's detection op keeps only one of them.
    assert whole["coco/AP"] == pytest.approx(0.881, abs=0.01)
    assert file["coco/AP"] == pytest.approx(0.805, abs=0.01)
    # What is printed is what ``densevision test`` measures.
    file_points, whole_points, lost = map(float, drop.groups())
    assert (file_points, whole_points) == (round(100 * file["coco/AP"], 2), round(100 * whole["coco/AP"], 2))
    assert f"| metric | coco/AP {file_points:.2f} of 100 (" in (tmp_path / "MODEL.md").read_text()
    assert lost == pytest.approx(whole_points - file_points, abs=0.011)
    assert float(across[1]) == pytest.approx(file_points, abs=0.3)  # the float file is that model
    assert float(across[2]) == pytest.approx(whole_points - float(across[1]), abs=0.011)
    assert json.loads((tmp_path / "w/predictions/detections.json").read_text())
    found = tmp_path / "found.json"
    assert main(["demo", str(tmp_path / "m.tflite"), "--input", str(tmp_path / "images"), "--json", str(found)]) == 0
    record = json.loads(found.read_text())
    assert record["classes"] == ["car", "person"] and all(frame["detections"] for frame in record["frames"])


@pytest.mark.usefixtures("converted_once")
def test_an_int8_segmentor_with_its_sensitivity(tmp_path, capsys):
    files = write_segmentor(tmp_path)
    words = ("--quantize", "int8", "--calibration", 6, "--max-drop", 25, "--sensitivity")
    assert export(tmp_path, files, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    figures = [
        float(re.search(rf"(\S+) {text}", "\n".join(lines))[1])
        for text in ("in the file", "by PyTorch at the file's resolution", "by PyTorch at full resolution")
    ]
    # The labels are the model's own at full resolution. The coarser output costs far more than int8 does, and is not
    # counted as a loss of the file: all the file's loss is the first difference.
    assert figures[2] == 100 and figures[1] < 90 and abs(figures[1] - figures[0]) < 25
    assert f"an output of this size from 64x96 loses {figures[2] - figures[1]:.2f}" in "\n".join(lines)
    start = next(number for number, line in enumerate(lines) if line.startswith("int8 alone"))
    parts = [line.split()[0] for line in lines[start + 1 :]]
    assert parts == [
        "float",
        "all",
        "stem",
        "block00",
        "block01",
        "block02",
        "block03",
        "last",
        "head",
        "predictors",
        "se",
    ]
    drops = {part: float(line.split()[2]) for part, line in zip(parts, lines[start + 1 :], strict=True)}
    assert drops["float"] == 0 and max(drops.values()) > 0
    assert (
        main(
            [
                "demo",
                str(tmp_path / "m.tflite"),
                "--input",
                str(tmp_path / "leftImg8bit/train/a"),
                "--out",
                str(tmp_path / "annotated"),
            ]
        )
        == 0
    )
    height, width, _ = read_image(tmp_path / "annotated/0_leftImg8bit.png").shape
    assert height == 64 and width > 96  # the legend stands next to the image
    # as int8 quantizes, it loses something; a stricter bound leaves no file
    (tmp_path / "m.tflite").unlink()
    assert export(tmp_path, files, "--quantize", "int8", "--max-drop", 0) == 2
    *stages, error = capsys.readouterr().err.splitlines()
    assert "not written, seg/mIoU falls from" in error
    assert error.endswith("--max-drop allows 0 points; add --search")
    assert stages[:3] == [
        "converting for 64x96",
        "quantizing to int8, calibrated on 6 images",
        "comparing with PyTorch on 6 images",
    ]
    assert all(line.startswith("evaluating 6 images") for line in stages[3:])
    assert not list(tmp_path.glob("*m.tflite*"))


def runtime_distributions():
    """Return the names of all that requirements-runtime.txt installs."""
    lines = (ROOT / "requirements-runtime.txt").read_text().splitlines()
    waiting, found = [Requirement(line) for line in lines if not line.startswith("#")], set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate(dict(extra=""))):
            found.add(name)
            waiting += map(Requirement, requires(name) or ())
    return found


@pytest.mark.usefixtures("converted_once")
def test_demo_predict_and_load_need_neither_torch_nor_mmengine(tmp_path):
    """With the imports forbidden; the slow test below installs nothing but the light extra."""
    config, checkpoint = write_detector(tmp_path)
    assert export(tmp_path, (config, checkpoint)) == 0
    code = f"""
import sys
for name in ("torch", "torchvision", "mmengine", "pycocotools", "albumentations", "litert_torch", "scipy"):
    sys.modules[name] = None
import densevision
from densevision.cli.main import main
model, images = {str(tmp_path / "m.tflite")!r}, {str(tmp_path / "images")!r}
assert main(["demo", model, "--input", images, "--out", {str(tmp_path / "annotated.mp4")!r}]) == 0
assert main(["predict", model, images, "--csv", {str(tmp_path / "found.csv")!r}]) == 0
result = densevision.load(model)(images + "/0.png")
assert len(result) == len(result.to_coco(0)) > 0 and result.draw().shape == result.image.shape
try:
    densevision.load({str(checkpoint)!r})
except ModuleNotFoundError as error:
    assert error.name in ("torch", "mmengine")
print("imported:", *{{name.partition(".")[0] for name, module in sys.modules.items() if module is not None}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.partition("imported:")[2].split()) - sys.stdlib_module_names
    installed = runtime_distributions()
    sources = {module: set(map(canonicalize_name, names)) for module, names in packages_distributions().items()}
    missing = [module for module in imported & sources.keys() if not sources[module] & installed]
    assert set(missing) <= {"densevision", "_distutils_hack"}  # the latter is imported at every start of Python
    assert (tmp_path / "annotated.mp4").stat().st_size > 1000
    assert (tmp_path / "found.csv").read_text().startswith("file,class,score,")


@pytest.mark.slow
@pytest.mark.usefixtures("converted_once")
def test_the_light_install_runs_a_file(tmp_path):
    """A virtual environment with requirements-runtime.txt only; needs a package index."""
    config, checkpoint = write_detector(tmp_path)
    assert export(tmp_path, (config, checkpoint)) == 0
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv/bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(ROOT / "requirements-runtime.txt")], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(ROOT)], check=True)
    absent = "import importlib.util as u; print([n for n in ('torch', 'mmengine') if u.find_spec(n)])"
    assert subprocess.run([python, "-c", absent], capture_output=True, text=True).stdout == "[]\n"
    words = ["demo", str(tmp_path / "m.tflite"), "--input", str(tmp_path / "images"), "--out", "annotated"]
    subprocess.run([str(tmp_path / "venv/bin/densevision"), *words], check=True, cwd=tmp_path)
    assert len(list((tmp_path / "annotated").iterdir())) == 6


@pytest.mark.slow
@pytest.mark.usefixtures("converted_once")
def test_a_detector_of_another_size(tmp_path, capsys):
    """Row 1 of the everyday inputs: the size asked for, in input, anchors and metadata; parity and demo with it."""
    from densevision.inference.metadata import read_model_info
    from densevision.inference.tflite_backend import open_interpreter

    files = write_detector(tmp_path)
    assert "input_size=(64, 96)" in files[0].read_text()
    text = files[0].read_text().replace(", input_size=(64, 96)\n", "\n")  # most configs leave it out
    files[0].write_text(f"{text}\npaper = dict(table=6, row=5)\n")
    assert export(tmp_path, files, "--size", 96, 50, "--max-drop", 100) == 0
    out = capsys.readouterr().out
    assert "of the image's side" in out and re.search(
        r"coco/AP: [\d.]+ by PyTorch at the config's own 64x96: an input of 96x50 (loses|gains) [\d.]+\n", out
    )
    path = tmp_path / "m.tflite"
    assert read_model_info(path).size == (96, 50)
    assert read_model_info(path).origin["paper"] == dict(table=6, row=5)  # what benchmark finds the printed latency by
    assert open_interpreter(path).get_input_details()[0]["shape"].tolist() == [1, 96, 50, 3]
    # the toy's c4 and c5 both have stride 16: 6x4 cells, then 3x2, 2x1, 1x1, 1x1
    assert read_model_info(path).postprocess["candidates"] == 3 * 24 + 6 * (24 + 6 + 2 + 1 + 1)
    found = tmp_path / "found.json"
    assert (
        main(
            ["demo", str(path), "--input", str(tmp_path / "images"), "--score-threshold", "0.02", "--json", str(found)]
        )
        == 0
    )
    boxes = [d["box"] for frame in json.loads(found.read_text())["frames"] for d in frame["detections"]]
    assert boxes and all(0 <= x0 <= x1 <= 96 and 0 <= y0 <= y1 <= 64 for x0, y0, x1, y1 in boxes)
