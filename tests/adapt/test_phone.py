"""A table of latencies that a phone measures: the real adb client and an emulated phone."""

import pytest

from densevision.adapt.latency import LatencyTable
from densevision.adapt.timers import PhoneTimer
from densevision.benchmark.phone.adb import LostPhoneError
from densevision.benchmark.phone.driver import Plan
from densevision.cli.main import main
from densevision.errors import UserError
from densevision.export.layer_graph import Layer, layer_file
from tests.adapt.test_search import search, start  # noqa: F401  fixtures
from tests.benchmark.phone.adb_server import needs_adb
from tests.benchmark.phone.test_driver import adb, attach, elf, log  # noqa: F401  fixtures

pytestmark = needs_adb
LAYERS = [Layer("conv", 8, 8, 8, 8 * number) for number in range(1, 6)]


def timer(phone, tmp_path):
    binary = tmp_path / "benchmark_model"
    binary.write_bytes(elf(183))
    found = PhoneTimer(phone.serial, binary, Plan(runs=20, rounds=3, pause_s=0))
    found.batch = 3
    return found


def test_a_phone_measures_layers_in_one_push_per_batch(attach, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    phone = attach()
    for run, us in enumerate((1000, 2000, 3000, 500, 1100, 2200, 1000), 1):  # 3 layers, reference; 2 layers, reference
        phone.write(f"logs/{run}", log(us))
    table = LatencyTable(timer(phone, tmp_path))
    assert table.add(LAYERS) == 5
    # The reference took twice as long in the second batch.
    assert [table.times[layer.key] for layer in LAYERS] == [1.0, 2.0, 3.0, 0.55, 1.1]
    assert len(phone.runs()) == 7 and phone.files() == []
    assert table.path.name.startswith("Pixel-3-127.0.0.1-") and "1-threads_float32_benchmark_model-" in table.path.name


def test_the_ratio_of_two_files_is_that_of_the_benchmark(attach, tmp_path):  # noqa: F811
    phone = attach()
    files = [tmp_path / "seed.tflite", tmp_path / "adapted.tflite"]
    for file, layer in zip(files, LAYERS, strict=False):
        file.write_bytes(layer_file(layer))
    for run, us in enumerate((40000, 30000, 31000, 41000, 42000, 30500), 1):  # each round begins with another file
        phone.write(f"logs/{run}", log(us))
    assert LatencyTable(timer(phone, tmp_path), path=tmp_path / "t.json").ratio(files[1], files[0]) == 0.75


def test_a_phone_lost_in_the_middle_of_a_table_loses_one_batch(attach, tmp_path):  # noqa: F811
    phone, path = attach(), tmp_path / "table.json"
    phone.write("logs/6", "@vanish")
    with pytest.raises(LostPhoneError, match="is no longer attached; .*; --resume continues the search"):
        LatencyTable(timer(phone, tmp_path), path=path).add(LAYERS)
    other = attach()
    table = LatencyTable(timer(other, tmp_path), path=path)
    assert table.add(LAYERS) == 2
    assert len(other.runs()) == 3  # two layers, and the reference


@pytest.mark.slow
def test_a_search_on_a_phone_that_is_lost_continues_on_it(attach, start, tmp_path):  # noqa: F811
    phone, folder = attach(), tmp_path / "run"
    folder.mkdir()
    seed = folder / "seed.tflite"
    seed.write_bytes(layer_file(LAYERS[0]))
    device, path = timer(phone, tmp_path), tmp_path / "table.json"
    device.batch = 100
    phone.write("logs/5", "@vanish")  # the seed's file and the reference are measured, the layers are not
    with pytest.raises(UserError, match="--resume continues"):
        search(start, folder, LatencyTable(device, path=path)).run(lambda row: None)
    known = LatencyTable(device, path=path).times
    assert len(known) == 2
    again = search(start, folder, LatencyTable(device, path=path), resume=True)
    assert again.seed_ms == known[next(key for key in known if key.startswith("file"))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "adb"], "--device adb needs --binary"),
        (["--binary", "BINARY"], "--binary is for a phone; add --device adb"),
        (["--device", "hub:Pixel", "--binary", "BINARY"], "adapt measures on attached phones; give adb, or adb:SERIAL"),
        (["--device", "adb:1234", "--binary", "BINARY"], "no phone 1234 is attached"),
        (["--device", "adb", "--binary", "missing"], "--binary missing: No such file or directory"),
    ],
)
def test_a_wrong_device_is_one_line(attach, start, tmp_path, monkeypatch, capsys, options, message):  # noqa: F811
    attach()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "BINARY").write_bytes(elf(183))
    assert main(["adapt", str(start / "tiny.pth"), "--target-latency", "0.8x", *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "work_dirs").exists()
