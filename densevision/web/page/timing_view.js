// "Time it": starts the timing, shows and copies the results.

import { ask } from "./client.js";
import { quantile } from "./statistics.js";

/** @typedef {import("./app.js").Site} Site */
/** @typedef {import("./timing.js").Timing} Timing */

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/**
 * @param {Site} site
 * @param {{pause: () => void, resume: () => Promise<void>}} others all else that uses the worker
 */
export function setUpTiming(site, others) {
  let running = false;
  /** @type {object | null} */
  let results = null;
  $("time").onclick = async () => {
    if (running) return ask("cancel");
    running = true;
    $("time").textContent = "Stop";
    others.pause();
    let fault = "";
    try {
      results = (await timed(site)) ?? results;
      if (results) showResults(site, results);
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    running = false;
    $("time").textContent = "Time it";
    await others.resume();
    if (fault) say(fault);
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
      kind: "densevision browser timing",
      densevision: site.densevision,
      runtime: site.runtime,
      build,
      isolated: self.crossOriginIsolated,
      cores: navigator.hardwareConcurrency,
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
  const { times_ms } = results.models[0];
  const ratio = (/** @type {Timing} */ timing) => quantile(timing.times_ms.map((ms, round) => ms / times_ms[round]), 0.5);
  $("rows").replaceChildren(...results.models.map((/** @type {Timing} */ timing) => row(timing, ratio(timing))));
  $("conditions").textContent =
    `In this browser: WebAssembly, ${results.build} build, ${threads(results.models)}, ${results.runtime}, ` +
    `${results.cores} cores, ${times_ms.length} rounds. Drift: how much slower the last third of the rounds was than the first. Ratio: to the first model, round by round.`;
  $("json").textContent = readable(results);
  $("send").hidden = !site.results;
  $("sent").textContent = "";
  $("timings").hidden = false;
}

/** @param {Timing[]} models */
function threads(models) {
  const numbers = [...new Set(models.map((model) => model.threads))];
  return `${numbers.join(" or ")} ${numbers.join() === "1" ? "thread" : "threads"}`;
}

/** @param {Timing} timing @param {number} ratio to the first model */
function row(timing, ratio) {
  const line = document.createElement("tr");
  const texts = [
    timing.model,
    ...[timing.median, timing.min, timing.p90].map((ms) => ms.toFixed(ms < 10 ? 2 : 1)),
    `${timing.drift < 0 ? "−" : "+"}${Math.abs(100 * timing.drift).toFixed(0)} %`,
    ratio.toFixed(2),
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
  if (!response) $("sent").textContent = "Not sent (no connection); is densevision serve still running?";
  else $("sent").textContent = response.ok ? "Sent." : `Not sent: ${(await response.text()).trim()}`;
}

/** JSON with each list of times on one line. @param {object} results */
function readable(results) {
  return JSON.stringify(results, null, 1).replace(/\[[\d.,\s]*\]/g, (list) => list.replace(/\s+/g, " "));
}
