"""The score threshold that a training found is the default of what predicts."""

import dataclasses

import pytest
import torch

import densevision as dv
from densevision.checkpoints.reading import stored_threshold
from tests.inference.test_metadata import ABOUT


def store(checkpoint, path, threshold):
    content = torch.load(checkpoint)
    content["meta"]["score_threshold"] = threshold
    torch.save(content, path)
    return path


def test_a_checkpoint_gives_its_threshold(trained, tmp_path):
    assert stored_threshold(trained.checkpoint) is None  # of two iterations: worthless, so that it records none
    assert dv.load(trained.checkpoint).predictor.postprocess.score_threshold == 0.3
    path = store(trained.checkpoint, tmp_path / "best.pth", 0.45)
    assert dv.load(path).predictor.postprocess.score_threshold == 0.45
    assert dv.load(path, score_threshold=0.6).predictor.postprocess.score_threshold == 0.6
    assert dv.load(path, score_threshold=0).predictor.postprocess.score_threshold == 0


@pytest.mark.parametrize("threshold", ["0.4", -1, 1, float("nan"), [0.2], None, True])
def test_a_threshold_of_another_kind_is_not_used(trained, tmp_path, threshold):
    path = store(trained.checkpoint, tmp_path / "best.pth", threshold)
    assert dv.load(path).predictor.postprocess.score_threshold == 0.3


def test_metadata_keeps_the_threshold_and_refuses_a_wrong_one(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    from densevision.inference.metadata import read_model_info
    from tests.inference.test_metadata import attached

    path = tmp_path / "m.tflite"
    path.write_bytes(attached(dataclasses.replace(ABOUT, score_threshold=0.45)))
    assert read_model_info(path).score_threshold == 0.45
    path.write_bytes(attached())
    assert read_model_info(path).score_threshold is None
    path.write_bytes(attached(dataclasses.replace(ABOUT, score_threshold="0.4")))
    with pytest.raises(dv.UserError, match="was not written by densevision export of this version"):
        read_model_info(path)


@pytest.mark.slow
def test_an_exported_file_has_the_threshold_of_its_checkpoint(trained, tmp_path):
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    path = store(trained.checkpoint, tmp_path / "best.pth", 0.45)
    found = dv.load(dv.export(path, tmp_path / "m.tflite").path)
    assert found.predictor.postprocess.score_threshold == 0.45
    assert found.predictor.lowest_score == 0.01  # of the op inside
