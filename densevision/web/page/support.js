// What the page needs of a browser.

/** What this browser lacks, in words; null if nothing. */
export function unsupported() {
  // A module with one SIMD instruction.
  const simd = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(simd)) return "WebAssembly with SIMD";
  if (typeof OffscreenCanvas !== "function" || !new OffscreenCanvas(1, 1).getContext("2d")) return "canvases in workers";
  return null;
}
