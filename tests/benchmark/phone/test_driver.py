"""The adb driver against the real adb client, which talks to an emulated phone on loopback."""

import hashlib
import json
import os
import subprocess

import pytest

from densevision.benchmark.phone.adb import Phone, choose_phone
from densevision.benchmark.phone.driver import Plan, check_binary, time_on_phone
from densevision.cli.main import main
from densevision.errors import UserError
from tests.benchmark.phone.adb_server import adb_server, needs_adb
from tests.benchmark.phone.emulated_phone import EmulatedPhone
from tests.benchmark.phone.test_log import LITERT, XNNPACK_999

pytestmark = needs_adb
PLAN = Plan(rounds=1, attempts=3, pause_s=0)


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + machine.to_bytes(2, "little") + bytes(44)


def log(mean_us: float) -> str:
    return XNNPACK_999.replace("avg=55043.2", f"avg={mean_us}").replace("inference: [4]", "inference: [1]")


@pytest.fixture(scope="module")
def adb(tmp_path_factory):
    with adb_server(tmp_path_factory.mktemp("home")) as run:
        yield run


@pytest.fixture
def attach(adb, tmp_path):
    phones = []

    def attach_one(**options) -> EmulatedPhone:
        phones.append(EmulatedPhone(tmp_path / f"phone{len(phones)}", **options))
        adb("connect", phones[-1].serial)
        phones[-1].write("logs/always", log(55043.2))
        return phones[-1]

    yield attach_one
    for one in phones:
        one.vanish()
    adb("disconnect")


@pytest.fixture
def files(tmp_path):
    binary, first, second = tmp_path / "benchmark_model", tmp_path / "first one.tflite", tmp_path / "second.tflite"
    binary.write_bytes(elf(183))
    for number, model in enumerate((first, second)):
        model.write_bytes(b"\x1c\0\0\0TFL3" + bytes(60 + number))
    return binary, first, second


