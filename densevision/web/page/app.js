// The page: choose models and an input, show results.

import { closeCamera, hasSeveralCameras, nextFrame, openCamera } from "./camera.js";
import { ask } from "./client.js";
import { draw } from "./draw.js";
import { unsupported } from "./support.js";
import { describe, describeCheck, describeSpeed, scoreBars, showFacts, showHint, showLegend } from "./text.js";
import { setUpTiming } from "./timing_view.js";

/** @typedef {import("./engine.js").Model} Model */
/** @typedef {import("./engine.js").Result} Result */
/** @typedef {{densevision: string, results: boolean, runtime: string, models: Model[],
 *   sample: {image: string, size: [number, number]}}} Site */
/** @typedef {"sample" | "photo" | "camera"} Mode */

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const MODES = /** @type {Mode[]} */ (["sample", "photo", "camera"]);
const LONGEST = 1280; // pixels of a photo's longer side

/** @type {Site} */
let site;
/** @type {Mode} */
let mode = "sample";
let turn = 0; // a later one cancels what an earlier one still does
/** @type {"environment" | "user"} */
let facing = "environment";
/** @type {Promise<void> | null} */
let opening = null; // the camera, while it opens
/** @type {ImageBitmap | null} */
let photo = null;
/** @type {ImageBitmap} */
let sampleImage;
/** @type {{image: ImageBitmap, results: Result[]} | null} */
let still = null; // what is drawn, outside of camera mode
/** @type {HTMLElement[]} */
let checks = []; // lines about the sample, one per view

function shownModels() {
  const chosen = [site.models[$("model").value]];
  if ($("other").value !== "") chosen.push(site.models[$("other").value]);
  return chosen;
}

/** @param {string} text */
function setStatus(text) {
  $("status").textContent = text;
  $("status").hidden = !text;
}

/** @param {unknown} error shown until the next success; null: none */
function setFault(error) {
  $("fault").textContent = error instanceof Error ? error.message : error ? String(error) : "";
  $("fault").hidden = !error;
}

/** Size that a model's results are computed at: boxes in the image, label maps at the network's size. */
function targetOf(/** @type {Model} */ model, /** @type {ImageBitmap} */ image) {
  return model.outputs === "labels" || model.outputs === "logits" ? model.size : [image.height, image.width];
}

/** @param {ImageBitmap} image @param {Result[]} results */
function paint(image, results) {
  const models = shownModels();
  results.forEach((result, at) => {
    draw($(`view${at}`), image, [image.height, image.width], models[at], result, Number($("threshold").value));
  });
}

/** @param {Result[]} results @param {string[]} [notes] HTML-free texts, one per view */
function label(results, notes = []) {
  const threshold = Number($("threshold").value);
  shownModels().forEach((model, at) => {
    const { summary, sentence } = describe(model, results[at], threshold);
    $(`caption${at}`).replaceChildren(strong(model.name), ` · ${summary}`, ...(notes[at] ? [` · ${notes[at]}`] : []));
    if (checks[at]) $(`caption${at}`).append(document.createElement("br"), checks[at]);
    const bars = scoreBars(model, results[at]);
    if (bars) $(`caption${at}`).append(bars);
    $(`view${at}`).setAttribute("aria-label", sentence);
  });
  showLegend($("legend"), shownModels(), results);
}

/** @param {string} text */
function strong(text) {
  return Object.assign(document.createElement("b"), { textContent: text });
}

/** Show the chosen models on the chosen input. */
async function show() {
  const mine = ++turn;
  checks = [];
  const fresh = () => mine === turn;
  setFault(null);
  showLayout();
  if (mode !== "camera") closeCamera($("video"));
  try {
    for (const model of shownModels()) {
      setStatus(`Loading ${model.name} (${(model.bytes / 1e6).toFixed(1)} MB)`);
      await ask("load", { model });
      if (!fresh()) return;
    }
    setStatus("");
    $("views").hidden = $("timing").hidden = false;
    if (mode === "sample") await showSample(fresh);
    else if (mode === "photo") await showPhoto(fresh);
    else await showCamera(fresh);
  } catch (error) {
    if (!fresh()) return;
    if (mode === "camera") {
      leaveCamera();
      await show();
    }
    setStatus("");
    setFault(error);
  }
}

function showLayout() {
  const models = shownModels();
  $("view1").parentElement.hidden = models.length < 2;
  $("threshold-label").hidden = !models.some(({ outputs }) => outputs === "detections" || outputs === "boxes");
  $("smooth-label").hidden = !models.some(({ outputs, padded_size }) => outputs === "labels" && !padded_size);
  $("settings").hidden = $("threshold-label").hidden && $("smooth-label").hidden;
  for (const name of MODES) $(name).setAttribute("aria-pressed", String(name === mode));
  if (mode !== "camera") $("turn").hidden = true;
  document.body.dataset.mode = mode;
}

/** @param {() => boolean} fresh */
async function showSample(fresh) {
  const models = shownModels();
  const results = [];
  for (const model of models) {
    results.push(await ask("sample", { model, target: targetOf(model, sampleImage), smooth: $("smooth").checked }));
  }
  if (!fresh()) return;
  still = { image: sampleImage, results };
  paint(sampleImage, results);
  label(results);
  showHint($("hint"), models, sampleImage);
  for (const [at, model] of models.entries()) {
    const check = await ask("check", { model, size: site.sample.size });
    if (!fresh()) return;
    checks[at] = describeCheck(check, site.sample.size);
    label(results);
  }
}

