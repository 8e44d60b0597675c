"""The folder of a site, from small files without a trained network."""

import dataclasses
import hashlib
import json
import zlib

import numpy as np
import pytest

pytest.importorskip("flatbuffers", reason="the extra tflite is not installed")

from ai_edge_litert import schema_py_generated as schema

from densevision.cli.main import main
from densevision.errors import UserError
from densevision.export.metadata import attach_metadata
from densevision.export.tflite_graph import add_tensor, read_graph, write_graph
from densevision.export.widen import widen_float16
from densevision.images import read_image, write_image
from densevision.inference.metadata import ModelInfo, read_model_info
from densevision.inference.tflite_backend import TFLiteBackend
from densevision.web import runtime
from densevision.web.site import build_site
from tests.benchmark.tiny_model import tiny_model

SIZE = (64, 64)
LOGITS = ModelInfo("logits", ("red", "green", "blue"), SIZE, "uint8", "none", ((255, 0, 0), (0, 255, 0), (0, 0, 255)))


def model(path, about=LOGITS, squares=1):
    """A file whose logits are the squares of the pixels' channels."""
    graph = read_graph(tiny_model(64, squares))
    graph.subgraphs[0].tensors[graph.subgraphs[0].outputs[0]].name = b"logits"
    path.write_bytes(attach_metadata(write_graph(graph), about))
    return path


