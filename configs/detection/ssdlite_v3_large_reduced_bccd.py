"""SSDLite on V3-Large, halved tail, 320x320: BCCD blood cells, 3 classes.

The training is that of ``ssdlite_v3_small_reduced_bccd``.
Published: none for this model. Ours: AP 0.627 on BCCD val (docs/results.md).

    DENSEVISION_DATA=/folder/with/bccd densevision train ssdlite_v3_large_reduced_bccd
"""

from mmengine.config import read_base

with read_base():
    from densevision.configs.detection.ssdlite_v3_small_reduced_bccd import *

model.backbone.update(name="mobilenet_v3_large")
