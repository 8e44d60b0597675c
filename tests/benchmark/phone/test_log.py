import pytest

from densevision.benchmark.phone.log import LogError, parse_benchmark_log
from densevision.benchmark.phone.measurement import _fields

# Lines as real phones and boards printed them (google/XNNPACK#999, tensorflow#56301, LiteRT's issues), shortened.
XNNPACK_999 = """STARTING!
Log parameter values verbosely: [0]
Num threads: [4]
Graph: [yolo_best_recall_int8_static.tflite]
#threads used for CPU inference: [4]
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
The input model file size (MB): 3.67827
Initialized session in 18.777ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=9 first=64791 curr=56295 min=54873 max=65831 avg=57758.2 std=4065

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=58154 curr=53809 min=53077 max=60727 avg=55043.2 std=1562

Inference timings in us: Init: 18777, First inference: 64791, Warmup (avg): 57758.2, Inference (avg): 55043.2
Memory footprint delta from the start of the tool (MB): init=8.97656 overall=18.7227
"""
OLD = """STARTING!
Num threads: [2]
Running benchmark for at least 4 iterations and at least 0.5 seconds
count=7 first=127425 curr=66709 min=66709 max=127425 avg=76605.9 std=20944

Running benchmark for at least 10 iterations and at least 1 seconds
count=15 first=66753 curr=66800 min=66699 max=66838 avg=66767.6 std=39

Average inference timings in us: Warmup: 76605.9, Init: 9933, {name}: 66767.6
"""
LITERT = """INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: Initialized session in 5.757ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=526 first=2125 curr=969 min=910 max=2125 avg=949.861 std=68 p5=915 median=939 p95=990

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=1054 first=1015 curr=942 min=910 max=1102 avg=947.132 std=23 p5=915 median=942 p95=991

"""
BLOCK = """INFO: [./litert/tools/benchmark_litert_model.h:72]
========== BENCHMARK RESULTS ==========
INFO: [./litert/tools/benchmark_litert_model.h:73] Model initialization: 586.76 ms
INFO: [./litert/tools/benchmark_litert_model.h:75] Warmup (first):       4.44 ms
INFO: [./litert/tools/benchmark_litert_model.h:77] Warmup (avg):         0.52 ms (957 runs)
INFO: [./litert/tools/benchmark_litert_model.h:79] Inference (avg):      0.46 ms (2166 runs)
INFO: [./litert/tools/benchmark_litert_model.h:83] Inference (min):      0.35 ms
INFO: [./litert/tools/benchmark_litert_model.h:85] Inference (max):      0.74 ms
INFO: [./litert/tools/benchmark_litert_model.h:87] Inference (std):      0.03
"""
PYTHON_BLOCK = """========================================
 BENCHMARK RESULTS
========================================
Model initialization:  45.32 ms
Warmup (avg):          98.76 ms (5 runs)
Inference (avg):       85.23 ms (50 runs)
Inference (min):       82.10 ms
Inference (max):       92.45 ms
Inference (median):    84.50 ms
Inference (std):       3.21 ms
Inference (p95):       91.00 ms
"""


def _after_start(line: str) -> str:
    return XNNPACK_999.replace("STARTING!\n", f"STARTING!\n{line}\n")


def test_every_figure_of_a_log_in_milliseconds():
    log = parse_benchmark_log(XNNPACK_999)
    assert (log.runs, log.mean_ms, log.min_ms, log.max_ms, log.std_ms) == (50, 55.0432, 53.077, 60.727, 1.562)
    assert (log.init_ms, log.warmup_ms, log.memory_mb) == (18.777, 57.7582, 18.7227)
    assert (log.threads, log.xnnpack, log.delegated, log.median_ms, log.ignored_flags) == (4, True, None, None, "")
    assert log.time_ms == 55.0432  # this version prints no median


@pytest.mark.parametrize("name", ["no stats", "Inference"])
def test_the_old_summary(name):
    log = parse_benchmark_log(OLD.format(name=name))
    assert (log.runs, log.mean_ms, log.init_ms, log.warmup_ms) == (15, 66.7676, 9.933, 76.6059)
    assert log.memory_mb is None and not log.xnnpack


