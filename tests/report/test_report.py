"""The page and the json of a run: figures by hand, one file without network, and how a real browser shows it."""

import base64
import json
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from densevision.images import write_image
from densevision.report import write
from densevision.report.content import build_content, flatten
from densevision.report.page import render_report
from densevision.report.svg import Axis, Series, line_chart
from densevision.segmentation.details import PixelDetails, ScoredImage
from tests.report.conftest import CURVES, make_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Reader(HTMLParser):
    """Collects the sources of images, texts by element, and elements that are never closed."""

    VOID = {"meta", "link", "img", "br", "path", "circle"}

    def __init__(self, page):
        super().__init__()
        self.open, self.images, self.wrong, self.addresses = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.images += [values["src"]] if tag == "img" else []
        self.addresses += [values[name] for name in ("src", "href") if name in values]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_json_has_the_figures_by_hand(made):
    content, _ = made
    found = content["detection"]  # derived in tests/detection/test_thresholds.py
    assert found["score_threshold"] == 0.599 and found["mean_f1"] == pytest.approx(2 / 3)
    cat, dog = found["classes"]
    assert (cat["name"], cat["objects"], cat["best"]["score"], cat["best"]["f1"]) == ("cat", 3, 0.599, 2 / 3)
    assert (dog["best"]["score"], dog["best"]["precision"], dog["best"]["recall"]) == (0.799, 1, 0.5)
    assert [cat["at_threshold"][name] for name in ("true", "false", "missed")] == [2, 1, 1]
    assert found["confusion"] == dict(labels=["cat", "dog", "background"], counts=[[2, 0, 1], [0, 1, 1], [1, 0, 0]])
    assert [(one["low"], one["objects"], one["missed"]) for one in found["sizes"]] == [
        (8, 3, 1),
        (16, 1, 1),
        (32, 1, 0),
    ]
    # precision of the cats: 1 up to recall 1/3 (0.9), then 2/3 up to recall 2/3 (0.6), then nothing: 34 + 33 of 101
    assert found["precision"]["cat"] == pytest.approx([1] * 34 + [2 / 3] * 33 + [0] * 34)
    model = content["model"]
    assert (model["parameters"], model["madds"], model["weights_bytes"]) == (112, 27648, 448)
    assert model["latency_ms"] > 0 and "thread" in model["latency_by"]
    assert content["metric"]["name"] == "coco/AP" and content["curves"] == CURVES
    kinds = [(one["kind"], one["image"], one["result"]) for one in content["examples"]]
    assert kinds[:2] == [
        ("worst", "3.png", "0 found, 1 missed, 0 false"),
        ("worst", "2.png", "1 found, 1 missed, 0 false"),
    ]
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_page_is_one_well_formed_file(made):
    page = render_report(*made)
    reader = Reader(page)
    assert not reader.open and not reader.wrong
    assert all(address.startswith("data:") for address in reader.addresses)
    assert not re.search(r"https?://|@import|<script", page)
    assert len(reader.images) == 2 * len(made[1]) > 0
    for source in reader.images:
        data = base64.b64decode(source.partition("base64,")[2])
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (460, 460, 3)
    assert page.count("<svg") == 5  # loss, metrics, learning rate; precision over recall, F1 over the score


def test_names_of_classes_and_configs_are_escaped(tmp_path):
    names = ("<script>alert(1)</script>", "a&b\"'")
    content, examples = build_content(make_run(tmp_path, names))
    page = render_report(content, examples)
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page and not Reader(page).wrong


def test_findings_of_the_data_are_listed(tmp_path):
    finding = dict(kind="identical-splits", severity="warning", split="val", text="2 images <also> in train")
    finding |= dict(action="use", effect="the metric is too good", count=2, files=("a.jpg", "b.jpg"), twins=("c", "d"))
    content, examples = build_content(make_run(tmp_path, findings=[finding]))
    page = render_report(content, examples)
    assert "2 images &lt;also&gt; in train" in page and "a.jpg = c<br>b.jpg = d<br>" in page and "2 files" in page
    assert content["findings"] == [finding | dict(files=["a.jpg", "b.jpg"], twins=["c", "d"])]
    assert not Reader(page).wrong
    nothing = render_report(*build_content(make_run(tmp_path, findings=[])))
    assert "Reading every file found nothing" in nothing
    assert "densevision check" in render_report(*build_content(make_run(tmp_path)))


WIDTHS = (1280, 390)
PROBE = """
window.onload = () => {
  document.body.id = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, all = selector => [...page.querySelectorAll(selector)]
    return [
      page.documentElement.scrollWidth,
      all("img").filter(one => one.naturalWidth > 0 && one.getBoundingClientRect().width > 100).length,
      all("svg").filter(one => one.getBoundingClientRect().width > 300).length,
      all("h2").filter(one => one.getBoundingClientRect().height > 0).length,
    ].join(",")
  }).join(";")
}
"""


