"""Run a model as ``densevision test`` does: through its own preprocessor and predict mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


@torch.inference_mode()
def predict_sample(model: Any, pixels: np.ndarray, sample: Any, size: tuple[int, int]) -> Any:
    """Predict one image and return its ``pred``.

    Args:
        pixels: [h, w, 3] RGB, of the size that the model's data set gives.
        sample: an empty one of the task.
        size: (height, width) of the original image.
    """
    sample.set_metainfo(dict(ori_size=size, input_size=pixels.shape[:2]))
    inputs = torch.from_numpy(pixels.transpose(2, 0, 1))
    (sample,) = model.test_step(dict(inputs=[inputs], data_samples=[sample]))
    return sample.pred