/** @param {() => boolean} fresh */
async function showPhoto(fresh) {
  if (!photo) return;
  const { image, results } = await runOn(await createImageBitmap(photo));
  image.close();
  if (!fresh()) return;
  still = { image: photo, results };
  paint(photo, results);
  label(results, results.map(({ ms }) => `network ${ms.model.toFixed(1)} ms`));
  showHint($("hint"), shownModels(), photo);
}

/** @param {ImageBitmap} image given away, and given back @returns {Promise<{image: ImageBitmap, results: Result[]}>} */
function runOn(image) {
  const models = shownModels();
  const targets = models.map((model) => targetOf(model, image));
  return ask("run", { models, image, targets, smooth: $("smooth").checked }, [image]);
}

/** @param {() => boolean} fresh */
async function showCamera(fresh) {
  const video = $("video");
  still = null;
  if (!video.srcObject) opening ??= openCamera(video, facing).finally(() => (opening = null));
  await opening;
  if (mode !== "camera") closeCamera(video); // another input was chosen meanwhile
  if (!fresh()) return;
  $("turn").hidden = !(await hasSeveralCameras());
  video.srcObject.getVideoTracks()[0].onended = () => {
    if (fresh()) setFault("The camera stopped. Press Camera to open it again.");
  };
  const speed = describeSpeed();
  while (fresh()) {
    await nextFrame(video);
    const started = performance.now();
    const { image, results } = await runOn(await createImageBitmap(video));
    if (fresh()) {
      paint(image, results);
      const notes = speed.add(performance.now() - started, results);
      if (notes) {
        label(results, notes);
        showHint($("hint"), shownModels(), image);
      }
    }
    image.close();
  }
}

function leaveCamera() {
  closeCamera($("video"));
  mode = photo ? "photo" : "sample";
  showLayout();
}

/** @param {Mode} next */
function choose(next) {
  mode = next;
  return show();
}

/** @param {File} file */
async function takePhoto(file) {
  turn++; // the camera's loop ends
  try {
    const whole = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, LONGEST / Math.max(whole.width, whole.height));
    const [width, height] = [whole.width, whole.height].map((side) => Math.max(1, Math.round(scale * side)));
    photo?.close();
    photo = await createImageBitmap(whole, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
    whole.close();
  } catch {
    return setFault(`${file.name} can't be read as an image; choose a JPEG or PNG.`);
  }
  await choose("photo");
}

function listen() {
  $("sample").onclick = () => choose("sample");
  $("camera").onclick = () => choose("camera");
  $("photo").onclick = () => $("file").click();
  $("file").onchange = () => {
    if ($("file").files[0]) takePhoto($("file").files[0]);
    $("file").value = "";
  };
  $("turn").onclick = () => {
    facing = facing === "user" ? "environment" : "user";
    closeCamera($("video"));
    show();
  };
  $("model").onchange = () => {
    resetThreshold();
    show();
  };
  $("other").onchange = $("smooth").onchange = show;
  $("threshold").oninput = () => {
    $("threshold-value").textContent = Number($("threshold").value).toFixed(2);
    if (still) paint(still.image, still.results);
  };
  $("threshold").onchange = () => still && label(still.results);
  addEventListener("pagehide", () => closeCamera($("video")));
}

function resetThreshold() {
  const score = shownModels()[0].score_threshold ?? 0.3;
  $("threshold").value = String(score);
  $("threshold-value").textContent = score.toFixed(2);
}

function fillModels() {
  site.models.forEach(({ name }, at) => {
    $("model").append(new Option(name, String(at)));
  });
  $("other").append(new Option("nothing", ""), ...site.models.map(({ name }, at) => new Option(name, String(at))));
  $("other-label").hidden = site.models.length < 2;
}

async function begin() {
  const missing = unsupported();
  if (missing) throw new Error(`This browser has no ${missing}; use a current Chrome, Edge, Firefox or Safari.`);
  const response = await fetch("site.json").catch(() => null);
  if (!response?.ok) throw new Error("site.json can't be downloaded; publish the whole folder of densevision web.");
  site = await response.json();
  fillModels();
  resetThreshold();
  listen();
  setStatus("Loading the runtime (about 10 MB)");
  const runtime = await ask("start");
  const picture = await fetch(site.sample.image);
  if (!picture.ok) throw new Error(`${site.sample.image} can't be downloaded; publish the whole folder of densevision web.`);
  sampleImage = await createImageBitmap(await picture.blob());
  showFacts($("facts"), site, runtime);
  setUpTiming(site, {
    pause() {
      turn++; // nothing else runs meanwhile
      if (mode === "camera") leaveCamera();
      $("controls").inert = $("settings").inert = true;
    },
    resume() {
      $("controls").inert = $("settings").inert = false;
      return show();
    },
  });
  $("controls").hidden = $("about").hidden = false;
  await show();
}

begin().catch((error) => {
  setStatus("");
  setFault(error);
});
