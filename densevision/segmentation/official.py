"""The evaluation of cityscapesscripts itself, on written files."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from pathlib import Path

from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as script

from densevision.errors import UserError


def official_iou(predictions: str | Path, labels: Sequence[str | Path]) -> dict[str, float]:
    """Let the Cityscapes script find, read and score prediction files.

    It counts all of its 19 classes: where a data set chooses fewer, the figures agree only if the label files
    hold none of the others.

    Args:
        predictions: folder with label-id images, as ``IoUMetric(out_dir=...)`` writes them.
        labels: the ``*_labelIds.png`` files to score.
    Returns:
        ``mIoU`` and ``IoU_<class>`` of each class that occurs, 0..1.
    Raises:
        UserError: the script gave up; the line is its own.
    """
    # Instance scores need files that few data sets have; the script itself, on the same predictions, gives them.
    settings = copy.copy(script.args)
    settings.evalInstLevelScore = False
    settings.JSONOutput = False
    settings.quiet = True
    settings.predictionPath = str(predictions)
    settings.predictionWalk = None
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            truths = [str(path) for path in labels]
            found = [script.getPrediction(settings, truth) for truth in truths]
            result = script.evaluateImgLists(found, truths, settings)
    except SystemExit as error:
        raise UserError(f"cityscapesscripts: {said.getvalue().strip()}") from error
    scores = {"mIoU": result["averageScoreClasses"]}
    scores |= {f"IoU_{name}": score for name, score in result["classScores"].items()}
    return {name: float(score) for name, score in scores.items() if score == score}  # NaN: does not occur
