// Runs models in the worker. The only user of LiteRT.js.

import { Tensor, loadAndCompile, loadLiteRt, supportsFeature } from "./runtime/core.js";
import { denseBoxes, labelMap, select, smoothLabels } from "./postprocess.js";

/** @typedef {import("./postprocess.js").Size} Size */
/** @typedef {import("./postprocess.js").Detection} Detection */
/**
 * @typedef {object} Model an entry of site.json
 * @property {string} name
 * @property {string} file
 * @property {number} bytes
 * @property {number} adler32
 * @property {string} sha256
 * @property {boolean} widened
 * @property {number | null} max_threads
 * @property {"detections" | "boxes" | "labels" | "logits" | "scores"} outputs
 * @property {string[]} classes
 * @property {Size} size
 * @property {"uint8" | "float32"} input_type
 * @property {string} quantize
 * @property {Size | null} padded_size
 * @property {boolean} align_corners
 * @property {number | null} score_threshold
 * @property {number | null} center_crop of a classifier: share of the shorter side that is kept in front of it
 * @property {number[][]} colors
 * @property {{input: string, input_adler32: number, labels?: string, detections?: number[][], scores?: number[],
 *   postprocess?: import("./postprocess.js").PostProcess}} answer
 */
/**
 * @typedef {object} Result
 * @property {Detection[]} [detections] above the file's own threshold, by falling score
 * @property {Uint8Array} [labels]
 * @property {Size} [labelSize]
 * @property {Float32Array} [scores] of the classes of the whole image
 * @property {{pixels: number, model: number, results: number}} ms
 */

/** @type {{build: string, threads: number, version: string, litert: any} | null} */
let runtime = null;
/** @type {Map<string, any>} */
const compiled = new Map();
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true });

/** Load the fastest build that this browser and this server allow. */
export async function start() {
  if (runtime) return facts();
  const relaxed = await supportsFeature("relaxedSimd");
  const threads = relaxed && self.crossOriginIsolated && (await supportsFeature("threads"));
  const folder = new URL("runtime/", self.location.href).href;
  const build = threads ? "threaded" : relaxed ? "default" : "compat";
  const script = `litert_wasm_${build === "default" ? "" : `${build}_`}internal.js`;
  // @ts-ignore: read by the loader, which would otherwise look for the .wasm next to this script
  self.Module = { locateFile: (name) => folder + name, mainScriptUrlOrBlob: folder + script };
  const litert = await loadLiteRt(folder, { threads });
  runtime = { build, threads: threads ? litert.liteRtWasm.getThreadCount() : 1, version: "", litert };
  return facts();
}

/** What runs here, for people and for results. */
export function facts() {
  if (!runtime) throw new Error("the runtime has not started");
  return { build: runtime.build, threads: runtime.threads, wasmBytes: runtime.litert.liteRtWasm.HEAPU8.length };
}

/** @param {Model} model the number of threads that it runs on */
export function threadsOf(model) {
  return Math.min(runtime?.threads ?? 1, model.max_threads ?? Infinity);
}

/**
 * Load a model, once.
 * @param {Model} model
 */
export async function load(model) {
  if (compiled.has(model.file)) return;
  const content = await download(model);
  const options = { accelerator: "wasm", cpuOptions: { numThreads: threadsOf(model) } };
  compiled.set(model.file, await loadAndCompile(content, options));
}

/** @param {Model} model @returns {Promise<Uint8Array>} its content, checked */
async function download(model) {
  const response = await fetch(model.file).catch(() => null);
  if (!response?.ok) throw new Error(`${model.name} can't be downloaded (${response?.status ?? "no connection"}).`);
  const content = new Uint8Array(await response.arrayBuffer());
  if (String.fromCharCode(...content.subarray(4, 8)) !== "TFL3") throw new Error(`${model.name} is not a .tflite file.`);
  if (content.length !== model.bytes) {
    throw new Error(`${model.name} is cut or was replaced: ${content.length} bytes instead of ${model.bytes}.`);
  }
  if (adler32(content) !== model.adler32) {
    throw new Error(`${model.name} is not the file that this page was built with; build the page again.`);
  }
  return content;
}

