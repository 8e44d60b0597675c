"""Print the largest differences between our networks and others with the same random weights (docs/weights.md).

python -m tests.weights.differences
"""

import torch

from densevision.detection.postprocess import PostProcess
from tests.weights.peers import (
    CLASSIFIERS,
    converted,
    largest_difference,
    random_images,
    settled_classifier,
    settled_lraspp,
    settled_ssdlite,
)
from tests.weights.test_equality import RULES, SSDLITE, features_of


def classifiers() -> None:
    for name in CLASSIFIERS:
        theirs = settled_classifier(name)
        ours = converted(name, theirs)
        for height, width in ((64, 80), (51, 67)):
            images = 4 * random_images(2, height, width) - 2
            features = largest_difference(ours.backbone(images)["c5"], features_of(theirs, images))
            logits = largest_difference(ours(images), theirs(images))
            print(f"{name} {height}x{width}: features {features:.1e}, logits {logits:.1e}")


def ssdlite() -> None:
    theirs = settled_ssdlite()
    ours = converted(SSDLITE, theirs)
    images = 2 * random_images(2, 320, 320) - 1
    heads = theirs.head(list(theirs.backbone(images).values()))
    for name, one, other in zip(
        ("logits", "deltas"), ours(images), (heads["cls_logits"], heads["bbox_regression"]), strict=True
    ):
        print(f"SSDLite {name}: {largest_difference(one, other):.1e}")
    theirs, ours = theirs.double(), ours.double()
    ours.anchors, ours.postprocess = ours.anchors.float(), PostProcess(**RULES)
    image = random_images(1, 320, 320).double()
    found, wanted = ours.detect(2 * image - 1)[0], theirs(list(image))[0]
    same = (found.labels + 1).tolist() == wanted["labels"].tolist()
    scores, boxes = (largest_difference(getattr(found, name), wanted[name]) for name in ("scores", "boxes"))
    print(f"SSDLite, {len(found)} detections: same labels and order {same}, scores {scores:.1e}, boxes {boxes:.1e}")


def lraspp() -> None:
    theirs = settled_lraspp()
    ours = converted("torchvision:lraspp_mobilenet_v3_large", theirs)
    for size in ((96, 128), (97, 131)):
        images = 4 * random_images(2, *size) - 2
        print(f"LR-ASPP logits {size}: {largest_difference(ours(images), theirs(images)['out']):.1e}")


if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.no_grad():
        classifiers()
        ssdlite()
        lraspp()