@pytest.fixture(autouse=True)
def no_runtime_needed(monkeypatch, tmp_path_factory):
    """A folder with files that pass for the runtime, as the real one is not in git."""
    folder = tmp_path_factory.mktemp("runtime")
    files = {}
    for name, file in runtime.FILES.items():
        content = (
            f'// {name}\nimport {{ a }} from "@litertjs/wasm-utils";\n//# sourceMappingURL=index.js.map\n'.encode()
        )
        (folder / name).write_bytes(content)
        files[name] = dataclasses.replace(file, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(runtime, "FILES", files)
    monkeypatch.setattr(runtime, "OWN_FOLDER", folder)
    return folder


@pytest.fixture
def photo(tmp_path):
    """Left half red, right half blue."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40, 0] = pixels[:, 40:, 2] = 200
    write_image(tmp_path / "photo.png", pixels)
    return tmp_path / "photo.png"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_site_holds_the_model_and_pythons_answer(tmp_path, photo):
    path = model(tmp_path / "small net.tflite")
    site = build_site([path], tmp_path / "site", image=photo)
    manifest = json.loads((site / "site.json").read_text())
    (entry,) = manifest["models"]
    content = path.read_bytes()
    assert entry["name"] == "small net.tflite" and (site / entry["file"]).read_bytes() == content
    assert entry["sha256"] == hashlib.sha256(content).hexdigest() and entry["adler32"] == zlib.adler32(content)
    assert entry["file"] == f"models/small-net-{entry['sha256'][:8]}.tflite"
    assert (entry["bytes"], entry["widened"], entry["outputs"]) == (len(content), False, "logits")
    assert entry["colors"] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]] and entry["size"] == [64, 64]
    assert manifest["results"] is False and manifest["sample"]["size"] == [40, 80]
    pixels = read_image(site / "sample" / entry["answer"]["input"])
    assert pixels.shape == (64, 64, 3) and zlib.adler32(pixels.tobytes()) == entry["answer"]["input_adler32"]
    labels = read_image(site / "sample" / entry["answer"]["labels"])[..., 0]
    assert labels[:, :31].max() == 0 and labels[:, 33:].min() == labels.max() == 2  # red, blue
    listed = manifest["files"]
    found = {name: hashlib.sha256(data).hexdigest() for name, data in contents(site).items() if name != "site.json"}
    assert listed == found
    assert {"index.html", "app.js", "worker.js", "style.css", "runtime/NOTICE.txt", "runtime/LICENSE.txt"} <= set(found)


def test_the_same_input_gives_the_same_bytes(tmp_path, photo):
    paths = [model(tmp_path / "a.tflite"), model(tmp_path / "b.tflite", squares=2)]
    first = contents(build_site(paths, tmp_path / "one", image=photo))
    assert contents(build_site(paths, tmp_path / "two", image=photo)) == first
    assert contents(build_site(paths, tmp_path / "one", image=photo)) == first  # over the old one
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["one", "two"]
    other = contents(build_site(paths, tmp_path / "one", image=photo, results=True))
    assert {name for name in first if first[name] != other[name]} == {"site.json"}


def test_the_default_sample_is_a_rendered_street_that_does_not_change(tmp_path):
    site = build_site([model(tmp_path / "a.tflite")], tmp_path / "site")
    assert read_image(site / "sample/image.jpg").shape == (360, 640, 3)
    assert contents(site) == contents(build_site([tmp_path / "a.tflite"], tmp_path / "other"))


def test_the_runtimes_import_names_a_file_and_no_source_map_is_asked_for(tmp_path, photo):
    site = build_site([model(tmp_path / "a.tflite")], tmp_path / "site", image=photo)
    core = (site / "runtime/core.js").read_text().splitlines()
    assert core[0].startswith("// @litertjs/core 2.5.3, Apache-2.0; changed by densevision")
    assert core[2] == 'import { a } from "./wasm-utils.js";' and len(core) == 3
    wasm = "litert_wasm_internal.wasm"
    assert (site / "runtime" / wasm).read_bytes() == (runtime.OWN_FOLDER / wasm).read_bytes()


@pytest.mark.parametrize("layout", ["", "@litertjs/core", "node_modules/@litertjs/core"])
def test_a_runtime_is_found_as_npm_installs_it(tmp_path, no_runtime_needed, layout):
    folder = tmp_path / "npm"
    for name, file in runtime.FILES.items():
        above = layout.partition("@")[0]
        place = folder / (name if not layout else f"{above}{file.package}/{file.path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((no_runtime_needed / name).read_bytes())
    assert runtime.read_runtime(folder) == runtime.read_runtime(None)


def faults(tmp_path, photo):
    """Yield what is wrong, the arguments, and what the message says."""
    good = model(tmp_path / "good.tflite")
    (tmp_path / "cut.tflite").write_bytes(good.read_bytes()[:-50])
    (tmp_path / "text.tflite").write_text("hello hello")
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    fine = dict(models=[good], out=tmp_path / "site", image=photo)
    yield "none", fine | dict(models=[]), "no model"
    yield "missing", fine | dict(models=[tmp_path / "gone.tflite"]), "no model file"
    yield "cut", fine | dict(models=[tmp_path / "cut.tflite"]), "is cut short or was not written by densevision export"
    yield "foreign", fine | dict(models=[tmp_path / "text.tflite"]), "is no .tflite file"
    yield "twice", fine | dict(models=[good, good]), "two models have this name"
    (tmp_path / "copy.tflite").write_bytes(good.read_bytes())
    yield "a copy", fine | dict(models=[good, tmp_path / "copy.tflite"]), "have the same content"
    yield "the current folder", fine | dict(out=tmp_path / "empty"), "is the current folder or above it"
    yield "no image", fine | dict(image=tmp_path / "bad.jpg"), "bad.jpg: not a readable image"
    yield "image gone", fine | dict(image=tmp_path / "gone.jpg"), "gone.jpg: No such file"
    yield "a folder of the user", fine | dict(out=tmp_path / "full"), "full is not empty and has no site"
    yield "a file of the user", fine | dict(out=tmp_path / "file"), "is a link or not a folder"
    yield "a link", fine | dict(out=tmp_path / "link"), "is a link or not a folder"
    yield "below a file", fine | dict(out=tmp_path / "file/site"), "can't be written"
    yield "no runtime", fine | dict(runtime=tmp_path / "empty"), "npm install @litertjs/core@2.5.3"
    yield "no runtime's folder", fine | dict(runtime=tmp_path / "gone"), "no such folder"


def test_each_fault_is_one_line_and_leaves_nothing(tmp_path, photo, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name, arguments, message in faults(tmp_path, photo):
        before = contents(tmp_path)
        with pytest.raises(UserError) as raised:
            build_site(
                arguments["models"],
                arguments["out"],
                **{k: arguments[k] for k in ("image", "runtime") if k in arguments},
            )
        assert message in str(raised.value) and "\n" not in str(raised.value), name
        assert contents(tmp_path) == before, name


def test_a_file_that_the_user_added_or_changed_is_not_lost(tmp_path, photo):
    paths = [model(tmp_path / "a.tflite")]
    site = build_site(paths, tmp_path / "site", image=photo)
    (site / "CNAME").write_text("example.org")
    with pytest.raises(UserError, match="contains CNAME, which densevision web did not write"):
        build_site(paths, site, image=photo)
    (site / "CNAME").unlink()
    (site / "style.css").write_text("body { color: red }")
    with pytest.raises(UserError, match=r"contains style\.css, which"):
        build_site(paths, site, image=photo)


def test_a_damaged_runtime_is_named(tmp_path, photo, no_runtime_needed):
    (no_runtime_needed / "core.js").write_text("other")
    with pytest.raises(UserError, match=r"core\.js is not of LiteRT\.js 2\.5\.3, or is damaged"):
        build_site([model(tmp_path / "a.tflite")], tmp_path / "site", image=photo)


def test_an_installation_without_runtime_says_what_to_type(tmp_path, photo, monkeypatch, capsys):
    monkeypatch.setattr(runtime, "OWN_FOLDER", tmp_path / "nothing")
    words = ["web", str(model(tmp_path / "a.tflite")), "--out", str(tmp_path / "site"), "--image", str(photo)]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "npm install @litertjs/core@2.5.3, then add --runtime node_modules" in line
    assert not (tmp_path / "site").exists()


def test_the_command_says_how_to_open_the_site(tmp_path, photo, capsys):
    words = ["web", str(model(tmp_path / "a.tflite")), "--out", str(tmp_path / "site"), "--image", str(photo)]
    assert main(words) == 0
    assert "python -m http.server" in capsys.readouterr().out


def halves(path):
    """A file with a float16 constant that its logits are multiplied by, as to_float16 stores weights."""
    graph = read_graph(tiny_model(64, 1))
    network = graph.subgraphs[0]
    half, single = (add_tensor(graph, name, [3]) for name in ("half", "single"))
    graph.buffers[network.tensors[half].buffer].data = np.array([0.1, 2, 3], "<f2").view(np.uint8)
    network.tensors[half].type = schema.TensorType.FLOAT16
    convert = schema.OperatorT()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3
    graph.operatorCodes.append(code)
    convert.opcodeIndex = len(graph.operatorCodes) - 1
    convert.inputs, convert.outputs = np.array([half], np.int32), np.array([single], np.int32)
    network.operators.insert(0, convert)
    network.operators[-1].inputs = np.array([network.operators[-1].inputs[0], single], np.int32)
    about = dataclasses.replace(LOGITS, quantize="float16")
    path.write_bytes(attach_metadata(write_graph(graph), about))
    return path


def test_float16_constants_are_widened_to_the_same_numbers(tmp_path, photo):
    path = halves(tmp_path / "half.tflite")
    wide = tmp_path / "wide.tflite"
    wide.write_bytes(widen_float16(path.read_bytes()))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    one, other = (TFLiteBackend(each, threads=1).run(pixels)[0] for each in (path, wide))
    assert np.array_equal(one, other) and one[0, 0, 0, 0] == pixels[0, 0, 0, 0] * np.float32(np.float16(0.1))
    assert read_model_info(wide) == read_model_info(path)  # the files after the graph stay
    kinds = [tensor.type for tensor in read_graph(wide.read_bytes()).subgraphs[0].tensors]
    assert schema.TensorType.FLOAT16 not in kinds
    assert widen_float16(wide.read_bytes()) == wide.read_bytes()
    (entry,) = json.loads((build_site([path], tmp_path / "site", image=photo) / "site.json").read_text())["models"]
    assert entry["widened"] and (tmp_path / "site" / entry["file"]).read_bytes() == wide.read_bytes()
    assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()  # of the file that the user has
