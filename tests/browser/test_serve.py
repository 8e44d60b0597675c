"""``densevision serve`` and its page in a real Chromium: threads, the network address, timings that come back."""

import contextlib
import threading

import pytest

from densevision.benchmark.browser import browser_rows, read_browser_results
from densevision.web.session import Session, open_session
from tests.browser.chromium import FOREIGN_HOST, Tab

pytestmark = pytest.mark.slow


class Served:
    """What ``Tab`` asks of a site."""

    def __init__(self, port):
        self.port = port

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}/"


@contextlib.contextmanager
def served(exported, **settings):
    """Serve two files; yields the site, the addresses in the network, and the lines that the command prints."""
    models, lines = [exported / "det-none.tflite", exported / "det-none-int8.tflite"], []
    session = Session(models, port=0, image=exported / "sample.png", **settings)
    with open_session(session, lines.append) as ready:
        thread = threading.Thread(target=ready.server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Served(ready.server.port), ready.addresses, lines
        finally:
            ready.server.shutdown()
            thread.join()


def send(tab):
    """Time the models, which takes 6 s each, and send the result."""
    tab.page.click("#time")
    tab.page.wait_for_selector("#timings:not([hidden])", timeout=240_000)
    tab.page.click("#send")
    tab.wait("() => sent.textContent")
    return tab.page.inner_text("#sent")


def test_the_page_has_threads_and_its_timing_comes_back(browser, exported, tmp_path):
    times = tmp_path / "times.json"
    with served(exported, results=times) as (site, _, lines):
        tab = Tab(browser, site).ready()
        assert tab.page.inner_text("#caption0 span").startswith("✓ Same as in Python")
        assert tab.page.evaluate("crossOriginIsolated") and tab.ask("start")["build"] == "threaded"
        assert send(tab) == "Sent."
        tab.check()
    (line,) = lines
    assert line.startswith("Chrome ") and "det-none.tflite" in line and "det-none-int8.tflite" in line
    results = read_browser_results(times)
    files = [exported / "det-none-int8.tflite", exported / "det-none.tflite"]
    (row,), (other,) = browser_rows(results, files).values()
    assert (row.ratio.median, results[0].isolated) == (1, True) and other.ratio.low <= other.ratio.median
    assert row.times.threads > 1 and len(row.times.times_ms) >= 20


def test_at_the_network_address_there_is_one_thread_and_timings_come_back(browser, exported, tmp_path):
    times = tmp_path / "times.json"
    with served(exported, lan=True, results=times) as (site, addresses, _):
        tab = Tab(browser, site, host=addresses[0]).ready()
        assert not tab.page.evaluate("crossOriginIsolated") and not tab.page.evaluate("isSecureContext")
        assert tab.page.inner_text("#caption0 span").startswith("✓ Same as in Python")
        assert send(tab) == "Sent."
        tab.check()
    (result,) = read_browser_results(times)
    assert (result.isolated, result.build, {one.threads for one in result.models}) == (False, "default", {1})


def test_a_domain_that_resolves_to_this_machine_gets_nothing(browser, exported):
    with served(exported) as (site, _, _):
        tab = Tab(browser, site, host=FOREIGN_HOST, permissions=())
        assert tab.page.inner_text("body").startswith("421 Misdirected Request: open this server by the address that")
        tab.context.close()


def test_a_page_of_another_site_can_neither_read_nor_post(browser, exported, tmp_path):
    times = tmp_path / "times.json"
    with served(exported, results=times) as (target, _, lines), served(exported) as (other, _, _):
        tab = Tab(browser, other).ready()
        code = """async (url) => {
          const body = "{}", headers = {"Content-Type": "application/json"};
          const tries = [{}, {body, method: "POST"}, {body, method: "POST", headers}];
          const texts = [];
          for (const mode of ["cors", "no-cors"]) {
            for (const one of tries) {
              try { texts.push(await (await fetch(url + "results", {...one, mode})).text()); }
              catch { texts.push("refused"); }
            }
          }
          return texts;
        }"""
        assert set(tab.page.evaluate(code, target.url())) <= {"refused", ""}
        tab.context.close()
        assert lines == [] and not times.exists()
