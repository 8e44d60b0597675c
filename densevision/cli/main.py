"""Run the ``densevision`` command: find the subcommand, and print user errors as one line."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

import densevision
from densevision.cli.completion import ASK, candidates
from densevision.cli.examples import EXAMPLES
from densevision.cli.failures import describe_failure, forget, names_no_file
from densevision.cli.parsing import CommandParser
from densevision.cli.signals import ending_signals
from densevision.cli.streams import SteadyStream, steady_streams
from densevision.errors import UserError, did_you_mean
from densevision.stages import QUIET

COMMANDS = {
    "new": "write a config for a folder of images and labels",
    "check": "read all images and labels, and say what is wrong with them",
    "browse": "show samples of each class with their boxes or masks",
    "configs": "list the configs that ship with the package",
    "train": "train a detector, a segmentation model or a classifier from a config",
    "test": "evaluate a checkpoint with the official metrics",
    "compare": "put the reports of trainings or evaluations side by side",
    "demo": "run a checkpoint on a video, a folder, an image or a camera",
    "predict": "run a checkpoint or a .tflite on images",
    "export": "export a checkpoint to a verified .tflite",
    "adapt": "narrow a trained network until its .tflite meets a latency",
    "convert": "convert published weights to a checkpoint",
    "convert-data": "write a data set as COCO json (boxes), Cityscapes folders (masks) or crops",
    "web": "write a web page that runs .tflite files in any browser",
    "serve": "open that page on this machine, or on a phone over Wi-Fi or a cable",
    "benchmark": "time .tflite files on this machine or on phones",
    "paper": "compute parameters and MAdds for the paper's rows and compare with the printed figures",
    "summary": "list the layers of a config's network with shapes, parameters and MAdds",
    "quickstart": "train, evaluate and run both models on rendered scenes",
    "doctor": "check this machine and installation, and say what to do",
    "completion": "print the script that completes commands in a shell",
    "help": "show the help of a command",
}
GROUPS = {
    "data": ("new", "check", "browse", "convert-data"),
    "training": ("configs", "train", "test", "compare", "convert", "summary"),
    "using a model": ("demo", "predict"),
    "on a phone": ("export", "adapt", "web", "serve", "benchmark"),
    "this project": ("quickstart", "paper", "doctor", "completion", "help"),
}
_EXTRAS = {
    "tflite": ("ai_edge", "litert", "flatbuffers"),
    "weights": ("timm", "safetensors"),
    "supervision": ("supervision", "trackers"),
    "hub": ("qai_hub",),
    "coco": ("faster_coco_eval",),
}

# Faults are raised as exceptions that name the file; OpenCV would also print lines of its own.
_OPENCV_LOGS = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}


_WRITE_FILES = ("train", "test", "export", "adapt", "convert", "convert-data", "new", "web", "quickstart")
_OUTPUTS = ("out", "json", "csv", "html", "save_images", "work_dir")  # options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        Its exit status: 2 if the user's input is wrong, 1 if the machine fails, 128 + the number of a signal.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for name, level in _OPENCV_LOGS.items():
        os.environ.setdefault(name, level)
    with steady_streams() as (output, _), ending_signals() as ending:
        try:
            return ending.status(_run(words, output))
        except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
            return 141
        except KeyboardInterrupt:
            by = "" if ending.number == signal.SIGINT else f" by {signal.Signals(ending.number).name}"
            print(f"densevision: interrupted{by}", file=sys.stderr)
            return 128 + ending.number
        except UserError as error:
            print(f"densevision: error: {_short(str(error))}", file=sys.stderr)
            return error.status
        except ModuleNotFoundError as error:  # the light install runs .tflite files and nothing else
            if error.name is None or error.name.startswith("densevision"):
                raise
            what = f"this command needs {error.name}; pip install densevision{_extra(error.name)}"
            print(f"densevision: error: {what}", file=sys.stderr)
            return 2
        except (OSError, EOFError, RuntimeError, MemoryError, ImportError) as error:
            said = describe_failure(error)
            if said is None:
                raise
            print(f"densevision: error: {_short(said)}", file=sys.stderr)
            forget(error)
            return 2 if names_no_file(error) else 1


def _short(message: str) -> str:
    """Cut a message that quotes too much in its middle."""
    return message if len(message) <= _MOST_CHARACTERS else f"{message[:600]} ... {message[-200:]}"


_MOST_CHARACTERS = 900


def _run(words: Sequence[str], output: SteadyStream) -> int:
    """Parse the command line and run the command; one that writes files needs no standard output."""
    if words[:1] == [ASK]:
        print("\n".join(candidates(words[1:])))
        return 0
    parsed = _parse(words)
    os.environ.pop(QUIET, None)
    os.environ.update({QUIET: "1"} if parsed.quiet else {})
    output.goes_on = words[0] in _WRITE_FILES or any(getattr(parsed, name, None) for name in _OUTPUTS)
    status = parsed.run(parsed) or 0
    output.flush()
    if output.fault is None:
        return status
    print(f"densevision: warning: standard output can't be written ({output.fault})", file=sys.stderr)
    return status if output.goes_on else status or 1


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; exit with status 2 and one line about the first mistake."""
    parser = main_parser()
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2)
    if words[0].startswith("-"):
        parser.parse_known_args(words[:1])  # --help, --version
        parser.error(f"{words[0]} comes before the command; densevision help lists the commands")
    if words[0] not in COMMANDS:
        near = did_you_mean(words[0], COMMANDS)
        parser.error(f"no command {words[0]!r}; {near or 'densevision --help lists the commands'}")
    for before, word in zip(words, words[1:], strict=False):
        if "\0" in word:  # no file has such a name
            parser.error(f"{before}: {word!r} has a null character; leave it out")
    return command_parser(words[0]).parse_command(words[1:])


def main_parser() -> argparse.ArgumentParser:
    """Return the parser of what comes before a command, whose help lists the commands."""
    grouped = [name for names in GROUPS.values() for name in names]
    groups = {**GROUPS, "other": tuple(name for name in COMMANDS if name not in grouped)}
    lines = []
    for title, names in groups.items():
        known = [f"  {name:13} {COMMANDS[name]}" for name in names if name in COMMANDS]
        lines += [f"{title}:", *known, ""] if known else []
    parser = argparse.ArgumentParser(
        prog="densevision",
        usage="densevision COMMAND ...",
        description=densevision.__doc__,
        epilog="\n".join([*lines, "densevision help COMMAND shows the options of a command, with examples."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"densevision {densevision.__version__}")
    return parser


def command_parser(name: str) -> CommandParser:
    """Import only the module of one command, so that its ``--help`` is fast, and return its parser."""
    parser = CommandParser(f"densevision {name}", COMMANDS[name], EXAMPLES.get(name, ()))
    module = importlib.import_module(f"densevision.cli.{name.replace('-', '_')}")
    module.add_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="print only results and errors, no progress")
    parser.set_defaults(run=module.run)
    return parser


def _extra(module: str) -> str:
    """Return the extra of setup.cfg that installs a module: "[tflite]"; empty for what every full install has."""
    for extra, names in _EXTRAS.items():
        if module.startswith(names):
            return f"[{extra}]"
    return ""


if __name__ == "__main__":
    sys.exit(main())
