// paint.js: sound, turns, holes and marks on a canvas. All lengths are in the canvas' own pixels,
// of which `dense` are one of the page's.

import { speakerColour, speakerLetter } from "./palette.js";
import { height, isOn, owners, tickStep, tickText, tickTimes } from "./span.js";
import { speakerOf } from "./words.js";

/** @typedef {import("./span.js").Span} Span */
/** @typedef {{top: number, height: number, text: number, channel: number | null}} Lane
 *   text: height at its top that is left to words; channel: null where there is only one */

const MOST_TURNS = 300; // drawn one by one; more are too thin to be told apart
const LABEL_PX = 5; // of a stripe of labels
const TICKS_PX_PER_S = 36; // from here on words have ticks
const WORDS_PX_PER_S = 100; // from here on most have room for their text

/** A canvas at its size in the page, cleared, and what to paint it with. */
export class Paper {
  constructor(/** @type {HTMLCanvasElement} */ canvas) {
    const { width, height: height_px } = canvas.getBoundingClientRect();
    this.dense = window.devicePixelRatio || 1;
    [this.width, this.height] = [Math.round(width * this.dense), Math.round(height_px * this.dense)];
    if (canvas.width !== this.width || canvas.height !== this.height) {
      [canvas.width, canvas.height] = [this.width, this.height];
    }
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.context.clearRect(0, 0, this.width, this.height);
    const style = getComputedStyle(canvas);
    this.colour = (/** @type {string} */ name) => style.getPropertyValue(`--nbs-${name}`).trim();
    this.font = (/** @type {number} */ px, weight = "") =>
      `${weight} ${px * this.dense}px ${style.fontFamily}`.trim();
    this.context.textBaseline = "middle";
  }

  /** Look at a stretch. It begins at a whole pixel of time, so that a bar keeps its height. */
  show(/** @type {Span} */ { start_s, end_s }) {
    this.per_s = this.width / (end_s - start_s);
    const first = Math.round(start_s * this.per_s);
    this.span = { start_s: first / this.per_s, end_s: (first + this.width) / this.per_s };
    this.first = first;
  }

  x(/** @type {number} */ at_s) {
    return at_s * this.per_s - this.first;
  }

  /** A rectangle in time. @param {number} start_s @param {number} end_s */
  fill(colour, start_s, end_s, top, height_px, alpha = 1) {
    const left = Math.max(0, Math.round(this.x(start_s)));
    const right = Math.min(this.width, Math.max(left + this.dense, Math.round(this.x(end_s))));
    this.context.globalAlpha = alpha;
    this.context.fillStyle = colour;
    this.context.fillRect(left, top, right - left, height_px);
    this.context.globalAlpha = 1;
  }
}

/**
 * The lanes of `n_channels`, down to a height. @returns {Lane[]}
 * @param {number} n_channels @param {number} bottom @param {number} apart @param {number} text
 */
export function lanes(n_channels, bottom, apart, text = 0) {
  const each = (bottom - apart * (n_channels - 1)) / n_channels;
  return Array.from({ length: n_channels }, (_, i) => ({
    top: Math.round(i * (each + apart)),
    height: Math.round(each),
    text,
    channel: n_channels > 1 ? i : null,
  }));
}

/** Where silence is in a lane, and how far from it the loudest sound. @returns {[number, number]} */
export function middleOf(/** @type {Lane} */ lane) {
  const half = (lane.height - lane.text) / 2;
  return [lane.top + lane.text + half, half];
}

/** Colour of who speaks a turn; where nobody is told apart, all have the first. */
function colourOf(/** @type {any} */ turn, /** @type {string[]} */ speakers) {
  const name = speakerOf(turn);
  return speakerColour(name || speakers.length ? speakers.indexOf(name) : 0);
}

/**
 * The sound of a lane: in the colours of who speaks, grey in between.
 * @param {Paper} paper @param {import("./store.js").Store} store @param {Lane} lane
 * @returns {{level: number, first: number}[]} tiles that were missing
 */
