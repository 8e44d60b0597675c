"""The page with real models in a real Chromium, from a plain server of its folder."""

import json
import re

import pytest

from densevision.web.runtime import OWN_FOLDER
from tests.browser.chromium import FOREIGN_HOST, Site, Tab, start
from tests.browser.conftest import FILES

pytestmark = pytest.mark.slow


@pytest.fixture
def site(built):
    one = Site(built)
    yield one
    one.server.shutdown()


@pytest.fixture
def tab(browser, site):
    one = Tab(browser, site).ready()
    yield one
    one.check()


def test_every_kind_of_file_gives_pythons_answer(tab, site):
    worst = {}
    for model in site.models:
        tab.ask("load", model=model)
        found = tab.ask("check", model=model, size=[150, 300])
        assert found.pop("samePixels")
        worst[model["name"].removesuffix(".tflite")] = found
    assert set(worst) == set(FILES)
    for name, found in worst.items():
        if name.startswith("seg"):
            assert found == {"labels": 1}, name
        else:
            assert found["sameObjects"] and found["scores"] < 1e-5 and found["boxes"] < 1e-5 * 300, (name, found)
    found = [len(model["answer"].get("detections", "none")) for model in site.models]
    assert min(found) > 0  # the toy detectors find something


def test_the_page_shows_each_model_next_to_pythons_answer(tab, site):
    for at, model in enumerate(site.models):
        tab.page.select_option("#model", str(at))
        condition = "name => caption0.innerText.startsWith(name) && caption0.querySelector('span')"
        tab.wait(condition, model["name"])
        assert tab.page.inner_text("#caption0 span").startswith("✓ Same as in Python")
        assert tab.page.get_attribute("#view0", "aria-label").startswith(f"{model['name']} found: ")
        assert tab.page.is_visible("#legend") == model["name"].startswith("seg")
        assert tab.page.is_visible("#threshold") == model["name"].startswith("det")
    tab.page.click("#about summary")
    facts = tab.page.inner_text("#facts")
    assert "float16 weights are stored as float32" in facts and "one thread, as its NMS per class needs" in facts


def colors(tab, view="view0"):
    """Return how many colors a view has."""
    code = """id => new Set(new Uint32Array(document.getElementById(id).getContext("2d").getImageData(
        0, 0, document.getElementById(id).width, document.getElementById(id).height).data.buffer)).size"""
    return tab.page.evaluate(code, view)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_camera_shows_two_models_side_by_side(browser, site, width):
    tab = Tab(browser, site, width=width).ready()
    tab.page.click("#camera")
    tab.page.select_option("#other", str([*FILES].index("seg-int8")))
    tab.wait("() => caption0.innerText.includes('frames/s')")
    assert tab.page.get_attribute("#camera", "aria-pressed") == "true"
    assert colors(tab) > 100 and colors(tab, "view1") > 100
    frames = (
        "() => new Promise(done => { let n = 0; const step = () => { n++; video.requestVideoFrameCallback(step); };"
    )
    assert tab.page.evaluate(frames + "step(); setTimeout(() => done(n), 1000); })") > 3
    assert tab.page.inner_text("#caption1").startswith("seg-int8.tflite · ")
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width
    tab.page.click("#sample")
    tab.wait("() => video.srcObject === null")  # the camera is off
    tab.check()


def test_the_camera_finds_boxes_of_known_classes(tab):
    tab.page.click("#camera")
    tab.page.fill("#threshold", "0.05")
    tab.wait("() => / \\d+ × (car|bus)/.test(caption0.innerText)")


def test_a_photo_is_shown_and_a_broken_one_is_named(tab, exported, tmp_path):
    tab.page.set_input_files("#file", exported / "sample.png")
    tab.wait("() => caption0.innerText.includes('network ')")
    size = tab.page.evaluate("[view0.width, view0.height]")
    assert size == [300, 150] and colors(tab) > 100
    assert "this image of 300 × 150 is stretched" not in tab.page.inner_text("body")  # 96 x 64 is near enough
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    tab.page.set_input_files("#file", tmp_path / "bad.jpg")
    assert tab.fault() == "bad.jpg can't be read as an image; choose a JPEG or PNG."


