// Draws results over images.

/** @typedef {import("./engine.js").Model} Model */
/** @typedef {import("./engine.js").Result} Result */

const OPACITY = 0.5; // of a label map

/**
 * Draw an image and a result over it.
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasImageSource} image
 * @param {[number, number]} size of the image
 * @param {Model} model
 * @param {Result} result with boxes in pixels of the image
 * @param {number} threshold lowest score
 */
export function draw(canvas, image, [height, width], model, result, threshold) {
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    canvas.style.setProperty("--ratio", String(width / height)); // for the style sheet
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.globalAlpha = 1;
  context.drawImage(image, 0, 0, width, height);
  if (result.labels) drawLabels(context, model, result);
  else drawBoxes(context, model, shown(result, threshold), canvas.clientWidth || width);
}

/** Detections to show. @param {Result} result @param {number} threshold */
export function shown(result, threshold) {
  return (result.detections ?? []).filter(({ score }) => score > Math.fround(threshold));
}

/** @param {CanvasRenderingContext2D} context @param {Model} model @param {Result} result */
function drawLabels(context, model, result) {
  const [height, width] = /** @type {[number, number]} */ (result.labelSize);
  const labels = /** @type {Uint8Array} */ (result.labels);
  const layer = layerOf(context.canvas, width, height);
  const colors = new Uint32Array(256); // transparent where there is no class
  model.colors.forEach(([red, green, blue], label) => (colors[label] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0));
  const pixels = new ImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  for (let at = 0; at < words.length; at++) words[at] = colors[labels[at]];
  /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d")).putImageData(pixels, 0, 0);
  context.globalAlpha = OPACITY;
  context.imageSmoothingQuality = "high";
  context.drawImage(layer, 0, 0, context.canvas.width, context.canvas.height);
  context.globalAlpha = 1;
}

/** @type {WeakMap<HTMLCanvasElement, HTMLCanvasElement>} */
const layers = new WeakMap();

/** A hidden canvas for each shown one. @param {HTMLCanvasElement} owner @param {number} width @param {number} height */
function layerOf(owner, width, height) {
  const layer = layers.get(owner) ?? document.createElement("canvas");
  layers.set(owner, layer);
  if (layer.width !== width || layer.height !== height) Object.assign(layer, { width, height });
  return layer;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Model} model
 * @param {import("./postprocess.js").Detection[]} detections by falling score
 * @param {number} cssWidth width of the canvas on the screen
 */
function drawBoxes(context, model, detections, cssWidth) {
  const unit = context.canvas.width / cssWidth; // canvas pixels in a pixel of the screen
  const font = 12 * unit;
  context.font = `600 ${font}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineWidth = 2 * unit;
  for (const { label, box } of [...detections].reverse()) {
    context.strokeStyle = `rgb(${model.colors[label]})`;
    context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
  }
  /** @type {number[][]} */
  const taken = [];
  for (const { label, score, box } of detections) {
    const text = `${model.classes[label]} ${score.toFixed(2)}`;
    const plate = freePlate(context.canvas, box, context.measureText(text).width + 8 * unit, 1.5 * font, taken);
    if (!plate) continue;
    taken.push(plate);
    context.fillStyle = `rgb(${model.colors[label]})`;
    context.fillRect(plate[0], plate[1], plate[2] - plate[0], plate[3] - plate[1]);
    context.fillStyle = isLight(model.colors[label]) ? "#000" : "#fff";
    context.fillText(text, plate[0] + 4 * unit, plate[1] + 0.78 * font);
  }
}

/**
 * Place of a text above, below or inside its box that touches no other text, or null.
 * @param {HTMLCanvasElement} canvas @param {number[]} box @param {number} width @param {number} height
 * @param {number[][]} taken
 */
function freePlate(canvas, box, width, height, taken) {
  for (const top of [box[1] - height, box[3], box[1]]) {
    const x = Math.max(0, Math.min(box[0], canvas.width - width));
    const y = Math.max(0, Math.min(top, canvas.height - height));
    const plate = [x, y, x + width, y + height];
    const free = taken.every((one) => x >= one[2] || plate[2] <= one[0] || y >= one[3] || plate[3] <= one[1]);
    if (free) return plate;
  }
  return null;
}

/** @param {number[]} color */
export function isLight([red, green, blue]) {
  return 0.3 * red + 0.59 * green + 0.11 * blue > 120;
}