/** The checksum of zlib.adler32. @param {Uint8Array | Uint8ClampedArray} data */
export function adler32(data) {
  let low = 1, high = 0;
  for (let at = 0; at < data.length; ) {
    for (const end = Math.min(at + 3800, data.length); at < end; at++) {
      low += data[at];
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return high * 65536 + low;
}

/**
 * RGB bytes of an image at a network's size.
 * @param {ImageBitmap} image @param {Size} size
 * @param {number | null} [crop] share of the largest central part with the size's aspect ratio; null: the whole image
 */
export function readPixels(image, [height, width], crop = null) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  if (!context) throw new Error("this browser has no canvas in workers");
  const scale = (crop ?? 1) * Math.min(image.height / height, image.width / width);
  const part = crop === null ? [image.width, image.height] : [width, height].map((side) => Math.max(1, Math.round(scale * side)));
  const corner = [(image.width - part[0]) >> 1, (image.height - part[1]) >> 1];
  context.drawImage(image, corner[0], corner[1], part[0], part[1], 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(3 * height * width);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return pixels;
}

/**
 * The input tensor of a model; the caller deletes it.
 * @param {Model} model @param {Uint8Array} pixels
 */
export function makeInput(model, pixels) {
  const values = model.input_type === "uint8" ? pixels : Float32Array.from(pixels, (value) => Math.fround(value / 127.5) - 1);
  return new Tensor(values, [1, ...model.size, 3]);
}

/** @param {Model} model @param {any} input */
export async function invoke(model, input) {
  return compiled.get(model.file).run({ image: input });
}

/** @param {Record<string, any>} outputs */
export function release(outputs) {
  for (const tensor of Object.values(outputs)) tensor.delete();
}

/**
 * Run a model and read its results.
 * @param {Model} model
 * @param {Uint8Array} pixels
 * @param {Size} target size that boxes are in, and label maps, unless these stay as the network computes them
 * @param {{smooth?: boolean, cells?: boolean}} how smooth: see smoothLabels; cells: label maps are not enlarged
 * @returns {Promise<Result>}
 */
export async function run(model, pixels, target, how) {
  const input = makeInput(model, pixels);
  const started = performance.now();
  const outputs = await invoke(model, input);
  const ended = performance.now();
  input.delete();
  const values = Object.fromEntries(
    await Promise.all(Object.entries(outputs).map(async ([name, tensor]) => [name, (await tensor.data()).slice()])),
  );
  release(outputs);
  const result = interpret(model, values, target, how);
  return { ...result, ms: { pixels: 0, model: ended - started, results: performance.now() - ended } };
}

/**
 * @param {Model} model @param {Record<string, any>} values @param {Size} target
 * @param {{smooth?: boolean, cells?: boolean}} how
 * @returns {Omit<Result, "ms">}
 */
function interpret(model, values, target, { smooth, cells }) {
  if (model.outputs === "scores") return { scores: values.scores };
  if (model.outputs === "labels" || model.outputs === "logits") {
    const output = values[model.outputs];
    const details = compiled.get(model.file).getOutputDetails();
    const shape = [...details[0].shape];
    if (cells && model.outputs === "labels") return { labels: output, labelSize: [shape[1], shape[2]] };
    const plain = smooth && model.outputs === "labels" && !model.padded_size;
    const labels = plain
      ? smoothLabels(output, shape, model.classes.length, target)
      : labelMap(output, shape, model.size, model.padded_size, model.align_corners, target);
    return { labels, labelSize: target };
  }
  const { boxes, scores } = denseBoxes(values, model.outputs, model.classes.length, model.size);
  const settings = model.answer.postprocess;
  if (!settings) throw new Error(`${model.name}: site.json has no post-processing; build the page again.`);
  return { detections: select(boxes, scores, settings, model.size, target) };
}
