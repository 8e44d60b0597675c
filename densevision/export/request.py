"""Check what a user asks of an export, before a model is loaded: for the command and for ``densevision.export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from densevision.errors import UserError
from densevision.task import Task, foreign_options

_ONLY_INT8 = ("calibration", "float_parts", "sensitivity", "search", "activation_ranges", "weight_ranges")


@dataclass(frozen=True)
class Spelling:
    """How a user writes what he chooses, for messages: formats of a name, of a choice and of a wrong value.

    Attributes:
        name: of "float_parts".
        choice: of "quantize" and "int8".
        wrong: of "max_drop" and 101.
    """

    name: str
    choice: str
    wrong: str

    def write(self, form: str, name: str, value: object = None) -> str:
        """Return one of the formats with its name and value."""
        text = f"{value:g}" if isinstance(value, float) else repr(value)
        return form.format(name=name, option=f"--{name.replace('_', '-')}", value=text, word=value)


COMMAND = Spelling("{option}", "{option} {word}", "{option} {value}:")
FUNCTION = Spelling("{name}", "{name}={value}", "{name} is {value};")


def check_request(given: Mapping[str, Any], task: Task, spelling: Spelling) -> None:
    """Raise a UserError for the first choice that would be without effect, or whose value makes no sense.

    Args:
        given: what the user chose, by name: fields of ``ExportOptions`` and options of the command, "max_drop" and
            "calibration". What was left at its default is not in it.
        task: of the model.
        spelling: for messages.
    """

    def write(form: str, name: str, value: object = None) -> str:
        return spelling.write(form, name, value)

    for name in (option.removeprefix("--").replace("-", "_") for option in foreign_options(task)):
        if name in given:
            raise UserError(f"{write(spelling.name, name)} has no meaning for a {task.noun}; leave it out")
    if "nms" in given and given.get("postprocess") == "none":
        raise UserError(
            f"{write(spelling.name, 'nms')} has no meaning with {write(spelling.choice, 'postprocess', 'none')}, where "
            "NMS is up to the reader; leave one of them out"
        )
    for name in _ONLY_INT8:
        if name in given and given.get("quantize") != "int8":
            needed = write(spelling.choice, "quantize", "int8")
            raise UserError(f"{write(spelling.name, name)} would need {needed}; add that, or leave it out")
    for name in ("activation_ranges", "weight_ranges"):
        if given.get("search") and name in given:
            raise UserError(f"{write(spelling.name, name)} is what a search chooses; leave one of them out")
    points, images = given.get("max_drop", 0), given.get("calibration", 1)
    if not (isinstance(points, int | float) and 0 <= points <= 100):  # also NaN
        raise UserError(f"{write(spelling.wrong, 'max_drop', points)} give a number of points from 0 to 100")
    if type(images) is not int or images < 1:
        raise UserError(f"{write(spelling.wrong, 'calibration', images)} give a number of images, 1 or more")
