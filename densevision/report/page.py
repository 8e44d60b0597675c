"""Render the figures of a report as one HTML page that needs no other file, no script and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from densevision.report.charts import course_charts, score_charts
from densevision.report.examples import Example
from densevision.report.matrix import confusion_view
from densevision.task import TASKS

Content = Mapping[str, Any]


def render_report(content: Content, examples: Sequence[Example]) -> str:
    """Return ``report.html``.

    Args:
        content, examples: from ``build_content``.
    """
    detection = content.get("detection")
    return _render(
        "report.html.jinja",
        c={**dict.fromkeys(TASKS), **content},
        facts=headline(content),
        charts=dict(course=course_charts([content]), scores=score_charts(detection) if detection else []),
        total=_total(detection["classes"]) if detection else None,
        most=max((one["objects"] for one in detection["sizes"]), default=1) if detection else 1,
        confusion=confusion_view(content),
        examples=examples,
    )


def render_comparison(names: Sequence[str], contents: Sequence[Content], tables: Mapping[str, Any]) -> str:
    """Return the page of ``densevision compare``.

    Args:
        names: of the runs.
        contents: of their reports.
        tables: rows to show by title.
    """
    named = [{**content, "name": name} for name, content in zip(names, contents, strict=True)]
    return _render("compare.html.jinja", names=names, tables=tables, charts=course_charts(named))


def _render(template: str, **values: object) -> str:
    folder = files("densevision.report")
    texts = {name: folder.joinpath(name).read_text() for name in (template, "style.css")}
    environment = Environment(
        loader=DictLoader(texts), autoescape=True, undefined=StrictUndefined, trim_blocks=False, lstrip_blocks=True
    )
    return environment.get_template(template).render(style=texts["style.css"], **values)


def headline(content: Content) -> list[dict[str, str]]:
    """Return the facts at the top: name, value and note of each."""
    metric, model, iterations = content["metric"], content["model"], content["iterations"]
    facts = []
    if metric["name"]:
        shown = format_metric(metric["value"], is_share=metric["is_share"])
        notes = ["of 100"] if metric["is_share"] else []
        notes += [f"at iteration {iterations['shown']:,}"] if "shown" in iterations else []
        facts.append(_fact(metric["name"], shown, ", ".join(notes)))
    if "all" in iterations:
        best = f"best at {iterations['best']:,}" if "best" in iterations else ""
        facts.append(_fact("iterations", f"{iterations['all']:,}", best))
    facts.append(_fact("model", model["name"], model.get("quantize", "")))
    if "input_size" in model:
        facts.append(_fact("input", "x".join(map(str, model["input_size"])), "height x width, pixels"))
    facts += _costs(model)
    detection = content.get("detection")
    if detection and detection["threshold_is_best"]:
        note = f"mean F1 {100 * detection['mean_f1']:.1f}"
        facts.append(_fact("score threshold", f"{detection['score_threshold']:.3f}", note))
    return facts


def _costs(model: Content) -> list[dict[str, str]]:
    facts = []
    if "parameters" in model:
        size = f"{model['weights_bytes'] / 1e6:.1f} MB of weights"
        facts.append(_fact("parameters", f"{model['parameters']:,}", size))
    if "file_bytes" in model:
        facts.append(_fact("file", f"{model['file_bytes'] / 1e6:.2f} MB", f"{model['file_bytes']:,} bytes"))
    if "madds" in model:
        facts.append(_fact("multiply-adds", format_count(model["madds"]), f"{model['madds']:,} per image"))
    if "latency_ms" in model:
        note = f"{model['latency_by']}; median of {model['latency_runs']}"
        facts.append(_fact("time per image", f"{model['latency_ms']:.3g} ms", note))
    return facts


def _fact(name: str, value: str, note: str) -> dict[str, str]:
    return dict(name=name, value=value, note=note)


def format_metric(value: float | None, *, is_share: bool) -> str:
    """Format a metric: one of a task's own, 0 to 1, in percent."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}" if is_share else f"{value:.4g}"


def format_count(number: float) -> str:
    """Format a large number with three digits and its unit: "231 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:g}"


def _total(classes: Sequence[Content]) -> dict[str, Any]:
    """Add up the counts of all classes."""
    counts = [one["at_threshold"] for one in classes]
    true, false, missed = (sum(one[name] for one in counts) for name in ("true", "false", "missed"))
    return dict(
        true=true,
        false=false,
        missed=missed,
        precision=true / (true + false) if true + false else None,
        recall=true / (true + missed) if true + missed else None,
        f1=2 * true / (2 * true + false + missed) if true + missed else None,
    )
