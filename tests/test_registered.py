"""A checkpoint names classes by text; a fresh process finds each of them in the modules that the registries list."""

import subprocess
import sys

_PROGRAM = """
import importlib, pkgutil
import densevision
from densevision import registry

children = [one for one in vars(registry).values() if isinstance(one, registry.root.Registry)]
for child in children:
    child.import_from_location()
listed = {f"{child.name}: {name}" for child in children for name in child.module_dict}
assert "hook: EMAHook" in listed
for module in pkgutil.walk_packages(densevision.__path__, "densevision."):
    if not module.name.startswith("densevision.configs") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*sorted({f"{child.name}: {name}" for child in children for name in child.module_dict} - listed))
"""


def test_every_registered_class_is_found_by_its_name_in_a_fresh_process():
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
