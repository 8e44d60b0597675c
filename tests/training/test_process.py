"""What ``tune_process`` changes, measured in one process with it and one without."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import json, resource, sys, warnings
import torch

torch.set_num_threads(1)
if sys.argv[1] == "tuned":
    from densevision.training.process import tune_process
    tune_process()

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)  # 64 MB: 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def finfo_warnings():
    import numpy
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        numpy.finfo("f4").max
    return len(caught)

tiny = (torch.tensor([1e-40]) * torch.tensor([1.0])).item()
for _ in range(3):  # the first rounds may still request memory
    page_faults()
faults = page_faults()
ones = torch.ones(2**26)  # 256 MB
rollup = open("/proc/self/smaps_rollup").read().splitlines() if sys.platform == "linux" else []
huge_kb = [int(line.split()[1]) for line in rollup if line.startswith("AnonHugePages")]
aligned = all(torch.empty(2**21 + 512 * step).data_ptr() % 4096 == 0 for step in range(8))
measured = dict(tiny=tiny, faults=faults, huge_kb=sum(huge_kb), aligned=aligned, warnings=finfo_warnings())
print(json.dumps(measured))
"""
SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.fixture(scope="module")
def default() -> dict:
    return measure("default")


@pytest.fixture(scope="module")
def tuned() -> dict:
    return measure("tuned")


def measure(kind: str) -> dict:
    # Other tests of this process may have called it.
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    command = [sys.executable, "-c", MEASURE, kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_denormal_numbers_count_as_zero(default, tuned):
    assert default["tiny"] == pytest.approx(1e-40, rel=1e-3)
    assert tuned["tiny"] == 0


def test_numpy_does_not_warn_that_it_finds_no_denormal_number(tuned):
    assert tuned["warnings"] == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_used_again(default, tuned):
    assert default["faults"] > 4 * 16384
    assert tuned["faults"] < 2 * 16384  # one block in eight may be new, not each


@pytest.mark.skipif(not SWITCH.exists() or "[madvise]" not in SWITCH.read_text(), reason="no huge pages on request")
def test_memory_uses_huge_pages(default, tuned):
    assert default["huge_kb"] < 1000
    assert tuned["huge_kb"] > 0.8 * 2**18


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_large_tensors_begin_at_a_page(default, tuned):
    assert tuned["aligned"]
    assert not default["aligned"]
