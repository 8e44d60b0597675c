// Times models in turns, on a fixed input, in the worker.

import { invoke, makeInput, release, threadsOf } from "./engine.js";

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
 * @property {number} drift median of the last third relative to the first third, minus 1
 * @property {number} runs
 * @property {number} runs_per_sample runs between two readings of the clock
 */

const ROUNDS = 5;
const ROUND_MS = 1000, WARM_UP_MS = 1000, WARM_UP_RUNS = 20;
const SAMPLE_MS = 5; // the clock ticks every 0.1 ms where the page is not isolated

/**
 * @param {Model[]} models loaded
 * @param {Map<Model, Uint8Array>} pixels
 * @param {(done: number) => void} progress share of the work, 0 to 1
 * @param {() => boolean} cancelled
 * @returns {Promise<Timing[] | null>} null if cancelled
 */
export async function timeModels(models, pixels, progress, cancelled) {
  const subjects = models.map((model) => ({
    model,
    input: makeInput(model, /** @type {Uint8Array} */ (pixels.get(model))),
    perSample: 1,
    /** @type {number[]} */ samples: [],
  }));
  const steps = subjects.length * (ROUNDS + 1);
  let done = 0;
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      for (const subject of subjects) {
        if (cancelled()) return null;
        if (round === 0) subject.perSample = await warmUp(subject);
        else subject.samples.push(...(await measure(subject)));
        progress(++done / steps);
        await new Promise((resolve) => setTimeout(resolve)); // lets a message arrive
      }
    }
  } finally {
    for (const { input } of subjects) input.delete();
  }
  return subjects.map(summarize);
}

/** @param {{model: Model, input: any}} subject @returns {Promise<number>} runs per sample */
async function warmUp({ model, input }) {
  const started = performance.now();
  let runs = 0, last = 0;
  while (runs < WARM_UP_RUNS || performance.now() - started < WARM_UP_MS) {
    const before = performance.now();
    release(await invoke(model, input));
    last = performance.now() - before;
    runs++;
  }
  return Math.max(1, Math.ceil(SAMPLE_MS / Math.max(last, 0.05)));
}

/** @param {{model: Model, input: any, perSample: number}} subject @returns {Promise<number[]>} ms per run */
async function measure({ model, input, perSample }) {
  const samples = [];
  const end = performance.now() + ROUND_MS;
  while (performance.now() < end) {
    const before = performance.now();
    for (let run = 0; run < perSample; run++) release(await invoke(model, input));
    samples.push((performance.now() - before) / perSample);
  }
  return samples;
}

/** @param {{model: Model, perSample: number, samples: number[]}} subject @returns {Timing} */
function summarize({ model, perSample, samples }) {
  const third = Math.floor(samples.length / 3) || 1;
  return {
    model: model.name,
    sha256: model.sha256,
    quantize: model.quantize,
    threads: threadsOf(model),
    median: rounded(quantile(samples, 0.5)),
    min: rounded(Math.min(...samples)),
    p90: rounded(quantile(samples, 0.9)),
    drift: rounded(quantile(samples.slice(-third), 0.5) / quantile(samples.slice(0, third), 0.5) - 1),
    runs: samples.length * perSample,
    runs_per_sample: perSample,
  };
}

/** By linear interpolation, as np.quantile. @param {number[]} values @param {number} share */
export function quantile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(4));
}
