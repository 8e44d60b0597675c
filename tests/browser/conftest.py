import dataclasses

import pytest

from densevision.images import write_image
from tests.browser.chromium import BROWSER, need_runtime, start, write_camera

CLASSES = {"detector": ["car", "bus"], "segmentor": ["road", "sky", "tree"], "classifier": ["cat", "dog", "cow", "owl"]}
# Name of a file: the model, and what differs from the default export.
FILES = {
    "det-float32": ("detector", {}),
    "det-int8": ("detector", dict(quantize="int8")),
    "det-float16": ("detector", dict(quantize="float16")),
    "det-none": ("detector", dict(postprocess="none")),
    "det-none-int8": ("detector", dict(postprocess="none", quantize="int8")),
    "det-per-class": ("detector", dict(nms="per-class")),
    "seg-float32": ("segmentor", {}),
    "seg-int8": ("segmentor", dict(quantize="int8")),
    "seg-float16": ("segmentor", dict(quantize="float16")),
    "seg-logits": ("segmentor", dict(labels="logits")),
    "seg-logits-int8": ("segmentor", dict(labels="logits", quantize="int8")),
    "seg-full": ("segmentor", dict(upsample=None)),
    "seg-float-input": ("segmentor", dict(input_type="float32")),
    "cls-float32": ("classifier", {}),
    "cls-int8": ("classifier", dict(quantize="int8")),
    "cls-crop": ("classifier", {}),
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A folder with real exports of the toy models, FILES, and sample.png."""
    need_runtime()
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    from densevision.export import convert
    from tests.export.toy import SIZE, classifier, convert_once, detector, random_images, segmentor

    folder = tmp_path_factory.mktemp("exported")
    models = {"detector": detector(), "segmentor": segmentor(), "classifier": classifier(4)}
    plain = convert.ExportOptions(size=SIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "convert", convert_once)
        for name, (kind, choices) in FILES.items():
            images = convert.ExportImages(calibration=random_images(8)) if choices.get("quantize") == "int8" else None
            options = dataclasses.replace(plain, **choices)
            about = dict(classes=CLASSES[kind])
            models["classifier"].center_crop = 0.875 if name == "cls-crop" else None
            arguments = [images] if images else []
            convert.export_tflite(models[kind], folder / f"{name}.tflite", options, *arguments, about=about)
    write_image(folder / "sample.png", random_images(1, (150, 300))[0])
    return folder


@pytest.fixture(scope="session")
def built(exported):
    """The site of all files."""
    from densevision.web.site import build_site

    models = [exported / f"{name}.tflite" for name in FILES]
    return build_site(models, exported / "site", image=exported / "sample.png")


@pytest.fixture(scope="session")
def driver():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make test-web)")
    if BROWSER is None:
        pytest.skip("there is no Chromium (make test-web)")
    with playwright.sync_playwright() as one:
        yield one


@pytest.fixture(scope="session")
def browser(driver, tmp_path_factory):
    """Chromium with a camera that shows a drive, and with the permission to use it."""
    video = write_camera(tmp_path_factory.mktemp("camera") / "drive.y4m")
    one = start(driver, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={video}")
    yield one
    one.close()