def test_a_phone_is_measured_and_left_clean(attach, files):
    phone, (binary, first, _) = attach(), files
    (one,) = time_on_phone(Phone(phone.serial), binary, [first], PLAN)[first]
    assert (one.phone, one.soc, one.mask, one.cores, one.max_khz) == ("Pixel 3", "sdm845", "f0", "4 5 6 7", 2803200)
    assert one.flags == (
        "--graph=/data/local/tmp/densevision/0.tflite --num_threads=1 --use_xnnpack=true --warmup_runs=5 --num_runs=50"
    )
    assert one.before == one.after
    assert (one.before.governor, one.before.battery_c, one.before.cpu_c) == ("schedutil", 28.5, 44.8)
    assert one.properties["ro.build.fingerprint"].startswith("google/blueline/blueline:12/")
    assert one.hashes["/data/local/tmp/densevision/0.tflite"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert (one.log.mean_ms, one.throttled) == (55.0432, False)
    (call,) = phone.runs()
    assert phone.outside(call.encode()).decode() == f"f0 /data/local/tmp/densevision/benchmark_model {one.flags}"
    assert phone.files() == []


def test_an_old_phone_without_exit_codes_reads_the_same(attach, files):
    phone, (binary, first, _) = attach(shell_v2=False), files
    assert time_on_phone(Phone(phone.serial), binary, [first], PLAN)[first][0].log.mean_ms == 55.0432


@pytest.mark.parametrize(
    ("tops", "mask"),
    [
        ((1593600, 1593600, 2150400, 2150400), "c"),  # the first Pixel
        ((1766400,) * 4 + (2803200,) * 4, "f0"),  # Pixel 3
        ((1785600,) * 4 + (2419200,) * 3 + (2841600,), "80"),  # one prime core
        ((2000000, 1000000, "", 2000000), "9"),  # one is offline
    ],
)
def test_the_fastest_cores_are_bound(attach, files, tops, mask):
    phone, (binary, first, _) = attach(), files
    for core in range(8):
        for name in ("cpuinfo_max_freq", "scaling_max_freq"):
            phone.write(f"sys/devices/system/cpu/cpu{core}/cpufreq/{name}", tops[core] if core < len(tops) else "")
    assert time_on_phone(Phone(phone.serial), binary, [first], PLAN)[first][0].mask == mask


def test_rounds_begin_with_another_file_each_time(attach, files):
    phone, (binary, *models) = attach(), files
    time_on_phone(Phone(phone.serial), binary, models, Plan(rounds=2))
    assert [call.split("--graph=")[1].split()[0][-8:] for call in phone.runs()] == [
        "0.tflite",
        "1.tflite",
        "1.tflite",
        "0.tflite",
    ]


def test_a_throttled_call_is_repeated(attach, files):
    phone, (binary, first, _) = attach(), files
    phone.write("statuses", "0\n2\n0\n0")  # Android's status before and after each call
    phone.write("logs/1", log(90000.0))
    lines = []
    (one,) = time_on_phone(Phone(phone.serial), binary, [first], PLAN, lines.append)[first]
    assert (one.log.mean_ms, one.throttled, len(phone.runs())) == (55.0432, False, 2)
    assert lines == ["first one.tflite: round 1 of 1", "first one.tflite: the phone throttled, attempt 1 of 3"]


def test_a_phone_that_keeps_throttling_is_marked(attach, files):
    phone, (binary, first, _) = attach(), files
    phone.write("sys/devices/system/cpu/cpu5/cpufreq/scaling_max_freq", 1228800)
    (one,) = time_on_phone(Phone(phone.serial), binary, [first], PLAN)[first]
    assert (one.throttled, one.before.limit_khz, len(phone.runs())) == (True, 1228800, 3)


def test_no_phone_writes_a_script(adb, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    binary, first, _ = files
    assert main(["benchmark", str(first), "--device", "adb", "--binary", str(binary)]) == 2
    assert capsys.readouterr().err == (
        "densevision: error: no phone is attached; plug one in with USB debugging enabled; or run "
        "time_on_phone.sh, written here, where a phone is attached\n"
    )
    assert (tmp_path / "time_on_phone.sh").exists()


def test_two_phones_need_a_serial(attach):
    one, other = attach(), attach()
    with pytest.raises(UserError) as error:
        choose_phone(None)
    assert "2 phones are attached; choose with --device adb:SERIAL" in str(error.value)
    assert one.serial in str(error.value) and other.serial in str(error.value)
    assert choose_phone(other.serial) == other.serial


def test_an_unknown_serial_names_the_others(attach):
    phone = attach()
    with pytest.raises(UserError, match=f"no phone 1234 is attached; there is {phone.serial}"):
        choose_phone("1234")


def test_an_unauthorised_phone(attach):
    phone = attach(authorised=False)
    with pytest.raises(UserError, match=f"phone {phone.serial} is unauthorized; unlock it and accept"):
        choose_phone(None)


def test_a_push_that_fails(attach, files):
    phone, (binary, first, _) = attach(), files
    phone.full = True
    with pytest.raises(UserError, match="can't be copied to phone .*No space left on device"):
        time_on_phone(Phone(phone.serial), binary, [first], PLAN)
    assert phone.files() == [] and phone.runs() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory; docs/benchmark.md says"),
        (b"PK\x03\x04 an apk", "is not an Android program"),
        (elf(62), "is for x86_64, the phone runs arm64-v8a, armeabi-v7a, armeabi"),
        (elf(243), "is for machine 243, the phone runs"),
    ],
)
def test_a_binary_that_is_missing_or_for_another_processor(attach, files, content, message):
    phone, (binary, first, _) = attach(), files
    binary.unlink() if content is None else binary.write_bytes(content)
    with pytest.raises(UserError, match=message):
        time_on_phone(Phone(phone.serial), binary, [first], PLAN)
    assert phone.runs() == []


def test_a_binary_that_the_phone_refuses_after_all(attach, files):
    phone, (binary, first, _) = attach(), files
    phone.write("properties/ro.product.cpu.abilist", "x86_64")
    binary.write_bytes(elf(62))  # the emulated kernel takes arm64 only
    with pytest.raises(UserError, match="benchmark_model says: taskset: exec .*: Exec format error"):
        time_on_phone(Phone(phone.serial), binary, [first], PLAN)
    assert phone.files() == []


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (XNNPACK_999[: XNNPACK_999.index("count=50")], 137, "cut short after: Running benchmark for at least 50"),
        (
            "ERROR: Encountered unresolved custom op: Foo.",
            1,
            "benchmark_model says: ERROR: Encountered unresolved custom",
        ),
        (XNNPACK_999, 139, "benchmark_model ended with status 139"),
    ],
)
def test_a_log_cut_short_or_of_a_failure(attach, files, text, code, message):
    phone, (binary, first, _) = attach(), files
    phone.write("logs/always", text)
    phone.write("exit", code)
    with pytest.raises(UserError, match=message):
        time_on_phone(Phone(phone.serial), binary, [first], PLAN)
    assert phone.files() == []


