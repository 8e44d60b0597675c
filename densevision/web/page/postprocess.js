// From a network's outputs to results in pixels of the image, as densevision/inference computes them in Python.
// Numbers are rounded to float32 where NumPy and OpenCV round.

const f = Math.fround;

/**
 * @typedef {object} PostProcess
 * @property {number} score_threshold
 * @property {number} iou_threshold 1 keeps all boxes
 * @property {number} max_detections
 * @property {number} candidates per class, before NMS
 * @property {boolean} clip_first
 * @property {"per-class" | "across-classes"} nms
 */
/** @typedef {{label: number, score: number, box: number[]}} Detection box: xyxy in pixels of the image */
/** @typedef {[number, number]} Size height, width */
/** @typedef {{data: Float32Array, height: number, width: number, channels: number}} Planes */

/**
 * Boxes of the outputs of a detector.
 * @param {Record<string, Float32Array>} outputs by name
 * @param {"detections" | "boxes"} kind
 * @param {number} classes
 * @param {Size} size of the network's input
 * @returns {{boxes: Float32Array, scores: Float32Array}} [A, 4] xyxy in pixels of the input, and [A, K]
 */
export function denseBoxes(outputs, kind, classes, size) {
  if (kind === "boxes") return { boxes: inPixels(outputs.boxes, size), scores: outputs.scores };
  const found = outputs.num_detections[0]; // later rows are of earlier images
  const scores = new Float32Array(found * classes);
  for (let row = 0; row < found; row++) {
    scores[row * classes + outputs.detection_classes[row]] = outputs.detection_scores[row];
  }
  return { boxes: inPixels(outputs.detection_boxes.subarray(0, 4 * found), size), scores };
}

/** @param {Float32Array} boxes (ymin, xmin, ymax, xmax) in fractions @param {Size} size */
function inPixels(boxes, [height, width]) {
  const pixels = new Float32Array(boxes.length);
  for (let at = 0; at < boxes.length; at += 4) {
    pixels[at] = boxes[at + 1] * width;
    pixels[at + 1] = boxes[at] * height;
    pixels[at + 2] = boxes[at + 3] * width;
    pixels[at + 3] = boxes[at + 2] * height;
  }
  return pixels;
}

/** @param {Float32Array} boxes @param {Size} size clips them in place */
function clip(boxes, [height, width]) {
  for (let at = 0; at < boxes.length; at++) {
    boxes[at] = Math.min(Math.max(boxes[at], 0), at % 2 ? height : width);
  }
}

/**
 * Detections by falling score.
 * @param {Float32Array} boxes [A, 4] in pixels of the network's input
 * @param {Float32Array} scores [A, K]
 * @param {PostProcess} settings
 * @param {Size} size of the network's input
 * @param {Size} target size of the image
 * @returns {Detection[]}
 */
export function select(boxes, scores, settings, size, target) {
  const classes = boxes.length ? scores.length / (boxes.length / 4) : 0;
  if (settings.clip_first) clip(boxes, size);
  const keep = settings.nms === "across-classes" ? acrossClasses : perClass;
  const kept = keep(boxes, scores, classes, settings);
  kept.sort((one, other) => other.score - one.score);
  const scale = [f(target[1] / size[1]), f(target[0] / size[0])];
  return kept.slice(0, settings.max_detections).map(({ anchor, label, score }) => {
    const box = boxes.subarray(4 * anchor, 4 * anchor + 4).map((side, at) => side * scale[at % 2]);
    clip(box, target);
    return { label, score, box: [...box] };
  });
}

/** @typedef {{anchor: number, label: number, score: number}} Candidate */

/** @param {Float32Array} boxes @param {Float32Array} scores @param {number} classes @param {PostProcess} settings */
function acrossClasses(boxes, scores, classes, settings) {
  /** @type {Candidate[]} */
  const found = [];
  for (let anchor = 0; anchor < boxes.length / 4; anchor++) {
    let label = 0;
    for (let other = 1; other < classes; other++) {
      if (scores[anchor * classes + other] > scores[anchor * classes + label]) label = other;
    }
    const score = scores[anchor * classes + label];
    if (score > f(settings.score_threshold)) found.push({ anchor, label, score });
  }
  found.sort((one, other) => other.score - one.score);
  return nms(boxes, found, settings);
}

