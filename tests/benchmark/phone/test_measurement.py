from dataclasses import replace
from pathlib import Path

import pytest

from densevision.benchmark.phone.log import LogError
from densevision.benchmark.phone.measurement import parse_measurement, split_measurements
from densevision.benchmark.phone.report import PhoneReport, phone_line, phone_warnings
from tests.benchmark.phone.test_log import XNNPACK_999

FACTS = """@prop ro.product.model=Pixel 2 XL
@prop ro.soc.model=
@prop ro.board.platform=msm8998
@prop ro.build.fingerprint=google/taimen/taimen:11/RP1A.201005.004.A1/6934943:user/release-keys
@prop ro.build.version.release=11
@cores mask=f0 numbers=4 5 6 7 max_khz=2457600
@hash 11aa  /data/local/tmp/densevision/benchmark_model
@hash 22bb  /data/local/tmp/densevision/0.tflite
@flags --graph=/data/local/tmp/densevision/0.tflite --num_threads=4 --num_runs=50
@before governor=schedutil limit_khz=2457600 status=0 battery=285 cpu=41300 throttled=0
"""
END = """@exit 0
@after governor=schedutil limit_khz=1900800 status=2 battery=301 cpu=62 throttled=1
@end
"""
WHOLE = FACTS + XNNPACK_999 + END


def test_everything_that_a_figure_is_quoted_with():
    one = parse_measurement(WHOLE)
    assert (one.phone, one.soc, one.mask, one.cores, one.max_khz) == ("Pixel 2 XL", "msm8998", "f0", "4 5 6 7", 2457600)
    assert (one.before.battery_c, one.before.cpu_c, one.before.thermal_status) == (28.5, 41.3, 0)
    assert (one.after.battery_c, one.after.cpu_c, one.after.thermal_status) == (30.1, 62.0, 2)
    assert (one.after.limit_khz, one.throttled, one.threads, one.log.runs) == (1900800, True, 4, 50)
    assert one.hashes["/data/local/tmp/densevision/0.tflite"] == "22bb"


def test_what_an_old_phone_does_not_tell():
    text = WHOLE.replace("status=0 battery=285 cpu=41300", "status= battery= cpu=")
    text = text.replace("@hash 11aa  /data/local/tmp/densevision/benchmark_model", "@hash ")
    one = parse_measurement(text.replace("\n", "\r\n"))
    assert (one.before.thermal_status, one.before.battery_c, one.before.cpu_c) == (None, None, None)
    assert list(one.hashes) == ["/data/local/tmp/densevision/0.tflite"]


@pytest.mark.parametrize(("reading", "degrees"), [(45, 45.0), (452, 45.2), (45200, 45.2), (150000, 150.0)])
def test_kernels_count_degrees_in_three_ways(reading, degrees):
    assert parse_measurement(WHOLE.replace("cpu=41300", f"cpu={reading}")).before.cpu_c == degrees


@pytest.mark.parametrize("end", ["@exit 0\n", "@exit 0\n@after governor=schedutil limit_khz=19"])
def test_an_answer_without_its_end_is_cut(end):
    with pytest.raises(LogError, match="the phone's output is cut short"):
        parse_measurement(FACTS + XNNPACK_999 + end)


def test_a_bad_exit_status_counts_even_with_a_whole_log():
    with pytest.raises(LogError, match="ended with status 139"):
        parse_measurement(WHOLE.replace("@exit 0", "@exit 139"))


def test_a_file_of_several_is_cut_in_front_of_each():
    assert split_measurements("noise\n" + WHOLE + WHOLE) == [WHOLE, WHOLE]
    assert split_measurements("noise\n") == []


def report(*times_ms: float, **changes) -> PhoneReport:
    one = parse_measurement(WHOLE.replace("throttled=1", "throttled=0"))
    one = replace(one, **changes)
    rounds = [replace(one, log=replace(one.log, mean_ms=ms)) for ms in times_ms]
    return PhoneReport("SERIAL", {Path("a.tflite"): rounds})


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("Pixel", "Pixel 1"),
        ("Pixel XL", "Pixel 1"),
        ("Pixel 2", "Pixel 2"),
        ("Pixel 3 XL", "Pixel 3"),
        ("Pixel 3a", "Pixel 3a"),
        ("SM-G960F", "SM-G960F"),
    ],
)
def test_phones_stand_in_the_papers_columns(model, column):
    assert report(1.0, properties={"ro.product.model": model}).column == column


def test_the_time_is_the_median_of_the_rounds():
    assert report(40.0, 90.0, 41.0).time_ms(Path("a.tflite")) == 41.0


def test_the_line_under_the_table():
    assert phone_line(report(40.0)) == (
        "Pixel 2 XL (SERIAL), msm8998, Android 11, google/taimen/taimen:11/RP1A.201005.004.A1/6934943:user/"
        "release-keys; cores 4 5 6 7 (mask f0) up to 2.46 GHz, governor schedutil, battery 28.5-30.1 C; "
        "--num_threads=4 --num_runs=50"
    )


def test_doubtful_figures_get_a_warning():
    assert phone_warnings(report(40.0)) == []
    one = parse_measurement(WHOLE)
    doubtful = replace(one, log=replace(one.log, threads=2, xnnpack=False, ignored_flags="--use_xnnpack=true"))
    lines = phone_warnings(PhoneReport("SERIAL", {Path("a.tflite"): [doubtful]}))
    words = ("throttled", "XNNPACK", "threads", "--use_xnnpack")
    assert all(word in line for word, line in zip(words, lines, strict=True))