export function paintSound(paper, store, lane) {
  const { context, dense } = paper;
  const n = Math.ceil(paper.width / dense);
  const span = { start_s: paper.span.start_s, end_s: paper.span.start_s + (n * dense) / paper.per_s };
  const { bars, missing } = store.sound.bars(span.start_s, span.end_s, n, lane.channel ?? 0);
  const heard = owners(store, span, n, lane.channel);
  const [middle, half] = middleOf(lane);
  const quiet = paper.colour("wave");
  /** @type {Map<string, Path2D>} */
  const paths = new Map();
  for (let i = 0; i < n; i++) {
    const [low, high] = [bars[2 * i], bars[2 * i + 1]];
    if (Number.isNaN(low)) continue;
    const colour = heard[i] ? colourOf(heard[i], store.head.speakers) : quiet;
    let path = paths.get(colour);
    if (!path) paths.set(colour, (path = new Path2D()));
    const [top, bottom] = [middle - half * height(high), middle - half * height(low)];
    const thick = Math.max(dense, bottom - top);
    path.rect(i * dense, (top + bottom - thick) / 2, dense, thick);
  }
  for (const [colour, path] of paths) {
    context.fillStyle = colour;
    context.fill(path);
  }
  return missing;
}

/**
 * The turns of a lane: a tinted span each; an open one has a broken outline and a bright edge
 * where it grows.
 * @param {Paper} paper @param {import("./store.js").Store} store @param {Lane} lane
 */
export function paintTurns(paper, store, lane) {
  const { context, dense, span } = paper;
  const n = store.firstAfter(span.end_s) - store.firstAfter(span.start_s);
  if (n > MOST_TURNS) return paintBands(paper, store, lane);
  for (const turn of store.turnsIn(span.start_s, span.end_s)) {
    if (!isOn(turn, lane.channel)) continue;
    const colour = colourOf(turn, store.head.speakers);
    const [start_s, end_s] = [turn.start_s ?? 0, turn.end_s ?? 0];
    paper.fill(colour, start_s, end_s, lane.top, lane.height, turn.is_final ? 0.15 : 0.08);
    if (turn.is_final) {
      paper.fill(colour, start_s, end_s, lane.top + lane.height - 3 * dense, 3 * dense);
      paper.fill(colour, start_s, start_s, lane.top, lane.height, 0.5);
      continue;
    }
    const [left, right] = [paper.x(start_s), paper.x(end_s)];
    context.save();
    context.strokeStyle = colour;
    context.lineWidth = 1.5 * dense;
    context.setLineDash([5 * dense, 3 * dense]);
    context.lineDashOffset = -Math.max(0, -left) % (8 * dense);
    context.strokeRect(left, lane.top + dense, right - left, lane.height - 2 * dense);
    context.restore();
    context.fillStyle = colour;
    context.fillRect(right - 1.5 * dense, lane.top, 3 * dense, lane.height);
  }
}

/** Turns that are too many for spans: bands of colour at the bottom of the lane. */
export function paintBands(paper, store, /** @type {Lane} */ lane, alpha = 0.15) {
  const n = Math.ceil(paper.width / paper.dense);
  const px_s = paper.dense / paper.per_s;
  const begin_s = paper.span.start_s;
  const heard = owners(store, { start_s: begin_s, end_s: begin_s + n * px_s }, n, lane.channel);
  for (let i = 0; i < n; ) {
    const colour = heard[i] && colourOf(heard[i], store.head.speakers);
    let end = i + 1;
    while (end < n && (heard[end] && colourOf(heard[end], store.head.speakers)) === colour) end++;
    if (colour) {
      const [start_s, end_s] = [begin_s + i * px_s, begin_s + end * px_s];
      paper.fill(colour, start_s, end_s, lane.top, lane.height, alpha);
      const thick = 3 * paper.dense;
      paper.fill(colour, start_s, end_s, lane.top + lane.height - thick, thick);
    }
    i = end;
  }
}

/**
 * Ticks of the words of a lane, with their text where there is room, and the letters of speakers.
 * @param {Paper} paper @param {import("./store.js").Store} store @param {Lane} lane
 * @returns {string[]} keys of turns whose words are missing
 */