/** @param {Float32Array} boxes @param {Float32Array} scores @param {number} classes @param {PostProcess} settings */
function perClass(boxes, scores, classes, settings) {
  /** @type {Candidate[]} */
  const kept = [];
  for (let label = 0; label < classes; label++) {
    const found = [];
    for (let anchor = 0; anchor < boxes.length / 4; anchor++) {
      const score = scores[anchor * classes + label];
      if (score > f(settings.score_threshold)) found.push({ anchor, label, score });
    }
    found.sort((one, other) => other.score - one.score);
    kept.push(...nms(boxes, found.slice(0, settings.candidates), settings));
  }
  return kept;
}

/**
 * Non-maximum suppression.
 * @param {Float32Array} boxes
 * @param {Candidate[]} found by falling score
 * @param {PostProcess} settings
 */
function nms(boxes, found, settings) {
  if (settings.iou_threshold >= 1) return found.slice(0, settings.max_detections);
  const threshold = f(settings.iou_threshold);
  /** @type {Candidate[]} */
  const kept = [];
  for (const candidate of found) {
    if (kept.length >= settings.max_detections) break;
    if (!kept.some((best) => overlaps(boxes, 4 * best.anchor, 4 * candidate.anchor, threshold))) kept.push(candidate);
  }
  return kept;
}

/** @param {Float32Array} boxes @param {number} a @param {number} b @param {number} threshold */
function overlaps(boxes, a, b, threshold) {
  const width = f(Math.min(boxes[a + 2], boxes[b + 2]) - Math.max(boxes[a], boxes[b]));
  const height = f(Math.min(boxes[a + 3], boxes[b + 3]) - Math.max(boxes[a + 1], boxes[b + 1]));
  const overlap = f(Math.max(0, width) * Math.max(0, height));
  return overlap > f(threshold * f(f(area(boxes, b) + area(boxes, a)) - overlap));
}

/** @param {Float32Array} boxes @param {number} at */
function area(boxes, at) {
  return f(f(boxes[at + 2] - boxes[at]) * f(boxes[at + 3] - boxes[at + 1]));
}

/**
 * Label map of an image, as Python's predictor gives it.
 * @param {Uint8Array | Float32Array} output labels [h, w], or logits [h, w, K]
 * @param {number[]} shape [1, h, w] or [1, h, w, K]
 * @param {Size} size of the network's input
 * @param {Size | null} padded see ModelInfo.padded_size
 * @param {boolean} corners see ModelInfo.align_corners
 * @param {Size} target size of the image
 * @returns {Uint8Array} [H, W]
 */
export function labelMap(output, shape, size, padded, corners, target) {
  const [, height, width, channels] = shape;
  const axis = padded
    ? (/** @type {number} */ at) => cellPositions(target[at], size[at], padded[at], shape[at + 1], corners)
    : null;
  if (output instanceof Uint8Array) {
    const [rows, columns] = axis
      ? [axis(0).map(roundHalfEven), axis(1).map(roundHalfEven)]
      : [nearest(height, target[0]), nearest(width, target[1])];
    return pick(output, width, rows, columns);
  }
  const [rows, columns] = axis
    ? [interpolation(axis(0), height), interpolation(axis(1), width)]
    : [linear(height, target[0]), linear(width, target[1])];
  return bestClass({ data: output, height, width, channels }, rows, columns);
}

/**
 * Label map with smooth edges: every class is enlarged as a plane of zeros and ones, and the largest one counts.
 * For the eye only; Python repeats cells.
 * @param {Uint8Array} labels [h, w]
 * @param {number[]} shape [1, h, w]
 * @param {number} classes
 * @param {Size} target
 */
export function smoothLabels(labels, shape, classes, target) {
  const [, height, width] = shape;
  if (height === target[0] && width === target[1]) return labels;
  const present = [...new Set(labels)].sort((one, other) => one - other).filter((label) => label < classes);
  const data = new Float32Array(labels.length * present.length);
  const place = new Map(present.map((label, at) => [label, at]));
  labels.forEach((label, cell) => {
    const at = place.get(label);
    if (at !== undefined) data[cell * present.length + at] = 1;
  });
  const planes = { data, height, width, channels: present.length };
  return bestClass(planes, linear(height, target[0]), linear(width, target[1])).map((at) => present[at]);
}

