// Compares this browser with Python on the sample, in the worker.

import { adler32, readPixels, run } from "./engine.js";
import { ranked } from "./postprocess.js";

/** @typedef {import("./engine.js").Model} Model */
/** @typedef {import("./postprocess.js").Size} Size */
/**
 * @typedef {object} Check
 * @property {boolean} samePixels whether the browser gave the network the same pixels as Python
 * @property {number} [boxes] largest difference in pixels of the sample
 * @property {number} [scores] largest difference
 * @property {boolean} [sameObjects] whether both found the same number of objects, of the same classes
 * @property {number} [labels] share of cells with the same label
 * @property {boolean} [sameClass] whether both have the same class first
 */

/** @param {string} file an image of the sample's folder, decoded without color management */
async function decode(file) {
  const response = await fetch(`sample/${file}`).catch(() => null);
  if (!response?.ok) throw new Error(`sample/${file} can't be downloaded (${response?.status ?? "no connection"}).`);
  return createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/** @param {Model} model @returns {Promise<Uint8Array>} the sample's RGB bytes at the network's size */
export async function samplePixels(model) {
  const image = await decode(model.answer.input);
  const pixels = readPixels(image, model.size);
  image.close();
  return pixels;
}

/**
 * @param {Model} model loaded
 * @param {Size} size of the sample
 * @returns {Promise<Check>}
 */
export async function compareWithPython(model, size) {
  const pixels = await samplePixels(model);
  const samePixels = adler32(pixels) === model.answer.input_adler32;
  const found = await run(model, pixels, model.answer.labels ? model.size : size, { cells: true });
  if (found.labels) {
    const expected = await decode(/** @type {string} */ (model.answer.labels));
    const bytes = readPixels(expected, /** @type {Size} */ (found.labelSize));
    expected.close();
    let same = 0;
    for (let at = 0; at < found.labels.length; at++) same += Number(bytes[3 * at] === found.labels[at]);
    return { samePixels, labels: same / found.labels.length };
  }
  if (found.scores) {
    const expected = model.answer.scores ?? [];
    const scores = Math.max(...found.scores.map((score, label) => Math.abs(score - expected[label])));
    return { samePixels, scores, sameClass: ranked(found.scores)[0] === ranked(expected)[0] };
  }
  const rows = model.answer.detections ?? [], detections = found.detections ?? [];
  const check = { samePixels, boxes: 0, scores: 0, sameObjects: rows.length === detections.length };
  for (const [at, [label, score, ...box]] of rows.entries()) {
    const mine = detections[at];
    if (mine?.label !== label) check.sameObjects = false;
    if (!mine) continue;
    check.scores = Math.max(check.scores, Math.abs(mine.score - score));
    box.forEach((side, place) => (check.boxes = Math.max(check.boxes, Math.abs(mine.box[place] - side))));
  }
  return check;
}
