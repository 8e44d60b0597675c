// What the page says.

import { shown } from "./draw.js";
import { ranked } from "./postprocess.js";
import { quantile } from "./statistics.js";

/** @typedef {import("./engine.js").Model} Model */
/** @typedef {import("./engine.js").Result} Result */

/**
 * A short text for the eye, and a sentence for screen readers.
 * @param {Model} model @param {Result} result @param {number} threshold
 */
export function describe(model, result, threshold) {
  if (result.scores) {
    const best = top(model, result.scores).map(([name, score]) => `${name} ${percent(score)}`);
    return { summary: best[0], sentence: `${model.name} found: ${best.join(", ")}` };
  }
  const names = result.labels
    ? shares(model, result).map(([label, share]) => `${model.classes[label]} ${percent(share)}`)
    : counts(model, shown(result, threshold));
  const found = names.join(", ") || "nothing";
  const summary = result.labels ? `${names.length} classes` : names.join(", ") || "no object above the lowest score";
  return { summary, sentence: `${model.name} found: ${found}` };
}

const TOP = 3; // classes with their scores

/** @param {Model} model @param {Float32Array} scores @returns {[string, number][]} */
function top(model, scores) {
  return ranked(scores).slice(0, TOP).map((label) => [model.classes[label], scores[label]]);
}

/** The best classes of a classifier as bars; null for other models. @param {Model} model @param {Result} result */
export function scoreBars(model, result) {
  if (!result.scores) return null;
  const list = Object.assign(document.createElement("ol"), { className: "scores" });
  list.setAttribute("aria-label", "Classes with the highest scores");
  for (const [name, score] of top(model, result.scores)) {
    const row = document.createElement("li"), bar = document.createElement("i");
    bar.style.setProperty("--share", String(score));
    const words = [name, score.toFixed(3)].map((textContent) => Object.assign(document.createElement("span"), { textContent }));
    row.append(words[0], bar, words[1]);
    list.append(row);
  }
  return list;
}

/** @param {Model} model @param {import("./postprocess.js").Detection[]} detections */
function counts(model, detections) {
  const numbers = new Map();
  for (const { label } of detections) numbers.set(label, (numbers.get(label) ?? 0) + 1);
  return [...numbers].map(([label, number]) => `${number} × ${model.classes[label]}`);
}

/** Share of the pixels of each class, the largest first. @param {Model} model @param {Result} result */
function shares(model, { labels = new Uint8Array() }) {
  const numbers = new Uint32Array(256);
  for (const label of labels) numbers[label]++;
  /** @type {[number, number][]} */
  const found = model.classes.map((_, label) => [label, numbers[label] / labels.length]);
  return found.filter(([, share]) => share).sort((one, other) => other[1] - one[1]);
}

/** @param {number} share */
function percent(share) {
  return share < 0.01 ? "under 1 %" : `${Math.round(100 * share)} %`;
}

const LISTED = 20; // classes that a legend lists in full

/** @param {HTMLElement} list @param {Model[]} models @param {Result[]} results */
export function showLegend(list, models, results) {
  const at = results.findIndex(({ labels }) => labels);
  list.hidden = at < 0;
  if (at < 0) return;
  const present = new Map(shares(models[at], results[at]));
  const listed = models[at].classes.map((_, label) => label).filter((label) => present.has(label) || models[at].classes.length <= LISTED);
  list.replaceChildren(
    ...listed.map((label) => {
      const item = document.createElement("li");
      const patch = document.createElement("i");
      patch.style.background = `rgb(${models[at].colors[label]})`;
      item.append(patch, models[at].classes[label]);
      item.classList.toggle("absent", !present.has(label));
      return item;
    }),
  );
}

/**
 * @param {import("./check.js").Check} check
 * @param {[number, number]} size of the sample
 */
export function describeCheck(check, size) {
  const line = document.createElement("span");
  if (check.sameClass !== undefined) return describeScores(line, check);
  const same = check.labels === undefined
    ? check.sameObjects && (check.scores ?? 1) <= 1e-5 && (check.boxes ?? 1) <= 1e-5 * Math.max(...size)
    : check.labels === 1;
  line.className = same ? "same" : "differs";
  const figures = check.labels === undefined
    ? check.sameObjects
      ? `scores differ by at most ${small(check.scores ?? 0)}, boxes by ${small(check.boxes ?? 0)} pixels`
      : "other objects"
    : same ? "the whole label map" : `${(100 - 100 * check.labels).toPrecision(2)} % of the label map`;
  line.textContent = `${same ? "✓ Same as in Python" : "Differs from Python"}: ${figures}.`;
  if (!check.samePixels) line.textContent += " (this browser changes the pixels of images)";
  return line;
}