/** @typedef {{low: Int32Array, high: Int32Array, weight: Float32Array}} Interpolation weight: of high */

/** Positions of OpenCV's INTER_LINEAR. @param {number} cells @param {number} target @returns {Interpolation} */
function linear(cells, target) {
  const positions = new Float32Array(target);
  for (let at = 0; at < target; at++) positions[at] = (at + 0.5) * (cells / target) - 0.5;
  return interpolation(positions.map((position) => Math.min(Math.max(position, 0), cells - 1)), cells);
}

/** @param {Float32Array | Float64Array} positions @param {number} cells @returns {Interpolation} */
function interpolation(positions, cells) {
  const low = Int32Array.from(positions, Math.floor);
  return {
    low,
    high: low.map((at) => Math.min(at + 1, cells - 1)),
    weight: Float32Array.from(positions, (position, at) => position - low[at]),
  };
}

/**
 * Cells of the nearest centers, as OpenCV's INTER_NEAREST_EXACT; of two that are equally near, OpenCV takes either.
 * @param {number} cells @param {number} target @returns {Int32Array}
 */
function nearest(cells, target) {
  return Int32Array.from({ length: target }, (_, at) => Math.floor(((2 * at + 1) * cells) / (2 * target)));
}

/**
 * Pixels of an image in the cells of an output that covers more than the image, as predictor.cell_positions.
 * @param {number} target @param {number} size @param {number} padded @param {number} cells @param {boolean} corners
 */
export function cellPositions(target, size, padded, cells, corners) {
  return Float64Array.from({ length: target }, (_, at) => {
    const pixel = Math.min(Math.max((at + 0.5) * (size / target) - 0.5, 0), size - 1);
    if (corners) return pixel * ((cells - 1) / Math.max(1, padded - 1));
    return Math.min(Math.max((pixel + 0.5) * (cells / padded) - 0.5, 0), cells - 1);
  });
}

/** As np.rint. @param {number} value */
function roundHalfEven(value) {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 ? down + 1 : down;
}

/** @param {Uint8Array} labels @param {number} width @param {ArrayLike<number>} rows @param {ArrayLike<number>} columns */
function pick(labels, width, rows, columns) {
  const picked = new Uint8Array(rows.length * columns.length);
  for (let y = 0, at = 0; y < rows.length; y++) {
    for (let x = 0; x < columns.length; x++) picked[at++] = labels[rows[y] * width + columns[x]];
  }
  return picked;
}

/**
 * Best class of every pixel; of equal ones the first.
 * @param {Planes} planes @param {Interpolation} rows @param {Interpolation} columns
 */
function bestClass(planes, rows, columns) {
  const { data, width, height, channels } = planes;
  const across = columns.low.length;
  const best = new Float32Array(rows.low.length * across).fill(-Infinity);
  const labels = new Uint8Array(best.length);
  const wide = new Float32Array(height * across);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < across; x++, at++) {
        const low = data[(y * width + columns.low[x]) * channels + channel];
        const high = data[(y * width + columns.high[x]) * channels + channel];
        wide[at] = low * f(1 - columns.weight[x]) + high * columns.weight[x];
      }
    }
    for (let y = 0, at = 0; y < rows.low.length; y++) {
      const weight = rows.weight[y], rest = f(1 - weight);
      const above = rows.low[y] * across, below = rows.high[y] * across;
      for (let x = 0; x < across; x++, at++) {
        const value = f(wide[above + x] * rest + wide[below + x] * weight);
        if (value > best[at] || channel === 0) {
          best[at] = value;
          labels[at] = channel;
        }
      }
    }
  }
  return labels;
}

/** Labels by falling score; of equal scores the first, as in Python. @param {ArrayLike<number>} scores */
export function ranked(scores) {
  return Array.from(scores, (_, label) => label).sort((one, other) => scores[other] - scores[one]);
}
