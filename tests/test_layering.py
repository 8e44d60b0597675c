"""Which part of the package may import which, read from the source, and seen by importing without mmengine."""

import ast
import importlib
import re
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

# Modules that a light install needs; all parts may import them.
LIGHT = {
    "errors",
    "json_text",
    "atomic",
    "outputs",
    "structures",
    "image_formats",
    "image_header",
    "images",
    "visualize",
    "console",
    "stages",
    "confusion",
}
TASKS = {"classification", "detection", "segmentation"}
# Part (a folder of densevision/, or a module in it) -> the other parts that it may import.
MAY_IMPORT = {
    **dict.fromkeys(LIGHT, LIGHT),
    "registry": set(),
    "data": LIGHT | {"registry"},
    "backbones": {"errors"},
    "classification": LIGHT | {"registry", "data", "backbones"},
    "detection": LIGHT | {"registry", "data", "backbones"},
    "segmentation": LIGHT | {"registry", "data", "backbones"},
    "config": {"errors", "registry"},
    "checkpoints": {"errors", "registry", "config"},
    "weights": LIGHT | TASKS | {"backbones", "checkpoints", "config"},
    "proposal": LIGHT | TASKS | {"registry", "data", "backbones", "config", "checkpoints", "weights"},
    "task": TASKS | {"inference", "export"},  # by text; of these parts it may name anything
    "training": LIGHT | {"registry", "task", "data", "config", "checkpoints", "weights"},
    "inference": LIGHT | {"task"},
    "inference.load": LIGHT | TASKS | {"registry", "task", "config", "checkpoints", "inference"},
    "evaluation": LIGHT | {"registry", "data", "config", "checkpoints", "inference", "training"},
    "export": LIGHT | TASKS | {"task", "backbones", "data", "config", "checkpoints", "inference", "evaluation"},
    "inspection": LIGHT | TASKS | {"registry", "data", "config", "training"},
    "report": LIGHT
    | TASKS
    | {"task", "config", "inference", "inspection", "evaluation", "training", "complexity", "benchmark"},
    "api": LIGHT | {"task", "inference", "video", "config", "checkpoints", "evaluation", "training", "report"},
    "benchmark": LIGHT | {"inference"},
    "adapt": LIGHT
    | TASKS
    | {"backbones", "data", "config", "checkpoints", "inference", "evaluation", "training", "export", "benchmark"},
    "environment": LIGHT,
    "complexity": {"errors"},
    "video": LIGHT | {"inference"},
    "scenes": LIGHT,
    "web": LIGHT | {"inference", "export", "scenes", "benchmark"},
    "paper": LIGHT | TASKS | {"backbones", "data", "complexity", "config", "inference", "export", "benchmark"},
}
# The registries name by text the modules that mmengine imports to find what is registered, if the name is unknown.
NAMED_BY_TEXT = {"registry": TASKS | {"data", "training"}}
# What a phone-side or server-side user needs, and what is mathematics: all of it works without mmengine.
WITHOUT_MMENGINE = [
    "densevision.structures",
    "densevision.errors",
    "densevision.task",
    "densevision.images",
    "densevision.complexity",
    "densevision.backbones",
    "densevision.visualize",
    "densevision.console",
    *(f"densevision.inference.{name}" for name in ("predictor", "metadata", "tflite_backend")),
    "densevision.video.annotate",
    *(f"densevision.detection.{name}" for name in ("anchors", "box_coder", "matcher", "loss", "head", "postprocess")),
    *(f"densevision.segmentation.{name}" for name in ("head", "labels", "loss", "results")),
    *(f"densevision.video.{name}" for name in ("pipeline", "sinks", "sources")),
    "densevision.paper.tables",
]
WITHOUT_TORCH = [
    f"densevision.inference.{name}"
    for name in ("classification", "metadata", "predictor", "results", "selection", "tflite_backend")
]
# Third-party package -> the parts or modules that own it.
OWNERS = {
    "mmengine": {
        "densevision.registry",
        "densevision.config",
        "densevision.checkpoints.config",
        "densevision.checkpoints.model",
        "densevision.training",
        "densevision.inspection.source",
        "densevision.evaluation",
        *(f"densevision.data.{name}" for name in ("samples", "dataset", "decoded", "normalize", "sampler", "batches")),
        *(f"densevision.classification.{name}" for name in ("dataset", "metric", "model")),
        *(f"densevision.detection.{name}" for name in ("coco", "metric", "model")),
        *(f"densevision.segmentation.{name}" for name in ("balance", "dataset", "metric", "model")),
        "densevision.inference.load",
        *(f"densevision.report.{name}" for name in ("content", "facts", "write")),
        "densevision.adapt.short",
        "densevision.cli",
    },
    "jinja2": {"densevision.report", "densevision.inspection.grid"},
    "pycocotools": {"densevision.detection", "densevision.inference.results", "densevision.segmentation.polygons"},
    "faster_coco_eval": {"densevision.detection.coco_eval"},
    "cityscapesscripts": {"densevision.segmentation.official"},
    "albumentations": {"densevision.data.augment", *(f"densevision.{task}.transforms" for task in TASKS)},
    "litert_torch": {"densevision.export.convert"},
    "ai_edge_quantizer": {"densevision.export.quantize"},
    "ai_edge_litert": {"densevision.export", "densevision.inference", "densevision.benchmark"},
    "flatbuffers": {"densevision.export"},
}


