import platform
import subprocess
import sys

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


def run(code: str, tune: bool) -> float:
    """Run code in a fresh process, whose settings a test may change, and return the number it prints."""
    start = "import resource, torch\nfrom densevision.training.process import tune_process\ntorch.set_num_threads(1)\n"
    script = start + "tune_process()\n" * tune + code
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def test_denormal_numbers_count_as_zero():
    assert run(TINY, tune=False) == pytest.approx(1e-40, rel=1e-3)
    assert run(TINY, tune=True) == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_used_again():
    assert run(FAULTS, tune=False) > 4 * 16384
    assert run(FAULTS, tune=True) < 2 * 16384  # one block in eight may be new, not each
