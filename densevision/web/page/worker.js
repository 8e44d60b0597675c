// The worker: a classic script, as the runtime loads its own script by importScripts.
"use strict";

/** @type {Promise<[typeof import("./engine.js"), typeof import("./check.js"), typeof import("./timing.js")]>} */
const modules = Promise.all([import("./engine.js"), import("./check.js"), import("./timing.js")]);
let cancelled = false;

/** @type {Record<string, (request: any, id: number) => Promise<{answer: any, transfer?: Transferable[]}>>} */
const HANDLERS = {
  async start() {
    const [engine] = await modules;
    return { answer: await engine.start() };
  },
  async load({ model }) {
    const [engine] = await modules;
    await engine.load(model);
    return { answer: engine.facts() };
  },
  /** Runs each model on one image, which is given back. */
  async run({ models, image, targets, smooth }) {
    const [engine] = await modules;
    const results = [];
    for (const [at, model] of models.entries()) {
      const started = performance.now();
      const pixels = engine.readPixels(image, model.size, model.center_crop);
      const read = performance.now() - started;
      const result = await engine.run(model, pixels, targets[at], { smooth });
      result.ms.pixels = read;
      results.push(result);
    }
    const maps = results.flatMap(({ labels }) => (labels ? [labels.buffer] : []));
    return { answer: { results, image }, transfer: [image, ...maps] };
  },
  /** Runs a model on the very pixels that Python had. */
  async sample({ model, target, smooth }) {
    const [engine, check] = await modules;
    return { answer: await engine.run(model, await check.samplePixels(model), target, { smooth }) };
  },
  async check({ model, size }) {
    const [, check] = await modules;
    return { answer: await check.compareWithPython(model, size) };
  },
  async time({ models }, id) {
    const [engine, check, timing] = await modules;
    cancelled = false;
    const pixels = new Map();
    for (const model of models) {
      await engine.load(model);
      pixels.set(model, await check.samplePixels(model));
    }
    const report = (/** @type {number} */ share) => self.postMessage({ id, progress: share });
    return { answer: { timings: await timing.timeModels(models, pixels, report, () => cancelled), ...engine.facts() } };
  },
  async cancel() {
    cancelled = true;
    return { answer: null };
  },
};

self.onmessage = async ({ data: { id, kind, ...request } }) => {
  try {
    const { answer, transfer } = await HANDLERS[kind](request, id);
    // @ts-ignore: this is a worker's postMessage
    self.postMessage({ id, answer }, transfer ?? []);
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