def imports(path):
    """Yield the dotted name of all that a file imports, at the top, in a function, or by text or attribute.

    A text counts if it is "module:name" or the whole name of a module, as ``importlib.import_module`` takes it.
    """
    yield from imports_of(path.read_text(), path)


def imports_of(source, path):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and re.fullmatch(r"densevision[.\w]*:\w+", str(node.value)):
            yield node.value.replace(":", ".")
        elif isinstance(node, ast.Constant) and node.value in MODULES and "." in node.value:
            yield node.value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "densevision":
            yield f"densevision.{node.attr}"
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(module):
    """Return the part of the package that a module belongs to: a folder, or a module of densevision/ itself."""
    return module.split(".")[1] if "." in module else ""


def below(module, names):
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from densevision.training import runner",
        "def f():\n    importlib.import_module('densevision.training.runner')",
        "PREDICTOR = 'densevision.training.runner:build_runner'",
        "import densevision\nf = lambda: densevision.training",
        "if TYPE_CHECKING:\n    import densevision.training.runner as runner",
    ],
)
def test_every_way_to_import_counts(source):
    assert "training" in {part(name) for name in imports_of(source, "a file") if below(name, ["densevision"])}


@pytest.mark.parametrize("module", MODULES)
def test_a_part_imports_only_what_its_row_allows(module):
    if part(module) in ("", "__main__", "cli"):
        return
    row = MAY_IMPORT.get(module.removeprefix("densevision."), MAY_IMPORT[part(module)])
    used = {part(name) for name in imports(MODULES[module]) if below(name, ["densevision"])} - {
        "",
        "__version__",
        part(module),
    }
    row = row | NAMED_BY_TEXT.get(part(module), set())
    assert used <= row, sorted(used - row)


def test_a_part_named_by_text_counts_as_an_import_and_exists():
    texts = [text for text in imports(MODULES["densevision.task"]) if text.startswith("densevision.")]
    assert {part(text) for text in texts} == {"inference", "export"}
    for text in texts:
        module, _, name = text.rpartition(".")
        assert hasattr(importlib.import_module(module), name), text


def test_nothing_imports_the_command_line():
    users = {module for module, path in MODULES.items() if any(below(n, ["densevision.cli"]) for n in imports(path))}
    assert {module for module in users if part(module) != "cli"} == {"densevision.__main__"}


@pytest.mark.parametrize("package", OWNERS)
def test_a_third_party_package_has_its_owners(package):
    users = [module for module, path in MODULES.items() if any(below(name, [package]) for name in imports(path))]
    assert not [module for module in users if not below(module, OWNERS[package])]


def test_what_the_light_install_runs_never_imports_torch():
    parts = {
        "errors",
        "atomic",
        "outputs",
        "image_formats",
        "image_header",
        "images",
        "visualize",
        "console",
        "confusion",
        "task",
        "benchmark",
        "video",
        "scenes",
        "web",
    }
    light = [name for name in MODULES if part(name) in parts or name in WITHOUT_TORCH]
    assert len(light) > 30
    assert not [name for name in light if any(below(used, ["torch"]) for used in imports(MODULES[name]))]


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
