"""Which part of the package may import which, read from the source, and seen by importing without mmengine."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "densevision"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Part -> what it may import of the package. "base" are the modules that lie directly in densevision/.
MAY_IMPORT = {
    "base": {"base", "data"},
    "data": {"base", "data"},
    "backbones": {"base", "backbones"},
    "detection": {"base", "data", "backbones", "detection"},
    "segmentation": {"base", "data", "backbones", "segmentation"},
    "scenes": {"base", "scenes", "segmentation"},
    "weights": {"base", "backbones", "detection", "segmentation", "weights"},
    "training": {"base", "data", "weights", "training"},
    "paper": {"base", "backbones", "detection", "segmentation", "deploy", "paper"},  # --latency exports and times
    "deploy": {"base", "data", "backbones", "detection", "segmentation", "training", "deploy"},
    "video": {"base", "deploy", "training", "video"},
}
# What a phone-side or server-side user needs, and what is mathematics: all of it works without mmengine.
WITHOUT_MMENGINE = [
    "densevision.structures", "densevision.errors", "densevision.images", "densevision.counting",
    "densevision.backbones", "densevision.visualize", "densevision.display",
    *(f"densevision.deploy.{name}" for name in ("predictor", "metadata", "tflite")), "densevision.video.film",
    *(f"densevision.detection.{name}" for name in ("anchors", "box_coder", "matcher", "loss", "head", "postprocess")),
    *(f"densevision.segmentation.{name}" for name in ("head", "labels", "loss", "results")),
    *(f"densevision.video.{name}" for name in ("pipeline", "sinks", "sources")),
    "densevision.paper.tables",
]
# Third-party package -> the parts or modules that own it.
OWNERS = {
    "mmengine": {"densevision.registry", "densevision.samples", "densevision.dataset", "densevision.preprocess",
                 "densevision.sampler",
                 "densevision.detection.coco", "densevision.detection.metric", "densevision.detection.model",
                 "densevision.segmentation.balance", "densevision.segmentation.cityscapes",
                 "densevision.segmentation.metric", "densevision.segmentation.model",
                 "densevision.training", "densevision.deploy.load", "densevision.deploy.evaluate",
                 "densevision.cli"},
    "pycocotools": {"densevision.detection"},
    "cityscapesscripts": {"densevision.segmentation.official"},
    "albumentations": {"densevision.augment", "densevision.detection.transforms"},
    "litert_torch": {"densevision.deploy.export"},
    "ai_edge_quantizer": {"densevision.deploy.quantize"},
    "ai_edge_litert": {"densevision.deploy"},
}


def imports(path):
    """Yield the dotted name of every module that a file imports, at the top or in a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


def part(module):
    """Return the part of the package that a module lies in."""
    parts = module.split(".")
    folder = len(parts) > 2 or (PACKAGE / parts[-1]).is_dir()
    return parts[1] if len(parts) > 1 and folder else "base"


def below(module, names):
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize("module", MODULES)
def test_a_part_imports_only_what_lies_below_it(module):
    used = {name for name in imports(MODULES[module]) if below(name, ["densevision"])}
    if part(module) == "cli" or module == "densevision.__main__":
        return
    wrong = sorted(name for name in used if part(name) not in MAY_IMPORT[part(module)])
    assert not wrong, wrong


@pytest.mark.parametrize("package", OWNERS)
def test_a_third_party_package_has_its_owners(package):
    users = [module for module, path in MODULES.items() if any(below(name, [package]) for name in imports(path))]
    assert not [module for module in users if not below(module, OWNERS[package])]


@pytest.mark.parametrize("name", ["spec", "tables", "baselines"])
def test_a_backbones_table_needs_no_torch(name):
    module = f"densevision.backbones.{name}"
    others = {used.split(".")[0] for used in imports(MODULES[module])} - {"densevision"}
    assert others <= sys.stdlib_module_names


def test_inference_and_mathematics_work_without_mmengine():
    code = f"import sys; sys.modules['mmengine'] = None\nimport {', '.join(WITHOUT_MMENGINE)}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, densevision; sys.exit(' '.join({'torch', 'mmengine', 'numpy'} & set(sys.modules)) or 0)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "_base_").glob("*.py")), ids=lambda path: path.stem)
def test_a_base_config_has_no_base(path):
    blocks = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.With)]
    assert not blocks
