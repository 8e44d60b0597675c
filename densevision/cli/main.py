"""Run the ``densevision`` command: find the subcommand, and print user errors as one line."""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import sys
from collections.abc import Sequence

import densevision
from densevision.config.find import shipped_configs
from densevision.errors import UserError, did_you_mean

COMMANDS = {
    "new": "write a config for a folder of images and labels",
    "configs": "list the configs that ship with the package",
    "train": "train a detector or a segmentation model from a config",
    "test": "evaluate a checkpoint with the official metrics",
    "compare": "put the reports of trainings or evaluations side by side",
    "demo": "run a checkpoint on a video, a folder, an image or a camera",
    "predict": "run a checkpoint or a .tflite on images",
    "export": "export a checkpoint to a verified .tflite",
    "convert": "convert published weights to a checkpoint",
    "convert-data": "write a data set as COCO json (boxes) or as Cityscapes folders (masks)",
    "benchmark": "time .tflite files on this machine or on phones",
    "paper": "compute parameters and MAdds for the paper's rows and compare with the printed figures",
    "summary": "list the layers of a config's network with shapes, parameters and MAdds",
    "quickstart": "train, evaluate and run both models on rendered scenes",
}

# Faults are raised as exceptions that name the file; OpenCV would also print lines of its own.
_OPENCV_LOGS = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status, 2 if the user's input is wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for name, level in _OPENCV_LOGS.items():
        os.environ.setdefault(name, level)
    parser = _parser(words)
    _check_words(parser, words)
    parsed = parser.parse_args(words)
    try:
        status = parsed.run(parsed) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain again at its end
        return 141
    except UserError as error:
        print(f"densevision: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:  # the light install runs .tflite files and nothing else
        if error.name is None or error.name.startswith("densevision"):
            raise
        extra = "[tflite]" if error.name.startswith(("ai_edge", "litert", "flatbuffers")) else ""
        print(f"densevision: error: this command needs {error.name}; pip install densevision{extra}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("densevision: interrupted", file=sys.stderr)
        return 130


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Import only the module of the given command, so that ``--help`` is fast."""
    parser = argparse.ArgumentParser(prog="densevision", description=densevision.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"densevision {densevision.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = subparsers.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name in words[:1]:
            module = importlib.import_module(f"densevision.cli.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _check_words(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Exit with status 2 and a clear message where argparse's own would not show the mistake."""
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2)
    if not words[0].startswith("-") and words[0] not in COMMANDS:
        near = did_you_mean(words[0], COMMANDS)
        parser.error(f"no command {words[0]!r}; {near or 'densevision --help lists the commands'}")
    for option in ("--cfg-options", "--float-parts"):
        for place in (number for number, word in enumerate(words) if word == option):
            values = itertools.takewhile(lambda word: not word.startswith("--"), words[place + 1 :])
            files = [word for word in values if "=" not in word and _is_file(word)]
            if files:
                parser.error(
                    f"{option} takes all words up to the next option, also {files[0]}; give the files before {option}"
                )


def _is_file(word: str) -> bool:
    return word.endswith((".py", ".pth", ".tflite")) or word in shipped_configs()


if __name__ == "__main__":
    sys.exit(main())