@pytest.mark.parametrize("isolated", [True, False])
def test_threads_follow_from_the_servers_headers(browser, site, isolated):
    if isolated:
        site.isolate()
    tab = Tab(browser, site).ready()
    found = tab.ask("start")
    assert found["build"] == ("threaded" if isolated else "default")
    assert (found["threads"] > 1) == isolated
    (per_class,) = (model for model in site.models if model["name"] == "det-per-class.tflite")
    tab.ask("load", model=per_class)
    assert tab.ask("check", model=per_class, size=[150, 300])["sameObjects"]
    tab.check()


def test_a_browser_without_relaxed_simd_takes_the_compat_build(browser, site, built):
    core = (built / "runtime/core.js").read_text()
    check = '"relaxedSimd": () => {'
    assert core.count(check) == 1
    site.answers["runtime/core.js"] = core.replace(
        check, f"{check} return Promise.resolve({{supported: false}});"
    ).encode()
    tab = Tab(browser, site).ready()
    assert tab.ask("start")["build"] == "compat"
    assert tab.page.inner_text("#caption0 span").startswith("✓ Same as in Python")
    tab.check()


def test_without_https_the_page_says_why_there_is_no_camera_and_times(browser, site, built):
    manifest = json.loads((built / "site.json").read_text())
    manifest["models"] = manifest["models"][:2]
    site.answers["site.json"] = json.dumps(manifest).encode()
    tab = Tab(browser, site, host=FOREIGN_HOST, permissions=()).ready()
    tab.page.click("#camera")
    assert tab.fault().startswith("The camera needs https, or localhost")
    assert tab.page.get_attribute("#sample", "aria-pressed") == "true"
    assert tab.page.inner_text("#caption0 span").startswith("✓ Same as in Python")
    timed(tab)
    tab.page.click("#copy")  # without a clipboard
    assert "kind" in tab.page.evaluate("getSelection().toString()")
    tab.check()


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (("--deny-permission-prompts",), "The camera was not allowed. "),
        (
            ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0"),
            "This device has no ",
        ),
    ],
    ids=["no permission", "no camera"],
)
def test_without_a_camera_or_permission_the_page_says_so(driver, site, flags, fault):
    browser = start(driver, *flags)
    tab = Tab(browser, site, permissions=()).ready()
    tab.page.click("#camera")
    assert tab.fault().startswith(fault)
    tab.wait("() => caption0.querySelector('span')")  # back at the sample
    tab.check()
    browser.close()


def timed(tab):
    """Time the page's models, which takes 6 s each."""
    tab.page.click("#time")
    tab.page.wait_for_selector("#timings:not([hidden])", timeout=240_000)
    return json.loads(tab.page.evaluate("json.textContent"))