/** @param {HTMLElement} line @param {import("./check.js").Check} check of a classifier */
function describeScores(line, { sameClass, scores = 1, samePixels }) {
  const same = sameClass && scores <= 1e-5;
  line.className = same ? "same" : "differs";
  const figures = sameClass ? `scores differ by at most ${small(scores)}` : "another class";
  line.textContent = `${same ? "✓ Same as in Python" : "Differs from Python"}: ${figures}.`;
  if (!samePixels) line.textContent += " (this browser changes the pixels of images)";
  return line;
}

/** @param {number} value */
function small(value) {
  return value === 0 ? "0" : value.toExponential(0);
}

/** Collects the frames of a camera; gives texts for the views about twice a second. */
export function describeSpeed() {
  let since = performance.now(), first = true;
  /** @type {number[]} */
  let delays = [];
  /** @type {number[][]} */
  let models = [];
  return {
    /** @param {number} delay ms from the camera's frame to the drawn one @param {Result[]} results */
    add(delay, results) {
      delays.push(delay);
      models.push(results.map(({ ms }) => ms.model));
      const elapsed = performance.now() - since;
      if (elapsed < 500 && !first) return null;
      const rate = (1000 * delays.length) / elapsed;
      const notes = results.map((_, at) => {
        const own = `network ${quantile(models.map((row) => row[at]), 0.5).toFixed(1)} ms`;
        return at || first ? own : `${own} · ${rate.toFixed(0)} frames/s · camera to screen ${quantile(delays, 0.5).toFixed(0)} ms`;
      });
      since = performance.now();
      [delays, models, first] = [[], [], false];
      return notes;
    },
  };
}

/** Say that an image is squeezed. @param {HTMLElement} line @param {Model[]} models @param {ImageBitmap} image */
export function showHint(line, models, image) {
  const squeezed = models.find(({ size: [height, width], center_crop }) => {
    if (center_crop) return false;
    const ratio = image.width / image.height / (width / height);
    return ratio > 1.4 || ratio < 1 / 1.4;
  });
  line.hidden = !squeezed;
  if (!squeezed) return;
  const [height, width] = squeezed.size;
  const turned = width > height === image.width < image.height;
  line.textContent =
    `The network takes ${width} × ${height} pixels; this image of ${image.width} × ${image.height} is stretched to that, ` +
    `as in Python.${turned ? " Results are better with the phone turned." : ""}`;
}

/**
 * @param {HTMLElement} list
 * @param {import("./app.js").Site} site
 * @param {{build: string, threads: number}} runtime
 */
export function showFacts(list, site, { build, threads }) {
  const why = threads > 1 ? "" : self.crossOriginIsolated ? " (all that this browser allows)" : " (more need https or localhost, and the server's headers for isolation)";
  const rows = [
    ["Runtime", `${site.runtime}, WebAssembly, ${build} build`],
    ["Threads", `${threads}${why}`],
    ["Made by", `densevision ${site.densevision}`],
    ...site.models.map((model) => [model.name, describeModel(model)]),
    ["Browser", navigator.userAgent],
  ];
  list.replaceChildren(
    ...rows.flatMap(([name, text]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: text }),
    ]),
  );
}

/** @param {Model} model */
function describeModel({ size, classes, quantize, sha256, widened, max_threads }) {
  const kind = quantize === "none" ? "float32" : quantize;
  const notes = [
    ...(widened ? ["its float16 weights are stored as float32 here: the same numbers, twice the bytes, and a fraction of the time"] : []),
    ...(max_threads === 1 ? ["one thread, as its NMS per class needs"] : []),
  ];
  return `${size[1]} × ${size[0]} pixels, ${classes.length} classes, ${kind}, sha256 ${sha256.slice(0, 12)}${notes.length ? `; ${notes.join("; ")}` : ""}`;
}
