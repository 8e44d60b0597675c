"""Export to .tflite. The package itself can be called: ``densevision.export(...)`` is ``export.api.export``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from densevision.export.convert import ExportReport


class _CallablePackage(ModuleType):
    """A package that shares its name with the function that users call."""

    def __call__(self, *args: object, **kwargs: object) -> ExportReport:
        from densevision.export.api import export

        return export(*args, **kwargs)  # type: ignore[arg-type]  # checked where densevision.export is called


sys.modules[__name__].__class__ = _CallablePackage
