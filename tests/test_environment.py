import json
import os
import sys

import pytest

from densevision import environment
from densevision.cli.main import main
from densevision.stages import native_output_hidden


@pytest.mark.parametrize(
    "files, cores, memory",
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "2000000000\n"}, 1.5, 2_000_000_000),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5, None),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, None),
        ({}, None, None),
    ],
)
def test_limits_of_a_container(files, cores, memory, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert environment.cpu_quota(tmp_path) == cores and environment.memory_limit(tmp_path) == memory


def test_a_broken_package_is_a_finding_with_its_remedy(monkeypatch, tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    found = environment._package("opencv", "cv2", "densevision")
    assert found.broken and "libGL.so.1" in found.value
    assert found.remedy == "pip install --force-reinstall --no-deps opencv-python-headless"
    assert environment._package("no-such-package", "x", "densevision").broken


def test_doctor_writes_what_it_prints(tmp_path, capsys):
    path = tmp_path / "found.json"
    assert main(["doctor", "--json", str(path)]) == 0
    written, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert written["ok"] and "nothing needed is broken" in printed
    assert all(one["name"] in printed and one["value"] in printed for one in written["findings"])


def test_native_output_is_hidden_and_shown_after_an_error(capfd):
    with native_output_hidden():
        os.write(2, b"INFO: noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    with pytest.raises(ValueError), native_output_hidden():
        os.write(2, b"the reason\n")
        raise ValueError
    assert capfd.readouterr().err == "the reason\n"
