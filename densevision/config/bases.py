"""Let a config in any folder read the bases of the package: ``from densevision.configs._base_.coco import *``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import config as mmengine_config
from mmengine.utils import get_installed_path

from densevision.config.find import configs_folder

_LOCK = threading.Lock()


@contextmanager
def package_bases() -> Iterator[None]:
    """Tell mmengine where ``densevision.configs`` is while it reads a config.

    mmengine turns the module of a base into a path below the package's folder, which it takes from the metadata of
    the installed distribution, with ``pkg_resources``: not found in a source checkout, and gone from setuptools 82.
    """
    with _LOCK:
        mmengine_config.get_installed_path = _package_folder
        try:
            yield
        finally:
            mmengine_config.get_installed_path = get_installed_path


def _package_folder(package: str) -> str:
    return str(configs_folder().parent) if package == "densevision" else get_installed_path(package)