def test_a_phone_lost_in_the_middle(attach, files):
    phone, (binary, *models) = attach(), files
    phone.write("logs/2", "@vanish")
    with pytest.raises(UserError, match="is no longer attached; plug it in and repeat .* may be left on it"):
        time_on_phone(Phone(phone.serial), binary, models, PLAN)


def test_a_phone_that_hangs(attach):
    with pytest.raises(UserError, match="did not answer in 0.5 s"):
        Phone(attach().serial).shell("sleep 2", timeout=0.5)


def test_a_damaged_copy(attach, files):
    phone, (binary, first, _) = attach(), files
    phone.damages = True
    with pytest.raises(UserError, match="first one.tflite arrived damaged"):
        time_on_phone(Phone(phone.serial), binary, [first], PLAN)


def test_two_phones_side_by_side_in_the_command(attach, files, tmp_path, capsys):
    one, other, (binary, *models) = attach(), attach(model="Galaxy S9"), files
    for run, mean in enumerate((40000, 30000, 31000, 41000, 42000, 30500), 1):
        one.write(f"logs/{run}", log(mean))
    out = tmp_path / "out.json"
    words = ["benchmark", *map(str, models), "--binary", str(binary), "--json", str(out)]
    assert main([*words, "--device", f"adb:{one.serial}", "--device", f"adb:{other.serial}"]) == 0
    printed = capsys.readouterr().out
    assert "41.00 (1.00)" in printed and "30.50 (0.75)" in printed and "Galaxy" in printed
    pixel, galaxy = json.loads(out.read_text())
    assert (pixel["column"], galaxy["column"], pixel["soc"]) == ("Pixel 3", "Galaxy S9", "sdm845")
    assert [model["time_ms"] for model in pixel["models"]] == [41.0, 30.5]
    assert pixel["models"][1]["ratio"] == 0.75  # of 30 / 40, 31 / 41 and 30.5 / 42
    assert pixel["models"][0]["rounds"][0]["log"]["runs"] == 50
    assert pixel["binary_sha256"] == hashlib.sha256(binary.read_bytes()).hexdigest()


def test_figures_of_the_first_phone_outlive_the_second(attach, files, tmp_path, capsys):
    one, other, (binary, first, _) = attach(), attach(), files
    other.write("logs/1", "@vanish")
    out = tmp_path / "out.json"
    words = ["benchmark", str(first), "--binary", str(binary), "--json", str(out)]
    assert main([*words, "--device", f"adb:{one.serial}", "--device", f"adb:{other.serial}"]) == 2
    printed, fault = capsys.readouterr()
    assert "55.04 (1.00)" in printed and f"{other.serial} is no longer attached" in fault
    assert [phone["serial"] for phone in json.loads(out.read_text())] == [one.serial]


def test_the_script_measures_and_its_log_reads_as_the_driver(attach, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    binary, *models = files
    words = ["benchmark", *map(str, models)]
    assert main([*words, "--device", "adb", "--binary", str(binary)]) == 2
    phone = attach()
    phone.write("statuses", "\n".join("0" * 13))
    phone.write(
        "logs/1", LITERT + "Inference timings in us: Init: 1, First inference: 2, Warmup (avg): 3, Inference (avg): 4\n"
    )
    done = subprocess.run(["sh", "time_on_phone.sh"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert phone.files() == []
    assert main([*words, "--log", "phone.log", "--json", "out.json"]) == 0
    (report,) = json.loads((tmp_path / "out.json").read_text())
    assert [len(model["rounds"]) for model in report["models"]] == [3, 3]
    assert report["models"][0]["rounds"][0]["log"]["median_ms"] == 0.942
    assert report["models"][1]["time_ms"] == 55.0432
    cut = (tmp_path / "phone.log").read_text()[:-60]
    (tmp_path / "phone.log").write_text(cut)
    assert main([*words, "--log", "phone.log"]) == 2
    assert main(["benchmark", str(models[1]), "--log", "phone.log"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "run 6: the phone's output is cut short" in errors[-2]
    assert "is of other files" in errors[-1]


@pytest.mark.parametrize(("abilist", "machine"), [("arm64-v8a,armeabi-v7a", 40), ("", 183), ("x86_64,x86", 3)])
def test_binaries_that_fit(files, abilist, machine):
    files[0].write_bytes(elf(machine))
    check_binary(files[0], abilist)
