// spans.js: free spans over the sound: made, moved and resized with the mouse, reached with Tab.

import { element, mark, say } from "./elements.js";
import { remarksText, spanKey, UNKNOWN_COLOUR } from "./remarks.js";
import { tickText } from "./span.js";

const LEAST_S = 0.02;
const MOST = 200; // drawn; more are too thin to be taken hold of

/** A span as it is read out. @param {{start_s: number, end_s: number}} span */
export function spanName({ start_s, end_s }) {
  return `Span ${tickText(start_s, 0.05)} to ${tickText(end_s, 0.05)}`;
}

/**
 * From one place to another, in ms, within the recording; null if that is too short to be meant.
 * @param {number} a_s @param {number} b_s @param {number} all_s
 */
export function spanBetween(a_s, b_s, all_s) {
  const inside = (/** @type {number} */ s) => Math.floor(1000 * Math.min(Math.max(0, s), all_s)) / 1000;
  const [start_s, end_s] = [inside(Math.min(a_s, b_s)), inside(Math.max(a_s, b_s))];
  return end_s - start_s < LEAST_S ? null : { start_s, end_s };
}

/** A span with one edge elsewhere. @param {{start_s: number, end_s: number}} span */
export function withEdge(span, /** @type {"start_s" | "end_s"} */ edge, at_s, all_s) {
  const fixed_s = edge === "start_s" ? span.end_s : span.start_s;
  const kept_s = edge === "start_s" ? Math.min(at_s, fixed_s - LEAST_S) : Math.max(at_s, fixed_s + LEAST_S);
  return spanBetween(kept_s, fixed_s, all_s) ?? { start_s: span.start_s, end_s: span.end_s };
}

/**
 * Spans over `detail`, the sound of a store.
 * @param {import("./store.js").Store} store @param {HTMLElement} detail
 * @param {{canEdit: boolean, onChoose: (key: string) => void, onHear: (span: any) => void,
 *   onMove: (span: any, to: {start_s: number, end_s: number}) => void}} options
 */
export class Spans {
  constructor(store, detail, options) {
    [this.store, this.detail, this.options] = [store, detail, options];
    this.shown = { start_s: 0, end_s: 1 };
    /** One that nothing is said about yet. @type {any} */
    this.pending = null;
    /** One as it is being dragged. @type {{key: string, start_s: number, end_s: number} | null} */
    this._dragged = null;
    this.layer = element("div", "nbs-spans");
    /** @type {Map<string, HTMLElement>} */
    this._drawn = new Map();
    detail.append(this.layer);
  }

  get all_s() {
    return this.store.sound.end_s || this.store.head.duration_s;
  }

  /** Another stretch is shown. */
  show(/** @type {{start_s: number, end_s: number}} */ span) {
    this.shown = span;
    this.draw();
  }

  timeAt(/** @type {number} */ clientX) {
    const { left, width } = this.detail.getBoundingClientRect();
    const { start_s, end_s } = this.shown;
    return start_s + (Math.min(Math.max(0, clientX - left), width) / Math.max(1, width)) * (end_s - start_s);
  }

  find(/** @type {string} */ key) {
    if (this.pending?.key === key) return this.pending;
    return this.store.spans.find((one) => one.key === key) ?? null;
  }

  /** A new span, to be labelled. @param {{start_s: number, end_s: number} | null} span */
  begin(span) {
    this.pending = span && {
      ...span, key: spanKey(span.start_s, span.end_s, null), channel: null,
      labels: [], notes: [], corrected: null, speaker: null,
    };
    this.options.onChoose(this.pending?.key ?? "");
    this.draw();
  }

