"""Compare the CPU time of .tflite files in Chromium with that of the native runtime, on one thread (Linux).

    python tools/benchmarks/web_speed.py MODEL.tflite ...

needs Chromium, playwright and the browser runtime (make test-web installs them). The figures are in docs/web.md.
"""

import argparse
import functools
import http.server
import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from densevision.benchmark.timing import time_models
from densevision.web.site import build_site

RUNS, ROUNDS = 20, 7
CODE = """async ([file, runs]) => {
    const engine = await import("./engine.js"), check = await import("./check.js");
    const site = await (await fetch("site.json")).json();
    const model = site.models.find((one) => one.file === file);
    await engine.start();
    await engine.load(model);
    const input = engine.makeInput(model, await check.samplePixels(model));
    for (let run = 0; run < runs; run++) engine.release(await engine.invoke(model, input));
    input.delete();
}"""


def worker_threads():
    """Return the schedstat files of browsers' workers, whose first figure is the CPU time in ns."""
    found = Path("/proc").glob("[0-9]*/task/*/comm")
    return {path.with_name("schedstat") for path in found if "DedicatedWorker" in _text(path)}


def _text(path):
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""


def browser_times(page, model, clock):
    """Return the CPU time in ms per run of each round."""
    (worker,) = page.workers
    worker.evaluate(CODE, [model["file"], 3 * RUNS])
    times = []
    for _ in range(ROUNDS):
        spent = []
        for runs in (1, 1 + RUNS):  # the difference is that of the runs alone
            before = int(clock.read_text().split()[0])
            worker.evaluate(CODE, [model["file"], runs])
            spent.append(int(clock.read_text().split()[0]) - before)
        times.append((spent[1] - spent[0]) / RUNS / 1e6)
    return np.array(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    paths = parser.parse_args().models
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        site = build_site(paths, Path(folder) / "site")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _quiet(site))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page, others = browser.new_page(), worker_threads()
        page.goto(f"http://127.0.0.1:{server.server_port}")
        page.wait_for_selector("#caption0 span", timeout=120_000)
        models = page.evaluate("fetch('site.json').then((answer) => answer.json()).then(({ models }) => models)")
        (clock,) = worker_threads() - others
        print(f"{'file':24} {'native ms':>9} {'browser ms':>10} {'ratio':>6}")
        for path, model in zip(paths, models, strict=True):
            native = time_models([path], runs=50)[0].median_ms
            times = browser_times(page, model, clock)
            print(f"{path.name:24} {native:9.2f} {np.median(times):10.2f} {np.median(times) / native:6.1f}", flush=True)
        browser.close()


def _quiet(site):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    return functools.partial(Handler, directory=str(site))


if __name__ == "__main__":
    main()
