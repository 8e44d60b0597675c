import io
import json
import zipfile
from dataclasses import asdict

import pytest

from densevision.errors import UserError
from densevision.inference.metadata import ModelInfo, read_model_info
from densevision.inference.tflite_backend import load_tflite
from densevision.structures import PostProcess

pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")

ABOUT = ModelInfo(
    "detections", ("car", "bus"), (64, 96), "uint8", "int8", (), asdict(PostProcess()), dict(versions=dict(torch="1"))
)


def empty_model() -> bytes:
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    from densevision.export.tflite_graph import add_tensor, write_graph

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []
    graph.inputs = graph.outputs = np.array([add_tensor(model, "x", [1])], np.int32)
    return write_graph(model)


def attached(about: ModelInfo = ABOUT) -> bytes:
    from densevision.export.metadata import attach_metadata

    return attach_metadata(empty_model(), about)


def test_what_is_written_is_read_back(tmp_path):
    (tmp_path / "m.tflite").write_bytes(attached())
    assert read_model_info(tmp_path / "m.tflite") == ABOUT
    assert ABOUT.task == "detection"


def test_labels_and_json_lie_in_a_zip_behind_the_graph():
    with zipfile.ZipFile(io.BytesIO(attached())) as archive:
        assert archive.namelist() == ["labels.txt", "densevision.json"]
        assert archive.read("labels.txt") == b"car\nbus\n"
        assert json.loads(archive.read("densevision.json"))["size"] == [64, 96]


def test_the_metadata_table_by_its_slots():
    """Walked with flatbuffers alone, by the slot numbers of metadata_schema.fbs."""
    import flatbuffers
    from flatbuffers import encode
    from flatbuffers import number_types as types

    from densevision.export.tflite_graph import read_graph

    model = read_graph(attached())
    (entry,) = model.metadata
    assert entry.name == b"TFLITE_METADATA"
    data = bytes(model.buffers[entry.buffer].data)
    assert data[4:8] == b"M001"

    def table(position):
        return flatbuffers.table.Table(data, position)

    def field(of, slot):
        return of.Pos + of.Offset(4 + 2 * slot)

    def items(of, slot):
        where = of.Vector(of.Offset(4 + 2 * slot))
        return [table(of.Indirect(where + 4 * i)) for i in range(of.VectorLen(of.Offset(4 + 2 * slot)))]

    def text(of, slot):
        return of.String(field(of, slot)).decode()

    root = table(encode.Get(types.UOffsetTFlags.packer_type, data, 0))
    (subgraph,) = items(root, 3)
    (image,) = items(subgraph, 2)
    assert (text(root, 0), text(image, 0)) == ("detection", "image")
    outputs = items(subgraph, 3)
    assert [text(output, 0) for output in outputs] == ["location", "category", "score", "number of detections"]
    (labels,) = items(outputs[1], 6)
    assert text(labels, 0) == "labels.txt" and labels.Get(types.Int8Flags, field(labels, 2)) == 3
    (normal,) = items(image, 4)
    options = table(normal.Indirect(field(normal, 1)))
    means = [options.Get(types.Float32Flags, options.Vector(options.Offset(4 + 2 * slot))) for slot in (0, 1)]
    assert means == [127.5, 127.5]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is no .tflite file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is no .tflite file"),
        (bytes(4) + b"TFL3" + bytes(50), "cut short or was not written by densevision export"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_model_info(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_of_another_project_is_refused(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(empty_model())
    with pytest.raises(UserError, match="not written by densevision export"):
        read_model_info(path)


def without_nms() -> dict:
    return {name: value for name, value in ABOUT.postprocess.items() if name != "nms"}


@pytest.mark.parametrize(
    "content",
    [
        asdict(ABOUT) | dict(later=1),
        asdict(ABOUT) | dict(postprocess=without_nms()),
        asdict(ABOUT) | dict(postprocess=ABOUT.postprocess | dict(nms="soft")),
        asdict(ABOUT) | dict(postprocess=[]),
        asdict(ABOUT) | dict(outputs="masks"),
        [1, 2],
    ],
)
def test_a_file_of_another_version_is_refused(tmp_path, content):
    path = tmp_path / "m.tflite"
    whole = io.BytesIO(empty_model())
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("densevision.json", json.dumps(content))
    path.write_bytes(whole.getvalue())
    with pytest.raises(UserError, match="m.tflite is .* not written by densevision export of this version; export it"):
        read_model_info(path)


def test_metadata_of_another_network_are_refused(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(attached())  # its network has one input [1]
    with pytest.raises(UserError, match="m.tflite: its metadata does not fit its network"):
        load_tflite(path)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "m.tflite"
    content = attached()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match="cut short"):
        read_model_info(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no model file .*absent.tflite"):
        read_model_info(tmp_path / "absent.tflite")
