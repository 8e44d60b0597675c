import platform
import subprocess
import sys
from pathlib import Path

import pytest

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
