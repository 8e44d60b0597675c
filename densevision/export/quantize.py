"""Quantize a float .tflite; the only importer of ai_edge_quantizer."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.errors import UserError
from densevision.export.tflite_graph import (
    op_name,
    read_graph,
    split_hard_swish,
    take_argmax_in_int8,
    take_uint8,
    write_graph,
)
from densevision.inference.tflite_backend import as_input

# Parts that may stay in float, and what the names of their operators begin with (tflite_graph.name_ops).
FLOAT_PARTS = {"se": r"block\d+\.se/", "stem": "stem/", "predictors": "predictors/", "head": "head/"}
# A segmentation model's padding, its upsampling and the cut that follows it.
_PAD, _UPSAMPLE = ("PAD",), ("RESIZE_BILINEAR", "SLICE", "STRIDED_SLICE")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SIGNATURE = "serving_default"
_WILDEST = 1e6  # an activation past this comes from a broken network, and would abort TFLite
_NARROWEST = 1e-3  # range of a tensor; XNNPACK aborts at the scales of one that is always 0, as of a dead layer


def to_float16(content: bytes) -> bytes:
    """Store the weights as float16; activations stay float32."""
    from ai_edge_quantizer import qtyping, recipe_manager

    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    recipe = recipe_manager.RecipeManager()
    recipe.add_quantization_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, config, algorithm_key="float_casting")
    return _run(content, recipe, None)


@dataclass(frozen=True)
class Ranges:
    """From what the scales of an int8 file follow.

    Attributes:
        activations: "moving-average" of the calibration images' least and greatest values, or "min-max" over all.
        weights: "min-max" of each channel; or narrower ranges, which clip single large weights: "octav" (of the least
            expected error, found by iteration), or "mse" (that of a normal distribution of the weights' variance).
    """

    activations: str = "moving-average"
    weights: str = "min-max"


def to_int8(
    content: bytes,
    images: Sequence[np.ndarray],
    *,
    ranges: Ranges = Ranges(),  # noqa: B008
    float_parts: Sequence[str] = (),
    only: str | None = None,
    uint8_input: bool = True,
) -> bytes:
    """Quantize weights (per channel) and activations to int8.

    Args:
        content: a graph from uint8 pixels, or from float32 ones in -1..1, with the names of ``name_ops``.
        images: [H, W, 3] uint8 RGB of its size; they give the activations' ranges.
        ranges: from what the scales follow.
        float_parts: keys of FLOAT_PARTS that stay in float.
        only: a pattern; operators whose names do not begin with it stay in float.
        uint8_input: give a graph from float32 pixels an input of uint8 ones.
    Raises:
        UserError: an activation is infinite or over a million, or the network has none of the operators of a part.
    """
    split = read_graph(content)
    split_hard_swish(split)
    is_float = split.subgraphs[0].tensors[split.subgraphs[0].inputs[0]].type == schema.TensorType.FLOAT32
    upsamples = any(
        op_name(split, operator) == "RESIZE_BILINEAR" and _name(split, operator).startswith("io/")
        for operator in split.subgraphs[0].operators
    )
    for part in float_parts:
        if part not in FLOAT_PARTS or not _has(split, FLOAT_PARTS[part]):
            raise UserError(f"--float-parts {part}: the network has no such part; leave it out")
    patterns = [FLOAT_PARTS[part] for part in float_parts]
    recipe = _int8_recipe(patterns, only, ranges.weights, upsamples=upsamples)
    input_type = "float32" if is_float else "uint8"
    samples = [{"image": as_input(image[None], input_type)} for image in images]
    quantized = read_graph(_run(write_graph(split), recipe, samples, ranges.activations))
    take_argmax_in_int8(quantized)
    if uint8_input and is_float:
        take_uint8(quantized)
    return write_graph(quantized)


def parts_of(content: bytes) -> dict[str, str]:
    """Return the network's parts in their own order, with the pattern that begins their operators' names.

    They are stem, block00, ..., each gate counting with its block; and "se", all gates together, if there are any.
    """
    model = read_graph(content)
    names = [_name(model, operator) for operator in model.subgraphs[0].operators]
    parts = dict.fromkeys(name.partition("/")[0].partition(".")[0] for name in names)
    patterns = {part: rf"{re.escape(part)}[./]" for part in parts if part != "io"}
    return patterns | ({"se": FLOAT_PARTS["se"]} if _has(model, FLOAT_PARTS["se"]) else {})


def float_parts_of(content: bytes) -> list[str]:
    """Return the keys of FLOAT_PARTS that a network has."""
    model = read_graph(content)
    return [part for part, pattern in FLOAT_PARTS.items() if _has(model, pattern)]


def _has(model: schema.ModelT, pattern: str) -> bool:
    return any(re.match(pattern, _name(model, operator)) for operator in model.subgraphs[0].operators)


def _name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    return model.subgraphs[0].tensors[operator.outputs[0]].name.decode()


def _int8_recipe(float_patterns: Sequence[str], only: str | None, weights: str, *, upsamples: bool) -> Any:
    from ai_edge_quantizer import qtyping, recipe_manager

    kinds, none = qtyping.TFLOperationName, "no_quantize"
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(
        regex=f"^{only}" if only else ".*",
        operation_name=kinds.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    # Of other operators, these algorithms would quantize the constants too, symmetrically, which activations are not.
    for kind in _WEIGHTED if weights != "min-max" else ():
        recipe.add_static_config(
            regex=f"^{only}" if only else ".*",
            operation_name=getattr(kinds, kind),
            activation_num_bits=8,
            weight_num_bits=8,
            algorithm_key=weights.upper(),
        )
    # What follows the network is cheap and stays in float: each map of a detector thus keeps its own scale, and
    # boxes are not rounded to 1/256 of the widest. Only the _PAD, _UPSAMPLE and ARG_MAX of segmentation gain by int8.
    recipe.add_quantization_config("^io/", kinds.ALL_SUPPORTED, algorithm_key=none)
    if not only:
        for kind in _PAD + (_UPSAMPLE if upsamples else ()):
            recipe.add_static_config(
                regex=f"^io/{kind}", operation_name=getattr(kinds, kind), activation_num_bits=8, weight_num_bits=8
            )
    for end in (kinds.INPUT, kinds.OUTPUT):
        recipe.add_quantization_config(".*", end, algorithm_key=none)
    for pattern in float_patterns:
        recipe.add_quantization_config(f"^{pattern}", kinds.ALL_SUPPORTED, algorithm_key=none)
    return recipe


def _run(content: bytes, recipe: Any, samples: list[dict] | None, activations: str = "moving-average") -> bytes:
    from ai_edge_quantizer import calibrator, quantizer
    from ai_edge_quantizer.utils import qsv_utils

    worker = quantizer.Quantizer(content, recipe.get_quantization_recipe())
    ranges = None
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the calibrator keeps tensors in memory
        if samples is not None:
            # The default mode keeps every tensor of every image: ten times the time and memory.
            mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
            update = qsv_utils.min_max_update if activations == "min-max" else qsv_utils.moving_average_update
            run = calibrator.Calibrator(content, num_threads=1, mode=mode, qsv_update_func=update)
            run.calibrate({_SIGNATURE: samples}, recipe)
            ranges = run.get_model_qsvs()
            _check_ranges(ranges)
            _widen_ranges(ranges)
            for bound, value in (("min", -1.0), ("max", 1.0)):  # whatever pixels the calibration saw
                if "image" in ranges:  # not where it is uint8
                    ranges["image"][bound] = np.full_like(ranges["image"][bound], value)
        result = worker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _widen_ranges(ranges: dict) -> None:
    for bounds in ranges.values():
        if np.size(bounds.get("min", ())) and np.size(bounds.get("max", ())):
            bounds["max"] = np.maximum(bounds["max"], bounds["min"] + np.float32(_NARROWEST))


def _check_ranges(ranges: dict) -> None:
    for name, bounds in ranges.items():
        widest = max(float(np.abs(bound).max()) for bound in bounds.values() if np.size(bound))
        if not widest < _WILDEST:
            raise UserError(f"{name}: activations reach {widest:.3g} on the calibration images; the network is broken")
