// waveform.js: the last seconds of sound on a canvas, with the turns in it.
// The trait `view` holds the whole window: a view that joins late needs nothing else.

const TICK_S = 5;

/**
 * Lowest and highest sample of each column, as they came over the wire.
 * @param {DataView} bytes little-endian int16 pairs
 * @returns {Int16Array}
 */
export function decode(bytes) {
  const samples = new Int16Array(Math.floor(bytes.byteLength / 2));
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.getInt16(2 * i, true);
  return samples;
}

/**
 * The span of time that is shown: filled from the left at first, then rolling.
 * @param {number} end_s @param {number} window_s
 */
export function shown(end_s, window_s) {
  const start_s = Math.max(0, end_s - window_s);
  return { start_s, end_s: start_s + window_s };
}

/**
 * Height of a sample, -1 to 1. Rounder than linear, so that quiet speech can be seen.
 * @param {number} sample int16
 */
export function height(sample) {
  const x = sample / 32768;
  return Math.sign(x) * Math.abs(x) ** 0.6;
}

/**
 * Merge columns so that each pixel gets one bar.
 * @param {Int16Array} columns pairs of lowest and highest
 * @param {number} column_px width of a column
 * @param {number} left_px where the first column starts
 * @returns {Map<number, [number, number]>} pixel -> lowest and highest
 */
export function bars(columns, column_px, left_px) {
  const found = new Map();
  for (let i = 0; i < columns.length / 2; i++) {
    const first = Math.floor(left_px + i * column_px);
    const last = Math.max(first, Math.ceil(left_px + (i + 1) * column_px) - 1);
    for (let x = first; x <= last; x++) {
      const bar = found.get(x);
      if (bar) {
        bar[0] = Math.min(bar[0], columns[2 * i]);
        bar[1] = Math.max(bar[1], columns[2 * i + 1]);
      } else {
        found.set(x, [columns[2 * i], columns[2 * i + 1]]);
      }
    }
  }
  return found;
}

/** Times to label in a span, in seconds. @param {number} start_s @param {number} end_s */
export function ticks(start_s, end_s) {
  const found = [];
  for (let t = Math.ceil(start_s / TICK_S) * TICK_S; t < end_s; t += TICK_S) found.push(t);
  return found;
}

/** Seconds as m:ss. @param {number} s */
export function clock(s) {
  return `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
}

/** Draw `view` on `canvas`, whose size in CSS pixels is `width` x `height_px`. */
function paint(canvas, view, width, height_px) {
  const dense = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * dense), Math.round(height_px * dense)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const { start_s, end_s } = shown(view.end_s, view.window_s);
  const px_per_s = w / (end_s - start_s);
  const x_of = (/** @type {number} */ t) => (t - start_s) * px_per_s;
  const bottom = h - 16 * dense; // below it: the labels
  const middle = bottom / 2;
  context.clearRect(0, 0, w, h);

  for (const [from_s, to_s, is_final, order] of view.spans) {
    const x = Math.max(0, x_of(from_s));
    const span_w = Math.max(dense, x_of(Math.min(to_s, end_s)) - x);
    context.fillStyle = colour(is_final ? "--nbs-final" : "--nbs-partial");
    context.globalAlpha = is_final ? (order % 2 ? 0.2 : 0.12) : 0.18;
    context.fillRect(x, 0, span_w, bottom);
    context.globalAlpha = 1;
    context.fillRect(x, bottom - 2 * dense, span_w, 2 * dense);
  }

  context.fillStyle = colour("--nbs-rule");
  context.fillRect(0, Math.floor(middle), w, 1);
  context.fillStyle = colour("--nbs-wave");
  const columns = decode(view.columns);
  const first_s = view.end_s - (columns.length / 2) * view.column_s;
  for (const [x, [low, high]] of bars(columns, view.column_s * px_per_s, x_of(first_s))) {
    const top = middle * (1 - height(high));
    context.fillRect(x, top, 1, Math.max(1, middle * (1 - height(low)) - top));
  }

  context.fillStyle = colour("--nbs-label");
  context.font = `${10 * dense}px ${style.fontFamily}`;
  context.textBaseline = "bottom";
  for (const t of ticks(start_s, end_s)) {
    const x = x_of(t) + 4 * dense;
    const label = clock(t);
    if (x + context.measureText(label).width > w) continue;
    context.fillText(label, x, h - dense);
    context.fillRect(x_of(t), bottom + 2 * dense, 1, h - bottom);
  }
}

function render({ model, el }) {
  el.classList.add("nbs-waveform");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const problem = document.createElement("div");
  problem.setAttribute("role", "alert");
  el.append(canvas, problem);

  let frame = 0;
  function draw() {
    frame = 0;
    const { width, height: height_px } = canvas.getBoundingClientRect();
    if (!width || !height_px) return; // not shown now; the observer calls again
    try {
      const view = model.get("view");
      canvas.setAttribute("aria-label", `Waveform of the last ${view.window_s} seconds`);
      paint(canvas, view, width, height_px);
      problem.textContent = "";
    } catch (error) {
      problem.textContent = `The waveform can't be drawn: ${error}. Display the recorder again.`;
    }
  }
  const soon = () => {
    frame ||= requestAnimationFrame(draw);
  };
  const resized = new ResizeObserver(soon);
  resized.observe(canvas);
  const themed = new MutationObserver(soon);
  themed.observe(document.body, { attributeFilter: ["class", "data-jp-theme-name"] });
  model.on("change:view", soon);
  soon();
  return () => {
    cancelAnimationFrame(frame);
    resized.disconnect();
    themed.disconnect();
    model.off("change:view", soon);
  };
}

export default { render };
