// Times models in turns, on a fixed input, in the worker.

import { invoke, makeInput, release, threadsOf } from "./engine.js";
import { quantile } from "./statistics.js";

/** @typedef {import("./engine.js").Model} Model */
/**
 * @typedef {object} Timing milliseconds per run of the network alone
 * @property {string} model
 * @property {string} sha256 of the exported file
 * @property {string} quantize
 * @property {number} threads
 * @property {number} median
 * @property {number} min
 * @property {number} p90
 * @property {number} drift median of the last third of the rounds relative to the first third, minus 1
 * @property {number} runs_per_round
 * @property {number[]} times_ms mean of each round; round r of all models was in the same turn
 */
/** @typedef {{model: Model, input: any, runs: number, times: number[]}} Subject */

const WARM_UP_MS = 1000, WARM_UP_RUNS = 20; // browsers optimize code while it runs
const ROUND_MS = 10; // at least, per model: the clock ticks every 0.1 ms where the page is not isolated
const TIMED_MS = 5000; // per model
const ROUNDS = [20, 500]; // fewest, most

/**
 * @param {Model[]} models loaded
 * @param {Map<Model, Uint8Array>} pixels
 * @param {(done: number) => void} progress share of the work, 0 to 1
 * @param {() => boolean} cancelled
 * @returns {Promise<Timing[] | null>} null if cancelled
 */
export async function timeModels(models, pixels, progress, cancelled) {
  /** @type {Subject[]} */
  const subjects = models.map((model) => {
    const input = makeInput(model, /** @type {Uint8Array} */ (pixels.get(model)));
    return { model, input, runs: 1, times: [] };
  });
  try {
    for (const subject of subjects) {
      await warmUp(subject);
      if (await isCancelled(cancelled)) return null;
    }
    const started = performance.now();
    for (let round = 0, done = 0; done < 1; round++) {
      for (let at = 0; at < subjects.length; at++) await measure(subjects[(round + at) % subjects.length]);
      const elapsed = (performance.now() - started) / (TIMED_MS * models.length);
      done = Math.max((round + 1) / ROUNDS[1], Math.min((round + 1) / ROUNDS[0], elapsed));
      progress(Math.min(done, 1));
      if (await isCancelled(cancelled)) return null;
    }
  } finally {
    for (const { input } of subjects) input.delete();
  }
  return subjects.map(summarize);
}

/** Lets messages arrive. @param {() => boolean} cancelled */
async function isCancelled(cancelled) {
  await new Promise((resolve) => setTimeout(resolve));
  return cancelled();
}

/** @param {Subject} subject */
async function warmUp(subject) {
  const started = performance.now();
  const times = [];
  while (times.length < WARM_UP_RUNS || performance.now() - started < WARM_UP_MS) {
    const before = performance.now();
    release(await invoke(subject.model, subject.input));
    times.push(performance.now() - before);
  }
  subject.runs = Math.ceil(ROUND_MS / Math.max(quantile(times.slice(times.length >> 1), 0.5), 0.05));
}

/** @param {Subject} subject */
async function measure({ model, input, runs, times }) {
  const before = performance.now();
  for (let run = 0; run < runs; run++) release(await invoke(model, input));
  times.push((performance.now() - before) / runs);
}

/** @param {Subject} subject @returns {Timing} */
function summarize({ model, runs, times }) {
  const third = Math.floor(times.length / 3);
  return {
    model: model.name,
    sha256: model.sha256,
    quantize: model.quantize,
    threads: threadsOf(model),
    median: rounded(quantile(times, 0.5)),
    min: rounded(Math.min(...times)),
    p90: rounded(quantile(times, 0.9)),
    drift: rounded(quantile(times.slice(-third), 0.5) / quantile(times.slice(0, third), 0.5) - 1),
    runs_per_round: runs,
    times_ms: times.map(rounded),
  };
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(4));
}
