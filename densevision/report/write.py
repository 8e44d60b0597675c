"""Write ``report.html`` and ``report.json`` after a training or an evaluation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from densevision.atomic import write_whole
from densevision.evaluation import FinishedTest
from densevision.inspection.doctor import inspect_source
from densevision.inspection.source import config_source
from densevision.report.content import Run, build_content
from densevision.report.page import render_report
from densevision.stages import quiet
from densevision.training.checkpoint_hook import CheckpointHook
from densevision.training.curves import CurvesHook
from densevision.training.metrics import details_of
from densevision.training.progress import ranking_metric

_MOST_IMAGES = 20_000  # that a report reads again


def report_training(runner: Runner) -> dict[str, str]:
    """Write the report of a finished training into its work dir, in the main process.

    Shown are the evaluation that chose ``best.pth``, or the last one where that was before a resume; nothing is
    evaluated again.

    Returns:
        The paths by kind; empty if the report could not be written, which one printed line says: a training is never
        lost by its report.
    """
    return _write(lambda: _training_run(runner), Path(runner.work_dir)) if is_main_process() else {}


def report_test(test: FinishedTest) -> dict[str, str]:
    """Write the report of an evaluation next to its result files; as ``report_training``."""

    def run() -> Run:
        ranking = ranking_metric(test.config)
        details = details_of(test.metrics)
        return Run(
            "test",
            test.config,
            test.model,
            test.figures,
            details,
            ranking,
            data_lines=test.data_lines,
            checkpoint=str(test.checkpoint),
        )

    return _write(run, test.folder)


def _write(run: Callable[[], Run], folder: Path) -> dict[str, str]:
    page, figures = folder / "report.html", folder / "report.json"
    try:
        content, examples = build_content(run())
        write_whole(figures, f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode())
        write_whole(page, render_report(content, examples).encode(errors="surrogateescape"))
    except Exception as error:  # whatever it is: the results themselves are written
        reason = (str(error).splitlines() or [""])[0]
        print(f"warning: no report was written: {type(error).__name__}: {reason}", flush=True)
        return {}
    return dict(report=str(page), report_json=str(figures))


def _training_run(runner: Runner) -> Run:
    saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    evaluated = saver and (saver.best_evaluation or saver.last_evaluation)
    info = runner.message_hub.runtime_info
    iterations = dict(all=runner.iter, best=info.get("best_iteration"))
    if evaluated:
        iterations["shown"] = evaluated.iteration
    rows = next((hook.rows for hook in runner.hooks if isinstance(hook, CurvesHook)), [])
    return Run(
        "training",
        runner.cfg,
        runner.model,
        evaluated.metrics if evaluated else {},
        evaluated.details if evaluated else [],
        ranking_metric(runner.cfg),
        {name: number for name, number in iterations.items() if number is not None},
        rows,
        runner.data_lines,
        _findings(runner.cfg),
    )


def _findings(config: Config) -> list[dict[str, Any]] | None:
    """Read all data of a config once more, as ``densevision check`` does; None where that takes minutes or fails."""
    source = config_source(config, str(config.filename))
    datasets = [split.dataset for split in source.splits if split.dataset is not None]
    if not all(hasattr(one, "image_paths") for one in datasets) or sum(map(len, datasets)) > _MOST_IMAGES:
        return None
    with quiet():
        return [dataclasses.asdict(finding) for finding in inspect_source(source).findings]
