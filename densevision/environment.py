"""Look at the installation and the machine: what is there, what is wrong, and what to do about it.

Works in every install: a package that is missing or broken is a finding, not an error.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import densevision
from densevision.stages import native_output_hidden

_GIGABYTE = 1e9
# Distribution -> module. Every install needs the first, a full install the second; an export also the third.
_ALWAYS = {"numpy": "numpy", "opencv": "cv2", "pillow": "PIL", "rich": "rich"}
_FULL = {
    "torch": "torch",
    "torchvision": "torchvision",
    "mmengine": "mmengine",
    "pycocotools": "pycocotools",
    "albumentations": "albumentations",
    "cityscapesscripts": "cityscapesscripts",
    "matplotlib": "matplotlib",
    "pydantic": "pydantic",
}
_TFLITE = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert", "flatbuffers")
_OPTIONAL = ("timm", "safetensors", "supervision", "tensorboard")
_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


WINDOWS = "pip install --force-reinstall --no-deps opencv-python"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        name: what was looked at: "torch", "memory".
        value: what was found.
        remedy: what to do; empty if nothing is wrong.
        broken: whether something that this installation needs does not work.
    """

    name: str
    value: str
    remedy: str = ""
    broken: bool = False


def diagnose() -> list[Finding]:
    """Look at everything, and return the findings in the order in which they are printed."""
    return [
        Finding("densevision", densevision.__version__),
        _python(),
        *_packages(),
        *_extras(),
        _gpu(),
        _video(),
        _windows(),
        _cores(),
        _memory(),
        _shared_memory(),
        _disk(),
        _folder(),
        *_open_files(),
        *_data(),
    ]


def version_of(*names: str) -> str | None:
    """Return the version of the first of these distributions that is installed, or None."""
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    remedy = "" if (3, 10) <= sys.version_info[:2] <= (3, 13) else "use Python 3.10 to 3.13, the tested versions"
    return Finding("python", found, remedy)


def _packages() -> list[Finding]:
    full = version_of("torch") is not None
    needed_by = "densevision" if full else "-r requirements-runtime.txt"
    always = [_package(name, module, needed_by) for name, module in _ALWAYS.items()]
    if not full:
        light = "not installed: this install runs .tflite files only; to train, pip install densevision"
        return [*always, Finding("torch", light)]
    return [*always, *(_package(name, module, "densevision") for name, module in _FULL.items())]


def _package(name: str, module: str, needed_by: str) -> Finding:
    version = version_of(*(_OPENCV if name == "opencv" else (name,)))
    if version is None:
        return Finding(name, "not installed", f"pip install {needed_by}", broken=True)
    try:
        with native_output_hidden():
            importlib.import_module(module)
    except Exception as error:  # a broken package raises anything: OSError of a library, AttributeError of a mixture
        return Finding(name, f"{version}, can't be imported: {_line(error)}", _reinstall(name, error), broken=True)
    return Finding(name, version)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def _reinstall(name: str, error: Exception) -> str:
    if name == "opencv":
        return "pip install --force-reinstall --no-deps opencv-python-headless"
    return f"pip install --force-reinstall {name}"


def _extras() -> list[Finding]:
    versions = {name: version_of(name) for name in (*_TFLITE, *_OPTIONAL)}
    found = [f"{name} {versions[name]}" for name in _TFLITE if versions[name]]
    missing = [name for name in _TFLITE if not versions[name]]
    if missing and version_of("torch"):
        listed = ", ".join(found) or "none"
        tflite = Finding("[tflite]", f"{listed}; export needs {', '.join(missing)}", "pip install densevision[tflite]")
    elif not versions["ai-edge-litert"]:
        tflite = Finding("[tflite]", "not installed", "pip install -r requirements-runtime.txt", broken=True)
    else:
        tflite = Finding("[tflite]", ", ".join(found))
    optional = [f"{name} {versions[name]}" for name in _OPTIONAL if versions[name]]
    return [tflite, Finding("optional", ", ".join(optional) or "none")]


def _gpu() -> Finding:
    driver = shutil.which("nvidia-smi")
    torch = _module("torch")
    if torch is None:
        return Finding("GPU", "not used: .tflite files run on the CPU")
    if torch.cuda.is_available():
        place = torch.cuda.get_device_properties(0)
        return Finding("GPU", f"{torch.cuda.device_count()} x {place.name}, {place.total_memory / _GIGABYTE:.0f} GB")
    if driver and torch.version.cuda is None:
        return Finding("GPU", "not used: this torch is for the CPU only", "install torch from pytorch.org for CUDA")
    if driver:
        return Finding(
            "GPU", "not used: torch can't reach it", f"update the driver to one for CUDA {torch.version.cuda}"
        )
    return Finding("GPU", "none; training uses the CPU")