export function paintWords(paper, store, lane) {
  const { context, dense, span } = paper;
  const missing = [];
  const n = store.firstAfter(span.end_s) - store.firstAfter(span.start_s);
  if (n > MOST_TURNS / 3) return missing;
  const with_ticks = paper.per_s / dense >= TICKS_PX_PER_S;
  const with_words = paper.per_s / dense >= WORDS_PX_PER_S;
  context.font = paper.font(11);
  for (const turn of store.turnsIn(span.start_s, span.end_s)) {
    if (!isOn(turn, lane.channel)) continue;
    const name = speakerOf(turn);
    const left = Math.max(0, paper.x(turn.start_s ?? 0));
    const room = Math.min(paper.width, paper.x(turn.end_s ?? 0)) - left;
    const badge = name && room > 20 * dense ? 22 * dense : 0;
    if (with_ticks && !turn.words) missing.push(turn.key);
    for (const [i, [text, start_s, end_s]] of (with_ticks ? (turn.words ?? []) : []).entries()) {
      if (start_s === null || end_s < span.start_s || start_s > span.end_s) continue;
      const x = Math.round(paper.x(start_s));
      context.fillStyle = paper.colour("text");
      context.globalAlpha = 0.55;
      context.fillRect(x, lane.top + lane.height - 9 * dense, dense, 6 * dense);
      context.globalAlpha = 1;
      if (!with_words) continue;
      const next_s = turn.words?.[i + 1]?.[1] ?? end_s;
      const from = Math.max(x + 2 * dense, left + badge);
      const fits = context.measureText(text).width <= paper.x(Math.max(next_s, end_s)) - from;
      if (fits && x >= left - 1) context.fillText(text, from, lane.top + 10 * dense);
    }
    if (!badge) continue;
    context.fillStyle = colourOf(turn, store.head.speakers);
    context.beginPath();
    context.roundRect(left + 2 * dense, lane.top + 2 * dense, 18 * dense, 16 * dense, 8 * dense);
    context.fill();
    context.font = paper.font(10, "600");
    context.fillStyle = "#fff";
    context.textAlign = "center";
    const letter = speakerLetter(name, store.head.speakers);
    context.fillText(letter, left + 11 * dense, lane.top + 10.5 * dense, 16 * dense);
    context.textAlign = "start";
    context.font = paper.font(11);
  }
  return missing;
}

/**
 * Labels of turns and spans: a stripe in their colours over each, and what is being worked on.
 * @param {Paper} paper @param {import("./store.js").Store} store @param {Lane} lane
 */
export function paintRemarks(paper, store, lane) {
  const { context, dense, span } = paper;
  const chosen = store.byKey.get(store.chosen);
  if (chosen && chosen.start_s !== null && isOn(chosen, lane.channel)) {
    const [left, right] = [paper.x(chosen.start_s), paper.x(chosen.end_s ?? 0)];
    context.strokeStyle = paper.colour("text");
    context.lineWidth = 1.5 * dense;
    context.strokeRect(left, lane.top + dense, right - left, lane.height - 2 * dense);
  }
  if (!store.remarks.size) return;
  const n = store.firstAfter(span.end_s) - store.firstAfter(span.start_s);
  if (n > MOST_TURNS) return paintLabelBands(paper, store, lane);
  for (const turn of store.turnsIn(span.start_s, span.end_s)) {
    if (!isOn(turn, lane.channel)) continue;
    const { labels } = turn.remarks;
    const thick = (LABEL_PX * dense) / labels.length;
    for (const [i, { colour }] of labels.entries()) {
      paper.fill(colour, turn.start_s ?? 0, turn.end_s ?? 0, lane.top + i * thick, thick);
    }
  }
}

/** Labels of turns that are too many for stripes: where there is any, the colour of the first. */
export function paintLabelBands(paper, store, /** @type {Lane} */ lane) {
  if (!store.remarks.size) return;
  const n = Math.ceil(paper.width / paper.dense);
  const px_s = paper.dense / paper.per_s;
  const begin_s = paper.span.start_s;
  const heard = owners(store, { start_s: begin_s, end_s: begin_s + n * px_s }, n, lane.channel);
  for (const [i, turn] of heard.entries()) {
    const colour = turn?.remarks.labels[0]?.colour;
    const at_s = begin_s + i * px_s;
    if (colour) paper.fill(colour, at_s, at_s + px_s, lane.top, LABEL_PX * paper.dense);
  }
}