def test_one_run_and_exponents():
    log = parse_benchmark_log(
        "count=1 curr=3512391\n\ncount=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 "
        "std=109798\nInference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, "
        "Inference (avg): 2.95034e+06\n"
    )
    assert (log.runs, log.mean_ms, log.warmup_ms) == (50, 2950.34, 3512.39)
    log = parse_benchmark_log(
        "count=1 curr=16000000\ncount=1 curr=15908626\nInference timings in us: Init: 1, First inference: 16000000, "
        "Warmup (avg): 1.6e+07, Inference (avg): 1.59086e+07\n"
    )
    assert (log.runs, log.mean_ms, log.min_ms, log.max_ms, log.std_ms) == (1, 15908.626, 15908.626, 15908.626, 0.0)


@pytest.mark.parametrize("same", ["count=50 curr=7000(all same)", "count=50 curr=7000 (all same)"])
def test_runs_that_are_all_the_same(same):
    log = parse_benchmark_log(
        XNNPACK_999.replace("count=50 first=58154 curr=53809 min=53077 max=60727 avg=55043.2 std=1562", same)
    )
    assert (log.runs, log.mean_ms, log.min_ms, log.median_ms, log.std_ms) == (50, 7.0, 7.0, 7.0, 0.0)


def test_the_newer_lines_with_a_median_and_a_block_behind():
    log = parse_benchmark_log(LITERT + BLOCK)
    assert (log.runs, log.median_ms, log.p95_ms, log.time_ms) == (1054, 0.942, 0.991, 0.942)
    assert (log.mean_ms, log.warmup_ms) == (0.947132, 0.949861)


def test_the_block_alone():
    log = parse_benchmark_log(BLOCK)
    assert (log.runs, log.mean_ms, log.min_ms, log.max_ms, log.std_ms) == (2166, 0.46, 0.35, 0.74, 0.03)
    assert (log.init_ms, log.warmup_ms, log.median_ms) == (586.76, 0.52, None)
    log = parse_benchmark_log(PYTHON_BLOCK)
    assert (log.runs, log.median_ms, log.p95_ms, log.time_ms) == (50, 84.5, 91.0, 84.5)


def test_prefixes_and_carriage_returns_change_nothing():
    logcat = "".join(f"05-31 10:31:13.023 21767 21767 I tflite  : {line}\r\n" for line in XNNPACK_999.splitlines())
    assert parse_benchmark_log(logcat) == parse_benchmark_log(XNNPACK_999)


def test_the_operator_tables_count_lines_are_not_the_run():
    profile = "Timings (microseconds): count=50 first=1 curr=1 min=1 max=1 avg=1 std=0\n"
    assert parse_benchmark_log(XNNPACK_999 + profile) == parse_benchmark_log(XNNPACK_999)


def test_of_two_runs_the_last_counts():
    assert parse_benchmark_log(OLD.format(name="no stats") + XNNPACK_999).runs == 50


@pytest.mark.parametrize(
    ("line", "delegated"),
    [
        (
            "Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ 2 "
            "delegate kernels.",
            "partially",
        ),
        (
            "Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.",
            "completely",
        ),
        ("Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.", "not"),
    ],
)
def test_what_the_delegate_took(line, delegated):
    assert parse_benchmark_log(_after_start(line)).delegated == delegated


def test_flags_that_the_tool_does_not_know():
    log = parse_benchmark_log(_after_start("WARN: Unconsumed cmdline flags: --use_xnnpack=true"))
    assert log.ignored_flags == "--use_xnnpack=true"


@pytest.mark.parametrize("marker", ["Initialized session", "count=50", "Inference timings", "Inference (avg)"])
def test_a_log_cut_anywhere_before_its_end_is_an_error(marker):
    with pytest.raises(LogError, match="cut short"):
        parse_benchmark_log(XNNPACK_999[: XNNPACK_999.index(marker)])


def test_a_block_cut_before_its_figures_and_an_empty_log():
    with pytest.raises(LogError, match="cut short"):
        parse_benchmark_log(BLOCK[: BLOCK.index("Inference (avg)")])
    with pytest.raises(LogError, match="it is empty"):
        parse_benchmark_log("")


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: Encountered unresolved custom op: TFLite_Detection_PostProcess.",
        "Failed to load model m.tflite",
        "/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file",
    ],
)
def test_a_failed_run_says_why(line):
    with pytest.raises(LogError) as error:
        parse_benchmark_log(f"STARTING!\n{line}\nBenchmarking failed.\n")
    assert str(error.value) == f"benchmark_model says: {line}"


def test_long_lines_of_a_log_are_read_at_once():
    found = parse_benchmark_log(XNNPACK_999 + "Peak memory footprint" * 50_000)  # once a minute
    assert found.memory_mb == 18.7227
    assert _fields("a" * 100_000) == {} and _fields("a=" + " b" * 50_000) == {"a": ("b " * 50_000).strip()}
