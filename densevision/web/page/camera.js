// Opens the camera, and says in words why there is none.

/** @param {HTMLVideoElement} video @param {"environment" | "user"} facing back or front */
export async function openCamera(video, facing) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      window.isSecureContext
        ? "This browser has no access to cameras. Photos and timing work."
        : "The camera needs https, or localhost: browsers give it to no page that comes over plain http. Photos and timing work.",
    );
  }
  closeCamera(video);
  const wanted = { facingMode: { ideal: facing }, width: { ideal: 1280 }, height: { ideal: 720 } };
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Error(reason(/** @type {DOMException} */ (error)));
  }
  await video.play();
}

/** @param {HTMLVideoElement} video */
export function closeCamera(video) {
  for (const track of /** @type {MediaStream | null} */ (video.srcObject)?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** Whether there is more than one camera, which browsers tell after permission only. */
export async function hasSeveralCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput").length > 1;
}

/** @param {DOMException} error */
function reason({ name, message }) {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The camera was not allowed. Allow it in the browser's settings for this page, then press Camera again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "This device has no camera that the browser can use. Photos and timing work.";
    case "NotReadableError":
    case "AbortError":
      return "The camera is in use by another program. Close that program, then press Camera again.";
    default:
      return `The camera can't be opened (${name}: ${message}). Photos and timing work.`;
  }
}

/** Resolves at the next frame. @param {HTMLVideoElement} video @returns {Promise<void>} */
export function nextFrame(video) {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(() => resolve());
    else requestAnimationFrame(() => resolve());
  });
}