  draw() {
    const { store, shown } = this;
    if (this.pending && store.spans.some(({ key }) => key === this.pending.key)) this.pending = null;
    const all = this.pending ? [...store.spans, this.pending] : store.spans;
    const seen = all.filter(({ start_s, end_s }) => end_s >= shown.start_s && start_s <= shown.end_s);
    const wanted = seen.length > MOST ? [] : seen;
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, one] of this._drawn) {
      if (keys.has(key)) continue;
      one.remove();
      this._drawn.delete(key);
    }
    for (const span of wanted) {
      let one = this._drawn.get(span.key);
      if (!one) {
        this._drawn.set(span.key, (one = this._make(span.key)));
        this.layer.append(one);
      }
      this._place(one, span);
    }
  }

  focus(/** @type {string} */ key) {
    /** @type {HTMLElement | null | undefined} */ (this._drawn.get(key)?.querySelector("button"))?.focus({ preventScroll: true });
  }

  _place(/** @type {HTMLElement} */ one, /** @type {any} */ span) {
    const { start_s, end_s } = this._dragged?.key === span.key ? this._dragged : span;
    const length_s = this.shown.end_s - this.shown.start_s;
    const share = (/** @type {number} */ s) => (100 * (s - this.shown.start_s)) / length_s;
    const [left, right] = [Math.max(-1, share(start_s)), Math.min(101, share(end_s))];
    const colour = span.labels[0]?.colour ?? UNKNOWN_COLOUR;
    mark(one, "style", `left: ${left}%; width: ${right - left}%; --nbs-label: ${colour}`);
    mark(one, "data-chosen", span.key === this.store.chosen ? "true" : null);
    mark(one, "data-pending", span === this.pending ? "true" : null);
    const button = /** @type {HTMLElement} */ (one.querySelector("button"));
    say(button, span.labels.map((/** @type {any} */ label) => label.text).join(", ") || span.notes[0]?.text || "new span");
    mark(button, "aria-label", `${spanName({ start_s, end_s })}: ${remarksText(span) || "nothing said yet"}`);
    mark(button, "aria-pressed", String(span.key === this.store.chosen));
  }

  _make(/** @type {string} */ key) {
    const made = element("div", "nbs-span");
    const button = element("button", "nbs-span-name", { type: "button" });
    button.addEventListener("focus", () => this.options.onChoose(key));
    button.addEventListener("click", () => this.options.onHear(this.find(key)));
    made.append(button);
    if (this.options.canEdit) {
      for (const edge of /** @type {const} */ (["start_s", "end_s"])) {
        const grip = element("div", `nbs-grip nbs-grip-${edge === "start_s" ? "start" : "end"}`);
        grip.addEventListener("pointerdown", (event) => this._drag(event, key, edge));
        made.append(grip);
      }
    }
    made.addEventListener("pointerdown", (event) => event.stopPropagation()); // the sound stays
    return made;
  }

  /** Move one edge along with the mouse. */
  _drag(/** @type {PointerEvent} */ event, /** @type {string} */ key, /** @type {"start_s" | "end_s"} */ edge) {
    if (event.button !== 0) return;
    event.preventDefault();
    const span = this.find(key);
    const grip = /** @type {HTMLElement} */ (event.currentTarget);
    grip.setPointerCapture(event.pointerId);
    this.options.onChoose(key);
    const move = (/** @type {PointerEvent} */ { clientX }) => {
      this._dragged = { key, ...withEdge(span, edge, this.timeAt(clientX), this.all_s) };
      this.draw();
    };
    const end = () => {
      grip.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) grip.removeEventListener(name, end);
      const to = this._dragged;
      this._dragged = null;
      if (to) this.options.onMove(span, { start_s: to.start_s, end_s: to.end_s });
    };
    grip.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) grip.addEventListener(name, end);
  }

  /** Draw a new span with the mouse: begins where the button went down. */
  drawWith(/** @type {PointerEvent} */ event) {
    const from_s = this.timeAt(event.clientX);
    const move = (/** @type {PointerEvent} */ { clientX }) => {
      this.begin(spanBetween(from_s, this.timeAt(clientX), this.all_s));
    };
    const end = () => {
      window.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, end);
      if (this.pending) this.focus(this.pending.key);
    };
    window.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end);
  }
}