def test_times_are_complete_and_can_be_sent(browser, site, built, exported):
    manifest = json.loads((built / "site.json").read_text())
    manifest.update(results=True, models=manifest["models"][:2])
    site.answers["site.json"] = json.dumps(manifest).encode()
    tab = Tab(browser, site, width=390).ready()
    found = timed(tab)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
    assert found["build"] == "default" and found["isolated"] is False and found["unit"] == "ms"
    assert found["user_agent"] == tab.page.evaluate("navigator.userAgent") and found["cores"] >= 1
    assert [model["sha256"] for model in found["models"]] == [model["sha256"] for model in manifest["models"]]
    for model in found["models"]:
        times = sorted(model["times_ms"])
        assert 20 <= len(times) <= 500 and model["threads"] == 1
        assert times[0] == model["min"] <= model["median"] <= model["p90"] <= times[-1]
        assert times[(len(times) - 1) // 2] <= model["median"] <= times[len(times) // 2]
    assert tab.page.locator("#rows tr").count() == 2
    tab.page.click("#send")
    tab.wait("() => sent.textContent === 'Sent.'")
    ((path, body),) = site.posted
    assert path == "/results" and json.loads(body) == found
    tab.check()


def test_300_frames_leave_the_heap_as_it_was(browser, site):
    tab = Tab(browser, site).ready()
    models = [site.models[0], site.models[[*FILES].index("seg-float32")]]
    for model in models:
        tab.ask("load", model=model)
    code = """async ([models, count]) => {
        const { ask } = await import("./client.js");
        for (let frame = 0; frame < count; frame++) {
            const image = await createImageBitmap(document.getElementById("view0"));
            const targets = models.map(({ size }) => size);
            const answer = await ask("run", { models, image, targets, smooth: true }, [image]);
            answer.image.close();
        }
    }"""

    def heap():
        (worker,) = tab.page.workers
        return [
            target.evaluate("() => { gc(); gc(); return performance.memory?.usedJSHeapSize ?? 0; }")
            for target in (tab.page, worker)
        ] + [tab.ask("start")["wasmBytes"]]

    tab.page.evaluate(code, [models, 30])
    before = heap()
    tab.page.evaluate(code, [models, 300])
    after = heap()
    assert all(late - early < 2e6 for early, late in zip(before, after, strict=True)), (before, after)
    tab.check()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (lambda content: None, "det-float32.tflite can't be downloaded (404)."),
        (lambda content: content[:-100], "det-float32.tflite is cut or was replaced: "),
        (lambda content: b"<!doctype html>" * 10, "det-float32.tflite is not a .tflite file."),
        (lambda content: content[:2000] + b"?" + content[2001:], "det-float32.tflite is not the file that this page"),
    ],
    ids=["missing", "cut", "foreign", "changed"],
)
def test_a_wrong_model_is_one_sentence_in_the_page(browser, site, built, answer, fault):
    file = site.models[0]["file"]
    site.answers[file] = answer((built / file).read_bytes())
    tab = Tab(browser, site)
    assert tab.fault().startswith(fault)
    tab.page.select_option("#model", "1")  # the page lives on
    tab.ready()
    assert tab.page.is_hidden("#fault")
    tab.check()


def test_a_folder_that_was_published_in_part_is_one_sentence_in_the_page(browser, site):
    site.answers["site.json"] = None
    tab = Tab(browser, site)
    assert tab.fault() == "site.json can't be downloaded; publish the whole folder of densevision web."
    tab.check()


def test_the_runtime_is_the_pinned_one(built):
    for name in ("litert_wasm_internal.wasm", "litert_wasm_compat_internal.js"):
        assert (built / "runtime" / name).read_bytes() == (OWN_FOLDER / name).read_bytes()


def objects(caption):
    """Return the number of objects that a caption such as "m.tflite · 3 × car, 1 × bus" counts."""
    return sum(map(int, re.findall(r"(\d+) ×", caption)))


def test_controls_have_names_and_work_by_keyboard(tab):
    unnamed = """() => [...document.querySelectorAll("button, select, input, canvas, progress")].filter(
        one => !(one.textContent.trim() || one.labels?.length || one.getAttribute("aria-label"))).map(one => one.id)"""
    assert tab.page.evaluate(unnamed) == ["view1"]  # hidden
    tab.page.focus("#threshold")
    before = tab.page.inner_text("#threshold-value")
    tab.page.keyboard.press("ArrowRight")
    assert float(tab.page.inner_text("#threshold-value")) == pytest.approx(float(before) + 0.01)
    shown = tab.page.inner_text("#caption0")
    assert objects(shown) > 0
    tab.page.keyboard.press("End")  # the caption follows, and still compares with Python
    tab.wait("before => caption0.innerText !== before", shown)
    assert objects(tab.page.inner_text("#caption0")) < objects(shown)
    assert tab.page.inner_text("#caption0 span").startswith("✓ Same as in Python")
