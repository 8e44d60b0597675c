"""The damaged images of a training: kept over resumes, and counted at the end."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmengine.runner import Runner

from densevision.errors import listed

_KEY = "damaged_images"  # in the message hub, and so in checkpoints


def restore_damaged(runner: Runner) -> None:
    """Mark the images that were damaged before a resume."""
    flags = getattr(runner.train_dataloader.dataset, "damaged", None)
    if flags is not None:
        for index in runner.message_hub.runtime_info.get(_KEY) or ():
            if 0 <= index < len(flags):
                flags[index] = True


def store_damaged(runner: Runner, checkpoint: dict) -> None:
    """Add to a checkpoint which images this process has found damaged; without any, nothing."""
    flags = getattr(runner.train_dataloader.dataset, "damaged", None)
    if flags is not None and flags.any() and "message_hub" in checkpoint:
        rows = flags.nonzero().flatten().tolist()
        runner.message_hub.update_info(_KEY, rows)
        checkpoint["message_hub"]["runtime_info"][_KEY] = rows


def damage_line(runner: Runner) -> str | None:
    """Return what to say at the end on the images that all processes have skipped, or None; every one must call it."""
    dataset = runner.train_dataloader.dataset
    flags = getattr(dataset, "damaged", None)
    if flags is None:
        return None
    together = flags.to(torch.uint8)
    all_reduce(together, op="max")
    rows = together.nonzero().flatten().tolist()
    if not rows:
        return None
    paths = dataset.image_paths() if hasattr(dataset, "image_paths") else []
    names = f": {listed([paths[row] for row in rows], 3)}" if paths else ""
    return f"warning: {len(rows):,} of {len(flags):,} training images are damaged and were skipped{names}"
