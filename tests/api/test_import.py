"""What ``import densevision`` imports."""

import subprocess
import sys

import pytest

import densevision as dv
from tests.training.toy_runs import ROOT


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_are_imported_at_first_use():
    heavy = "{name.split('.')[0] for name in sys.modules} & {'torch', 'mmengine', 'numpy', 'cv2'}"
    assert run_python(f"import sys, densevision; dir(densevision); print({heavy})") == "set()\n"
    assert run_python("import densevision as dv; print(dv.Detections.__module__)") == "densevision.structures\n"
    assert run_python("import densevision.export, densevision as dv; print(callable(dv.export))") == "True\n"
    assert all(callable(getattr(dv, name)) for name in dir(dv) if not name.startswith("__"))
    with pytest.raises(AttributeError, match="module 'densevision' has no attribute 'lode'"):
        dv.lode  # noqa: B018


def test_inference_imports_neither_mmengine_nor_what_trains():
    modules = "densevision.inference, densevision.inference.predictor, densevision.inference.tflite_backend"
    found = "[name for name in sys.modules if name.startswith(('mmengine', 'torch', 'densevision.training'))]"
    assert run_python(f"import sys, {modules}, densevision.api; print({found})") == "[]\n"
