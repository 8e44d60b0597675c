// "Time it": starts the timing, shows and copies the results.

import { ask } from "./client.js";

/** @typedef {import("./app.js").Site} Site */
/** @typedef {import("./timing.js").Timing} Timing */

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/**
 * @param {Site} site
 * @param {() => void} pause stops all else that uses the worker
 */
export function setUpTiming(site, pause) {
  let running = false;
  /** @type {object | null} */
  let results = null;
  $("time").onclick = async () => {
    if (running) return ask("cancel");
    running = true;
    $("time").textContent = "Stop";
    pause();
    say("");
    try {
      results = (await timed(site)) ?? results;
      if (results) showResults(site, results);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
    running = false;
    $("time").textContent = "Time it";
  };
  $("copy").onclick = async () => {
    try {
      await navigator.clipboard.writeText($("json").textContent);
      $("sent").textContent = "Copied.";
    } catch {
      $("json").parentElement.open = true; // no clipboard without https: the text is marked for a copy by hand
      getSelection()?.selectAllChildren($("json"));
      $("sent").textContent = "Marked below; copy it.";
    }
  };
  $("send").onclick = () => send(results);
}

/** @param {string} fault */
function say(fault) {
  $("fault").textContent = fault;
  $("fault").hidden = !fault;
}

/** @param {Site} site @returns {Promise<object | null>} null if it was stopped */
async function timed(site) {
  let hidden = document.hidden;
  const watch = () => (hidden ||= document.hidden);
  document.addEventListener("visibilitychange", watch);
  $("progress").hidden = false;
  $("progress").value = 0;
  const started = new Date().toISOString();
  try {
    const report = (/** @type {number} */ share) => ($("progress").value = share);
    const { timings, build, wasmBytes } = await ask("time", { models: site.models }, [], report);
    if (!timings) return null;
    if (hidden) throw new Error("The page was hidden meanwhile, so the times mean nothing; time it again with the page in front.");
    return {
      kind: "densevision-browser-timing",
      densevision: site.densevision,
      runtime: site.runtime,
      build,
      isolated: self.crossOriginIsolated,
      cores: navigator.hardwareConcurrency ?? null,
      user_agent: navigator.userAgent,
      started,
      wasm_bytes: wasmBytes,
      unit: "ms",
      models: timings,
    };
  } finally {
    document.removeEventListener("visibilitychange", watch);
    $("progress").hidden = true;
  }
}

/** @param {Site} site @param {any} results */
function showResults(site, results) {
  $("rows").replaceChildren(...results.models.map(row));
  $("conditions").textContent =
    `In this browser: WebAssembly, ${results.build} build, ${threads(results.models)}, ${results.runtime}, ` +
    `${results.cores ?? "unknown"} cores. drift: how much slower the last third of the runs was than the first.`;
  $("json").textContent = JSON.stringify(results, null, 1);
  $("send").hidden = !site.results;
  $("sent").textContent = "";
  $("timings").hidden = false;
}

/** @param {Timing[]} models */
function threads(models) {
  const numbers = [...new Set(models.map((model) => model.threads))];
  return `${numbers.join(" or ")} ${numbers.join() === "1" ? "thread" : "threads"}`;
}

/** @param {Timing} timing */
function row(timing) {
  const line = document.createElement("tr");
  const texts = [
    timing.model,
    ...[timing.median, timing.min, timing.p90].map((ms) => ms.toFixed(ms < 10 ? 2 : 1)),
    `${timing.drift < 0 ? "−" : "+"}${Math.abs(100 * timing.drift).toFixed(0)} %`,
    String(timing.runs),
  ];
  line.append(...texts.map((textContent) => Object.assign(document.createElement("td"), { textContent })));
  return line;
}

/** @param {object | null} results */
async function send(results) {
  $("send").disabled = true;
  const response = await fetch("results", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(results),
  }).catch(() => null);
  $("send").disabled = false;
  $("sent").textContent = response?.ok
    ? "Sent."
    : `Not sent (${response ? `${response.status} ${response.statusText}` : "no connection"}); is densevision serve still running?`;
}