/** Gaps and pauses of a lane: hatched, and named where there is room. */
export function paintHoles(paper, store, /** @type {Lane} */ lane) {
  const { context, dense, span } = paper;
  for (const gap of store.gaps) {
    if (!isOn(gap, lane.channel) || gap.end_s < span.start_s || gap.start_s > span.end_s) continue;
    const at = paper.x((gap.start_s + gap.end_s) / 2);
    const width = Math.max(6 * dense, paper.x(gap.end_s) - paper.x(gap.start_s)); // some have no length
    const [left, right] = [Math.max(0, at - width / 2), Math.min(paper.width, at + width / 2)];
    const colour = paper.colour(gap.kind === "pause" ? "muted" : "warn");
    context.save();
    context.beginPath();
    context.rect(left, lane.top, right - left, lane.height);
    context.clip();
    context.fillStyle = paper.colour("back");
    context.globalAlpha = 0.6;
    context.fillRect(left, lane.top, right - left, lane.height);
    context.globalAlpha = gap.kind === "pause" ? 0.6 : 0.9;
    context.strokeStyle = colour;
    context.lineWidth = dense;
    context.beginPath();
    const step = 6 * dense;
    // From a whole number of steps of time on, so that the hatch moves along with the sound.
    const shift = (((left + paper.first) % step) + step) % step;
    for (let x = left - shift - lane.height; x < right; x += step) {
      context.moveTo(x, lane.top + lane.height);
      context.lineTo(x + lane.height, lane.top);
    }
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = colour;
    context.fillRect(left, lane.top, dense, lane.height);
    context.fillRect(right - dense, lane.top, dense, lane.height);
    context.font = paper.font(11);
    const label = gap.kind === "overflow" ? "lost" : gap.kind;
    const label_px = context.measureText(label).width + 8 * dense;
    if (label_px < right - left - 4 * dense && lane.height > 40 * dense) {
      const x = (left + right - label_px) / 2;
      context.fillStyle = paper.colour("back");
      context.fillRect(x, lane.top + 4 * dense, label_px, 16 * dense);
      context.fillStyle = paper.colour("text");
      context.fillText(label, x + 4 * dense, lane.top + 12.5 * dense);
    }
    context.restore();
  }
}

/** Marks as flags; their text where there is room. @param {Paper} paper @param {number} bottom */
export function paintMarks(paper, store, bottom, withText = true) {
  const { context, dense, span } = paper;
  context.font = paper.font(11);
  for (const [i, { at_s, text }] of store.marks.entries()) {
    if (at_s < span.start_s || at_s > span.end_s) continue;
    const x = Math.round(paper.x(at_s));
    context.fillStyle = paper.colour("mark");
    context.fillRect(x, 0, 1.5 * dense, bottom);
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x + 9 * dense, 4 * dense);
    context.lineTo(x, 8 * dense);
    context.fill();
    const next = Math.min(paper.width, paper.x(store.marks[i + 1]?.at_s ?? Infinity));
    const label_px = context.measureText(text).width + 8 * dense;
    if (!withText || !text || label_px > next - x - 12 * dense) continue;
    context.fillStyle = paper.colour("back");
    context.fillRect(x + 10 * dense, bottom - 24 * dense, label_px, 16 * dense);
    context.fillStyle = paper.colour("text");
    context.fillText(text, x + 14 * dense, bottom - 15.5 * dense);
  }
}

/** The labels of time under the lanes. @param {Paper} paper @param {number} top @param {number} apart_px */
export function paintTimes(paper, top, apart_px) {
  const { context, dense } = paper;
  const step_s = tickStep(paper.per_s / dense, apart_px);
  context.font = paper.font(11);
  context.fillStyle = paper.colour("muted");
  for (const at_s of tickTimes(paper.span, step_s)) {
    const [x, label] = [Math.round(paper.x(at_s)), tickText(at_s, step_s)];
    context.fillRect(x, top + 2 * dense, dense, 5 * dense);
    const from = x + 4 * dense;
    if (from + context.measureText(label).width > paper.width) continue;
    context.fillText(label, from, top + (paper.height - top) / 2 + dense);
  }
}
