// Talks to the worker.

const worker = new Worker("worker.js");
/** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void, progress?: (share: number) => void}>} */
const waiting = new Map();
let last = 0;

worker.onmessage = (/** @type {MessageEvent} */ { data: { id, answer, error, progress } }) => {
  const request = waiting.get(id);
  if (!request) return;
  if (progress !== undefined) return request.progress?.(progress);
  waiting.delete(id);
  if (error === undefined) request.resolve(answer);
  else request.reject(new Error(error));
};
worker.onerror = (/** @type {ErrorEvent} */ event) => {
  for (const { reject } of waiting.values()) reject(new Error(`the worker failed: ${event.message ?? "not loaded"}`));
  waiting.clear();
};

/**
 * Ask the worker; see its HANDLERS.
 * @param {string} kind
 * @param {object} request
 * @param {Transferable[]} [transfer]
 * @param {(share: number) => void} [progress]
 * @returns {Promise<any>}
 */
export function ask(kind, request = {}, transfer = [], progress) {
  return new Promise((resolve, reject) => {
    waiting.set(++last, { resolve, reject, progress });
    worker.postMessage({ id: last, kind, ...request }, transfer);
  });
}