def in_browser(page, tmp_path):
    """Return what Chromium shows at each width: width of the content, and numbers of images, charts and headings."""
    frames = "".join(f'<iframe width="{width}" height="900" srcdoc="{escape(page)}"></iframe>' for width in WIDTHS)
    path = tmp_path / "frames.html"
    path.write_text(f"<body>{frames}<script>{PROBE}</script></body>")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    ran = subprocess.run([BROWSER, *words, path.as_uri()], capture_output=True, text=True, timeout=100)
    (found,) = re.findall(r'<body id="([\d,;]+)"', ran.stdout)
    return [tuple(map(int, one.split(","))) for one in found.split(";")]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: the page is not looked at in a browser")
def test_a_browser_shows_all_of_it_without_scrolling_sideways(made, tmp_path):
    page = render_report(*made)
    for width, (content, images, charts, headings) in zip(WIDTHS, in_browser(page, tmp_path), strict=True):
        assert content <= width
        assert images == 2 * len(made[1]) and charts == 5 and headings == page.count("<h2>")


def pixel_run(folder):
    gt = np.zeros((8, 8), np.uint8)
    gt[4:] = 1
    write_image(folder / "a.png", np.full((8, 8, 3), 90, np.uint8))
    image = ScoredImage(str(folder / "a.png"), 0.5, np.zeros((8, 8), np.uint8), gt)
    gone = ScoredImage(str(folder / "gone.png"), 0.9, gt, gt)
    confusion = np.array([[32, 0, 0], [32, 0, 0], [0, 0, 0]])
    details = PixelDetails(("sky", "road", "car"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), confusion, (image,), (gone,))
    metrics = {"seg/mIoU": 0.25, "seg/aAcc": 0.5}
    return make_run(folder, metrics=metrics, details=[details], ranking="seg/mIoU")


def test_a_segmentation_report(tmp_path):
    content, examples = build_content(pixel_run(tmp_path))
    sky, road, car = content["segmentation"]["classes"]
    assert sky == dict(name="sky", IoU=0.5, precision=0.5, recall=1, share=0.5)
    assert (road["IoU"], road["precision"], car["IoU"], car["share"]) == (0, None, None, 0)
    assert content["warnings"] == [
        "Never found: road. More images with them help.",
        "Without pixels in these data, so not measured: car.",
    ]
    assert [one.name for one in examples] == ["a.png"]  # the other file is gone
    page = render_report(content, examples)
    assert "road as sky (100.0 %)" in page and not Reader(page).wrong


def test_a_worthless_result_is_named_with_what_helps(tmp_path):
    content, examples = build_content(make_run(tmp_path, metrics={"coco/AP": 0.004}))
    assert content["worthless"] and content["warnings"][0].startswith("This model is worthless: coco/AP is 0.40 of 100")
    assert "init_from" in content["warnings"][0]
    assert "records this score" not in render_report(content, examples)  # nor does the checkpoint


def test_overfitting_and_a_resume_are_named(tmp_path):
    rows = [{"iteration": 2, "coco/AP": 0.5}, {"iteration": 8, "coco/AP": 0.4}]
    run = make_run(tmp_path, metrics={"coco/AP": 0.5}, curves=rows, iterations=dict(all=8, best=2, shown=8))
    resumed, overfit = build_content(run)[0]["warnings"][:2]
    assert resumed.startswith("The figures are of iteration 8; best.pth is of iteration 2")
    assert "at iteration 2 of 8" in overfit and "overfitting" in overfit


def test_a_run_with_metrics_of_its_own_has_a_report(tmp_path):
    run = make_run(tmp_path, metrics={"own/count": 3, "own/word": "x"}, details=["?"], ranking=None, curves=[])
    content, examples = build_content(run)
    page = render_report(content, examples)
    assert content["metrics"] == {"own/count": 3} and "own/count" in page and "detection" not in content
    assert render_report(*build_content(make_run(tmp_path, metrics={}, details=[], curves=[])))


def test_a_report_that_fails_is_one_line(tmp_path, capsys):
    (tmp_path / "report.json").mkdir()
    assert write._write(lambda: make_run(tmp_path), tmp_path) == {}
    out = capsys.readouterr().out
    assert out.startswith("warning: no report was written: ") and out.count("\n") == 1
    assert not (tmp_path / "report.html").exists() and not list(tmp_path.glob(".*part*"))


def test_a_line_chart_by_hand():
    chart = line_chart([Series("a", [(0, 0), (10, 1), (20, float("nan"))])], Axis("x"), Axis("y"))
    # the plot is from 52 to 466 and from 242 up to 10
    assert 'd="M52.0 242.0L466.0 10.0"' in chart and "a</li>" in chart
    for value in ("0.2", "0.8", "1"):
        assert f">{value}</text>" in chart
    logarithmic = line_chart([Series("a", [(0, 1), (10, 100)])], Axis("x"), Axis("y", log=True))
    assert [value for value in (1, 2, 5, 10, 20, 50, 100) if f">{value}</text>" in logarithmic] == [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
    ]
    assert line_chart([Series("a", [])], Axis("x"), Axis("y")) == ""
    assert "<circle" in line_chart([Series("a", [(3, 5)])], Axis("x", low=0), Axis("y", log=True))


def test_a_config_is_flattened_for_comparison():
    config = dict(a=dict(b=1, c=[dict(type=Axis), dict(d=(1, 2))]), e=[])
    assert flatten(config) == {"a.b": "1", "a.c.0.type": "densevision.report.svg.Axis", "a.c.1.d": "(1, 2)", "e": "[]"}
