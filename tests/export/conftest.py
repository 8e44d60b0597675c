import pytest

from tests.export.toy import convert_once


@pytest.fixture
def converted_once(monkeypatch):
    """Exports convert for real, but the same graph only once a session."""
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    monkeypatch.setattr("densevision.export.convert.convert", convert_once)
    monkeypatch.setattr("densevision.export.search.convert", convert_once)
