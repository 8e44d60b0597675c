import platform
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = """
import json, logging, os, random, resource, signal, sys, warnings
import cv2, matplotlib, numpy, torch
from pathlib import Path
from tests.training.toy_runs import make_runner

def state():
    return dict(
        denormals=(torch.tensor([1e-40]) * torch.tensor([1.0])).item() > 0,
        environment=sorted((k, v) for k, v in os.environ.items() if k != "TORCHINDUCTOR_CACHE_DIR"),  # torch's import
        opencv=cv2.getNumThreads(),
        threads=[torch.get_num_threads(), torch.get_num_interop_threads()],
        start_method=torch.multiprocessing.get_start_method(allow_none=True),
        cudnn=[torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cudnn.enabled],
        deterministic=torch.are_deterministic_algorithms_enabled(),
        signals=[str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM)],
        files=resource.getrlimit(resource.RLIMIT_NOFILE),
        memory=resource.getrlimit(resource.RLIMIT_AS),
        backend=getattr(matplotlib.rcParams, "_get_backend_or_none", str)(),
        logging=[logging.root.level, len(logging.root.handlers)],
        filters=len(warnings.filters),
        random=[random.getstate()[1][:3], numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()],
        folder=os.getcwd(),
        grad=torch.is_grad_enabled(),
        dtype=str(torch.get_default_dtype()),
    )

random.seed(7); numpy.random.seed(7); torch.manual_seed(7)
before = state()
address = [line for line in open("/proc/self/status") if line.startswith("VmSize")][0].split()[1]
runner = make_runner(Path(sys.argv[1]), "train_cfg.max_iters=2", "train_dataloader.num_workers=1", *sys.argv[2:])
built = state()
runner.train(); runner.val(); runner.test()
after = state()
more = int([line for line in open("/proc/self/status") if line.startswith("VmSize")][0].split()[1]) - int(address)
for name in before:
    for what, now in (("built", built), ("run", after)):
        if now[name] != before[name]:
            print("DIFFERS", what, name, *([] if name == "environment" else [before[name], now[name]]))
print("MORE", more)
"""
TINY = "print((torch.tensor([1e-40]) * torch.tensor([1.0])).item())"
FAULTS = """
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)  # 64 MB: 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(3):  # the first rounds may still ask for room
    faults()
print(faults())
"""
HUGE_PAGES = """
ones = torch.ones(2**26)  # 256 MB
lines = open("/proc/self/smaps_rollup").read().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages")))
"""
SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")


DETERMINISTIC = "randomness=dict(seed=1, deterministic=True)"


@pytest.mark.parametrize("options", [(), pytest.param((DETERMINISTIC,), marks=pytest.mark.slow)])
def test_a_library_call_leaves_the_process_as_it_was(tmp_path, options):
    command = [sys.executable, "-c", LIBRARY, str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert "DIFFERS" not in done.stdout, done.stdout
    more = int(done.stdout.rpartition("MORE ")[2])
    assert more < 4 * 2**20  # kB; tune_process sets half of the memory's address space aside


def run(code: str, tune: bool) -> float:
    """Run code in a fresh process, whose settings a test may change, and return the number it prints."""
    start = "import resource, torch\nfrom densevision.training.process import tune_process\ntorch.set_num_threads(1)\n"
    script = start + "tune_process()\n" * tune + code
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def test_denormal_numbers_count_as_zero():
    assert run(TINY, tune=False) == pytest.approx(1e-40, rel=1e-3)
    assert run(TINY, tune=True) == 0


def test_numpy_does_not_warn_that_it_finds_no_denormal_number():
    code = "import numpy, warnings\nwarnings.simplefilter('error')\nprint(float(numpy.finfo('f4').max))"
    assert run(code, tune=True) > 1e38


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_used_again():
    assert run(FAULTS, tune=False) > 4 * 16384
    assert run(FAULTS, tune=True) < 2 * 16384  # one block in eight may be new, not each


@pytest.mark.skipif(not SWITCH.exists() or "[madvise]" not in SWITCH.read_text(), reason="no huge pages on request")
def test_memory_lies_in_huge_pages():
    assert run(HUGE_PAGES, tune=False) < 1000  # kB
    assert run(HUGE_PAGES, tune=True) > 0.8 * 2**18
