"""Hosted phones, against a fake of the hub's client. Nothing here was run on the hub itself."""

import inspect
import json
import sys
from types import SimpleNamespace

import pytest

from densevision.cli.main import main

PHONES = [("Google Pixel 3", "10"), ("Google Pixel 3", "11"), ("Samsung Galaxy S24", "14")]


class Fault(Exception):
    pass


class FakeHub(SimpleNamespace):
    """The client's module: ``times`` in microseconds by name of a model; a text is a job's failure."""

    def __init__(self, times):
        super().__init__(Error=Fault, times=times, sent=[], fault=None)

    def get_devices(self):
        if self.fault:
            raise Fault(self.fault)
        return [SimpleNamespace(name=name, os=version) for name, version in PHONES]

    def submit_inference_job(self, model, device, *, name, options):
        self.sent.append((model, device.name, device.os, options))
        times = self.times[name]
        status = SimpleNamespace(success=not isinstance(times, str), message=times, code="FAILED")
        summary = {"estimated_inference_time": min(times), "all_inference_times": times}
        profile = {"execution_summary": summary}
        url = f"https://hub.example/{name}"
        return SimpleNamespace(url=url, wait=lambda: status, download_profile=lambda: profile)


@pytest.fixture
def models(tmp_path):
    paths = [tmp_path / "float.tflite", tmp_path / "int8.tflite"]
    for number, path in enumerate(paths):
        path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(number))
    return [str(path) for path in paths]


@pytest.fixture
def hub(monkeypatch):
    fake = FakeHub({"float.tflite": [40_000, 44_000, 41_000], "int8.tflite": [20_500, 30_000, 20_000]})
    monkeypatch.setitem(sys.modules, "qai_hub", fake)
    return fake


def test_a_hosted_pixel_has_the_papers_column(hub, models, tmp_path, capsys):
    out = tmp_path / "out.json"
    words = ["benchmark", *models, "--device", "hub:Google Pixel 3", "--runs", "30", "--json", str(out)]
    assert main(words) == 0
    options = "--compute_unit cpu --tflite_options number_of_threads=1 --max_profiler_iterations 30"
    assert hub.sent == [(model, "Google Pixel 3", "11", options) for model in models]
    printed = capsys.readouterr().out
    assert "41.00 (1.00)" in printed and "20.50 (0.50)" in printed and "Pixel 3" in printed
    assert f"Google Pixel 3, Android 11, hosted by Qualcomm AI Hub; {options}; float.tflite: https://hub" in printed
    (report,) = json.loads(out.read_text())
    assert (report["hub"], report["column"], report["models"][1]["ratio"]) == ("Google Pixel 3", "Pixel 3", 0.5)
    assert report["models"][0]["times_ms"] == [40, 44, 41]


def test_faults_are_one_line(hub, models, capsys, monkeypatch):
    hub.times["int8.tflite"] = "Unsupported op"
    assert main(["benchmark", *models, "--device", "hub:Samsung Galaxy S24"]) == 2
    assert main(["benchmark", *models, "--device", "hub:Samsung Galaxy S23"]) == 2
    assert main(["benchmark", *models, "--device", "hub:Google Pixel 3", "--binary", "x"]) == 2
    monkeypatch.setattr(
        FakeHub,
        "get_devices",
        lambda hub: (_ for _ in ()).throw(Fault("\n┌───┐\n| client.ini not |\n| found |\n└───┘\n")),
    )
    assert main(["benchmark", *models, "--device", "hub:Google Pixel 3"]) == 2
    monkeypatch.setitem(sys.modules, "qai_hub", None)
    assert main(["benchmark", *models, "--device", "hub:Google Pixel 3"]) == 2
    said = [line.removeprefix("densevision: error: ") for line in capsys.readouterr().err.splitlines()]
    assert [line for line in said if not line.startswith(("float.tflite: ", "int8.tflite: "))] == [
        f"{models[1]}: the hub's job failed (Unsupported op); see https://hub.example/int8.tflite",
        "--device hub:Samsung Galaxy S23: the hub has no such phone; did you mean Samsung Galaxy S24?",
        "--binary is for a phone; add --device adb",
        "--device hub:Google Pixel 3: client.ini not found",
        "this command needs qai_hub; pip install densevision[hub]",
    ]


@pytest.mark.parametrize("device", ["hub", "hub:", "usb", "hub Pixel"])
def test_what_is_no_device(device, capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "m.tflite", "--device", device])
    assert f"{device} is none of adb, adb:SERIAL, hub:NAME" in capsys.readouterr().err


@pytest.mark.reference
def test_the_real_client_has_what_is_used():
    client = pytest.importorskip("qai_hub", reason="the extra hub is not installed")
    names = {"model", "device", "name", "options"}
    assert names <= set(inspect.signature(client.submit_inference_job).parameters)
    assert issubclass(client.UserError, client.Error) and callable(client.get_devices)
    assert callable(client.InferenceJob.wait) and callable(client.InferenceJob.download_profile)
    assert {"name", "os"} <= set(inspect.signature(client.Device).parameters)