def _module(name: str) -> Any:
    """Import a module; None if it is missing or broken."""
    try:
        with native_output_hidden():
            return importlib.import_module(name)
    except Exception:  # _package reports it
        return None


def _video() -> Finding:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return Finding(
            "video", "written by OpenCV; no ffmpeg on the PATH", "install ffmpeg for H.264 (apt install ffmpeg)"
        )
    listed = subprocess.run([ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False).stdout
    codecs = [name for name in ("libx264", "libvpx-vp9", "gif") if name in listed]
    remedy = "" if "libx264" in codecs else "install an ffmpeg with libx264 for H.264"
    return Finding("video", f"ffmpeg with {', '.join(codecs) or 'no known encoder'}", remedy)


def _windows() -> Finding:
    cv2 = _module("cv2")
    build = cv2.getBuildInformation() if cv2 else ""
    gui = next((line.partition(":")[2].strip() for line in build.splitlines() if line.strip().startswith("GUI:")), "")
    if gui.upper() in ("", "NONE"):
        return Finding("windows", f"none, for demo --show: {WINDOWS}")
    return Finding("windows", f"OpenCV with {gui}")


def _cores() -> Finding:
    total = os.cpu_count() or 1
    usable: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    usable = min(usable, cpu_quota() or usable)
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    found = f"{usable:g} usable of {total}, OMP_NUM_THREADS {threads}"
    remedy = ""
    if usable < total and threads == "not set":
        remedy = f"export OMP_NUM_THREADS={max(1, int(usable))}, or threads wait for each other"
    return Finding("cores", found, remedy)


def cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return how many cores a container may use, None without a limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota, period = ((root / f"cpu/cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how many bytes of memory a container may use, None without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = (root / name).read_text().strip()
        except OSError:
            continue
        return None if limit == "max" or int(limit) > 1 << 60 else int(limit)
    return None


def _memory() -> Finding:
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if not hasattr(os, "sysconf") or not set(names) <= set(os.sysconf_names):
        return Finding("memory", "unknown on this system")
    total = os.sysconf(names[0]) * os.sysconf(names[1])
    usable = min(total, memory_limit() or total)
    limited = " (limit of the container)" if usable < total else ""
    remedy = "training needs about 4 GB: lower train_dataloader.batch_size and num_workers" if usable < 4e9 else ""
    return Finding("memory", f"{usable / _GIGABYTE:.1f} GB{limited}", remedy)


def _shared_memory() -> Finding:
    place = Path("/dev/shm")
    if not place.is_dir():
        return Finding("shared memory", "not separate on this system")
    size = shutil.disk_usage(place).total
    remedy = "start the container with --shm-size=2g, or set num_workers of the loaders to 0" if size < 5e8 else ""
    return Finding("shared memory", f"{size / _GIGABYTE:.2f} GB", remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    remedy = "a training keeps some checkpoints of up to 100 MB each: free some space" if free < 2e9 else ""
    return Finding("disk", f"{free / _GIGABYTE:.1f} GB free in {Path.cwd()}", remedy)


def _folder() -> Finding:
    if os.access(Path.cwd(), os.W_OK):
        return Finding("current folder", "can be written")
    return Finding(
        "current folder", "can't be written", "change to a folder of yours; results go to work_dirs/ in it", broken=True
    )


def _open_files() -> list[Finding]:
    try:
        import resource
    except ImportError:  # Windows
        return [Finding("training", "does not run on Windows", "use WSL 2")]
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = 0 <= soft < 1024
    return [Finding("open files", f"at most {soft}", "ulimit -n 4096, for the loader workers" if few else "")]


def _data() -> list[Finding]:
    place = os.environ.get("DENSEVISION_DATA")
    if not place:
        return [Finding("DENSEVISION_DATA", "not set; a relative data_root is below the current folder")]
    missing = not Path(place).is_dir()
    remedy = "set it to the folder that contains your data sets" if missing else ""
    return [Finding("DENSEVISION_DATA", f"{place}{', which does not exist' * missing}", remedy)]
