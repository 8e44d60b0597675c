"""The tests of the light install: those that CI runs on macOS and Windows, where torch and mmengine are missing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "tests/light.txt").read_text().split()
# What the full install has and the light one has not.
MISSING = (
    *("torch", "torchvision", "mmengine", "albumentations", "pycocotools", "cityscapesscripts"),
    *("matplotlib", "PIL", "timm", "litert_torch"),
)


def test_the_listed_files_exist():
    assert sorted(set(FILES)) == FILES and all((ROOT / name).is_file() for name in FILES)


@pytest.mark.slow  # 12 s
def test_the_light_tests_pass_with_the_packages_of_the_full_install_blocked():
    code = f"import sys, pytest; sys.modules.update(dict.fromkeys({MISSING}));"
    code += f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *{FILES}]))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
