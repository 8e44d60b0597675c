"""Run the evaluation of cityscapesscripts on prediction files."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from pathlib import Path

from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as script

from densevision.errors import UserError


def official_iou(predictions: str | Path, labels: Sequence[str | Path]) -> dict[str, float]:
    """Score prediction files with the script of Cityscapes.

    The script counts all of its 19 classes: for a data set with fewer, the scores agree with ours only if the label
    files contain none of the others.

    Args:
        predictions: folder with label-id images, as ``IoUMetric(out_dir=...)`` writes them.
        labels: paths of the ``*_labelIds.png`` files.
    Returns:
        ``mIoU`` and ``IoU_<class>`` of each class that occurs, 0..1.
    Raises:
        UserError: the script stopped, with its message.
    """
    # Instance scores need files that few data sets have.
    settings = copy.copy(script.args)
    settings.evalInstLevelScore = False
    settings.JSONOutput = False
    settings.quiet = True
    settings.predictionPath = str(predictions)
    settings.predictionWalk = None
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            truths = [str(path) for path in labels]
            found = [script.getPrediction(settings, truth) for truth in truths]
            result = script.evaluateImgLists(found, truths, settings)
    except SystemExit as error:
        raise UserError(f"cityscapesscripts: {printed.getvalue().strip()}") from error
    scores = {"mIoU": result["averageScoreClasses"]}
    scores |= {f"IoU_{name}": score for name, score in result["classScores"].items()}
    return {name: float(score) for name, score in scores.items() if score == score}  # without NaN
