"""What README and docs quote exists: links, commands, options, dotted names, messages."""

import argparse
import ast
import importlib
import itertools
import re
import shlex
from pathlib import Path

import pytest

import densevision
from densevision.cli.main import COMMANDS
from densevision.inference.results import DetectionResult

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
GENERATED = {ROOT / "docs/config_keys.md"}  # made when the site is built, tools/site/hooks.py
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Options of other programs and of our tools that the pages name.
FOREIGN = {
    *("--cache", "--frames", "--loader-only", "--samples", "--workers"),  # of tools/benchmarks
    *("--no-deps", "--target", "--upgrade", "--index-url", "--force-reinstall", "--system-site-packages"),  # pip, venv
    *("--num_threads", "--use_xnnpack", "--warmup_runs", "--num_runs"),  # benchmark_model
    *("--bind", "--directory"),  # http.server
    "--seconds",  # tests.faults.fuzz.run
    "--first",  # tests.faults.fuzz.run
    *("--nnodes", "--node-rank", "--nproc-per-node", "--max-restarts"),  # torchrun
    *("--rdzv-id", "--rdzv-backend", "--rdzv-endpoint"),
    *("--nodes", "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task"),  # sbatch
    *("--requeue", "--open-mode", "--signal"),
    *("--shm-size", "--check", "--strict", "--logdir"),  # docker, ruff, mkdocs, tensorboard
    *("--images", "--rounds", "--threads", "--one-process", "--untuned"),  # tools/benchmarks
    *("--variants", "--iterations", "--only", "--seeds"),  # tools/benchmarks/tricks.py
}


def page_id(path):
    return path.relative_to(ROOT).as_posix()


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(path):
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\- ]", "", heading.lower()).strip()) for heading in headings}


def test_an_anchor_is_made_as_github_does(tmp_path):
    (tmp_path / "page.md").write_text(
        "# From a config to a .tflite\n\n## `densevision summary`\n\n```\n# a comment\n```\n"
    )
    assert anchors(tmp_path / "page.md") == {"from-a-config-to-a-tflite", "densevision-summary"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_and_anchors_resolve(page):
    for link in LINK.findall(without_code(page.read_text())):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() or target in GENERATED, f"{page_id(page)} links to {link}"
        if anchor and target not in GENERATED:
            assert anchor in anchors(target), f"{page_id(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_are_python(page):
    for language, code in FENCE.findall(page.read_text()):
        if language == "python":
            ast.parse(code)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


def attributes_of(code, name):
    """Return the attributes that a code block reads of a variable."""
    nodes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == name}


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/install.md"])
def test_python_examples_use_public_names(page):
    codes = [code for language, code in FENCE.findall((ROOT / page).read_text()) if language == "python"]
    assert codes
    for code in codes:
        assert attributes_of(code, "dv") <= set(densevision.__all__)
        found = attributes_of(code, "result")
        assert all(hasattr(DetectionResult, name) or name in DetectionResult.__annotations__ for name in found)


def parser_of(command):
    """Build a command's parser; metavariables such as N pass for numbers."""
    parser = Parser(prog=f"densevision {command}", allow_abbrev=False)
    importlib.import_module(f"densevision.cli.{command.replace('-', '_')}").add_arguments(parser)
    parser.add_argument("--quiet", action="store_true")  # of every command
    for action in parser._actions:
        if action.type is not None:
            action.type = lambda word, read=action.type: word if word.isupper() else read(word)
    return parser


def words_of(line):
    """Turn a quoted command line into words: synopses lose their brackets and all but the first alternative."""
    line = re.sub(r" \| [^\]]*\]", "]", line)  # [--upsample 2 | --full-size]
    line = re.sub(r"\[--[\w-]+ \.\.\.\]", "", line)  # [--quantize ...]
    words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
    words = list(itertools.takewhile(lambda word: word not in ("|", ">", "&&"), words))
    words = [word if ":" in word and word.isupper() else word.partition("|")[0] for word in words]
    return [word for word in words if word != "..."]


def test_a_synopsis_becomes_words():
    line = "densevision export CONFIG [--labels argmax|logits] [--upsample 2 | --full-size] [--size H W] # comment"
    wanted = ["densevision", "export", "CONFIG", "--labels", "argmax", "--upsample", "2", "--size", "H", "W"]
    assert words_of(line) == wanted


