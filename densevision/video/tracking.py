"""Number the objects of a video, by ByteTrack of the package trackers."""

from __future__ import annotations

import numpy as np

from densevision.errors import UserError
from densevision.structures import Detections


class Tracker:
    """Gives the objects of consecutive frames their numbers; an object that is lost for 30 frames ends its track.

    Args:
        threshold: lowest score of the detections, all of which may begin a track.
    Raises:
        UserError: the package trackers is missing.
    """

    def __init__(self, threshold: float):
        try:
            import supervision
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise UserError("--track needs the package trackers; pip install 'densevision[supervision]'") from error
        self._detections = supervision.Detections
        self._tracker = ByteTrackTracker(
            track_activation_threshold=threshold, high_conf_det_threshold=threshold, minimum_consecutive_frames=1
        )

    def update(self, found: Detections) -> np.ndarray:
        """Return the number of the track of each detection of the next frame, -1 where it has none yet."""
        count = len(found)
        rows = self._detections(
            xyxy=np.asarray(found.boxes, np.float32).reshape(-1, 4),
            confidence=np.asarray(found.scores, np.float32),
            class_id=np.asarray(found.labels, int),
            data=dict(row=np.arange(count)),
        )
        tracked = self._tracker.update(rows)
        ids = np.full(count, -1)
        if count:
            ids[tracked.data["row"]] = tracked.tracker_id
        return ids