def quoted_commands(page):
    """Yield the words after ``densevision`` of every command line of a page."""
    text = page.read_text()
    lines = [code.replace("\\\n", " ").splitlines() for language, code in FENCE.findall(text) if language != "python"]
    inline = re.findall(r"`([^`]+)`", FENCE.sub("", text))
    for line in [*itertools.chain(*lines), *(" ".join(code.split()) for code in inline)]:
        found = re.match(r"(?:\w+=\S+ )*(?:python -m )?densevision (\w.*)", line)
        if found:
            yield words_of(found[1])


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_quoted_commands_parse(page):
    for command, *words in quoted_commands(page):
        if command.isupper():
            continue
        assert command in COMMANDS, f"{page_id(page)}: densevision {command}"
        if all(word.startswith("--") for word in words):  # a mention of the command, with what the text is about
            continue
        try:
            parser_of(command).parse_args(words)
        except ValueError as error:
            pytest.fail(f"{page_id(page)}: densevision {command} {' '.join(words)}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_options_exist(page):
    if page.name == "CHANGELOG.md":
        return
    known = FOREIGN | {"--help", "--version"}
    known |= {
        option for command in COMMANDS for action in parser_of(command)._actions for option in action.option_strings
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text()))
    assert named <= known, sorted(named - known)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_dotted_names_resolve(page):
    if page.name == "CHANGELOG.md":
        return
    for name in set(
        re.findall(r"\bdensevision(?:\.\w+)+(?![\w/]*\.(?:py|json)\b)", without_type_names(page.read_text()))
    ):
        assert resolves(name), f"{page_id(page)} names {name}"


def without_type_names(text):
    """Leave out files and names in a registry, such as type='densevision.SSDLite'."""
    return re.sub(r"type='densevision\.\w+'|densevision\.json|\.densevision\.\w+", "", text)


def resolves(name):
    parts = name.split(".")
    if parts[1] == "configs":  # not a package in a checkout, but what configs name their bases by
        path = ROOT.joinpath(*parts[1:])
        return path.is_dir() or path.with_suffix(".py").is_file()
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_files_exist(page):
    if page.name == "CHANGELOG.md":
        return
    for name in re.findall(r"`((?:densevision|docs|tests|tools|configs|\.ci|\.github)/[^`\s]*)`", page.read_text()):
        pattern = re.sub(r"<\w+>|NAME", "*", name)
        assert any(ROOT.glob(pattern.rstrip("/"))), f"{page_id(page)} names {name}"


def test_names_resolve_or_not():
    assert resolves("densevision.errors.UserError")
    assert resolves("densevision.configs._base_.coco") and not resolves("densevision.configs._base_.coca")
    assert not resolves("densevision.errors.NoSuchError") and not resolves("densevision.no_such_module.name")


def literals():
    """Return the texts of the package; what is filled in at run time is a space."""
    for path in (ROOT / "densevision").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else " " for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_quoted_messages_are_those_of_the_code():
    page = (ROOT / "docs/troubleshooting.md").read_text()
    table = page[page.index("| line |") : page.index("Then come")]
    quoted = re.findall(r"`([^`]+)`", "\n".join(row.split(" | ")[0] for row in table.splitlines()[2:]))
    quoted += re.findall(r'\*\*"([^"]+)"\*\*', page)
    texts = list(literals())
    assert len(quoted) > 20
    missing = [message for message in quoted if not any(map(pattern_of(message).search, texts))]
    assert not missing, missing


def pattern_of(message):
    """Return what a literal must hold; "..." stands for any text, as do the two units of a count."""
    fragments = [part.strip(" :") for part in re.split(r"\.\.\.|\bboxes(?=:)|\bpixels(?=:)", message)]
    return re.compile(".*".join(map(re.escape, filter(None, fragments))), re.DOTALL)


@pytest.mark.parametrize(
    "message",
    [
        "this is not ...: ... tensors do not fit, first ...",
        "weights of ...: ... of ... tensors loaded",
        "reinitialized, other classes...: ...",
    ],
)
def test_the_output_on_the_page_of_weights_is_that_of_the_code(message):
    assert any(map(pattern_of(message).search, literals()))
    assert pattern_of(message).search((ROOT / "docs/weights.md").read_text())
