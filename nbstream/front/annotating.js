// annotating.js: the turn or the span that is worked on, and what is done with it.

import { idsOf, spanKey } from "./remarks.js";
import { spanBetween, withEdge } from "./spans.js";
import { timeText } from "./words.js";

const SLOW_MS = 1500; // a kernel that takes longer is busy

/** @typedef {(edit: Record<string, any>) => Promise<{error?: string, hint?: string}>} Ask */

export class Annotator {
  /**
   * @param {import("./store.js").Store} store @param {Ask | null} ask has an edit done, if any may be
   * @param {import("./player.js").Player | null} player
   * @param {(text: string) => void} tell says what was done @param {(text: string) => void} warn
   *   shows what could not be; "" once something could
   */
  constructor(store, ask, player, tell, warn) {
    Object.assign(this, { store, ask, player, tell, warn });
    this.spans = /** @type {import("./spans.js").Spans | null} */ (null);
    /** Where a span begins that has no end yet. */
    this.spanFrom_s = /** @type {number | null} */ (null);
  }

  get turn() {
    return this.store.byKey.get(this.store.chosen) ?? null;
  }

  get span() {
    return this.spans?.find(this.store.chosen) ?? null;
  }

  /** The turn or the span that is chosen. @returns {any} */
  get target() {
    return this.turn ?? this.span;
  }

  /** What is said about it. @returns {import("./remarks.js").Remarks | null} */
  get remarks() {
    return this.turn?.remarks ?? this.span;
  }

  /** Where it is, as the kernel is told. */
  get place() {
    if (this.turn) return { key: this.turn.key };
    const { start_s, end_s, channel } = this.target;
    return { start_s, end_s, channel };
  }

  /** Where the cursor is, or the player. */
  get at_s() {
    return (this.player?.is_playing ? this.player.at_s : this.store.cursor_s) ?? this.player?.at_s ?? null;
  }

  choose(/** @type {string} */ key) {
    if (this.spans?.pending && this.spans.pending.key !== key) this.spans.pending = null;
    this.store.choose(key);
  }

  /** Have something done. @param {Record<string, any>} what @param {string} done what is said then */
  async edit(what, done) {
    if (!this.ask) return false;
    const slow = setTimeout(() => this.tell("The kernel is busy; it will be saved."), SLOW_MS);
    const { error, hint } = await this.ask(what);
    clearTimeout(slow);
    this.warn(error ? `Not saved: ${error} ${hint ?? ""}`.trim() : "");
    if (!error) this.tell(done);
    return !error;
  }

  undo() {
    return this.edit({ do: "undo" }, "Undone");
  }

  redo() {
    return this.edit({ do: "redo" }, "Done again");
  }

  /** Give a label to what is chosen, or take it away. */
  label(/** @type {string | undefined} */ name) {
    if (name === undefined) return this.tell("There is no such label. L adds one.");
    if (!this.target) return this.tell("Choose a turn first.");
    const labels = this.remarks?.labels ?? [];
    const there = Object.fromEntries(labels.map(({ text, id }) => [text, id]));
    this.edit({ do: "toggle", label: name, there, ...this.place }, name in there ? `${name} taken away` : name);
  }

  newLabel(/** @type {string} */ name) {
    this.edit({ do: "label", label: name }, `Label ${this.store.labels.length + 1}: ${name}`);
  }

  /** Mark what is heard, or what is being said, or where the cursor is. */
  mark() {
    const is_now = this.store.head.is_live && !this.player?.is_playing;
    if (is_now) return this.edit({ do: "mark" }, "Marked");
    if (this.at_s === null) return this.tell("Choose a place first.");
    return this.edit({ do: "mark", at_s: this.at_s }, `Marked ${timeText(this.at_s)}`);
  }

  moveSpan(/** @type {any} */ span, /** @type {{start_s: number, end_s: number}} */ to) {
    if (!this.spans) return;
    if (span === this.spans.pending) return this.spans.begin(to);
    const before = { start_s: span.start_s, end_s: span.end_s, key: span.key };
    Object.assign(span, to, { key: spanKey(to.start_s, to.end_s, span.channel) }); // seen at once
    this.store.choose(span.key);
    this.spans.draw();
    this.edit({ do: "change", ids: idsOf(span), ...to }, "Moved").then((ok) => {
      if (ok) return;
      Object.assign(span, before);
      this.choose(span.key);
      this.spans?.draw();
    });
  }

  nudge(/** @type {"start_s" | "end_s"} */ edge, /** @type {number} */ by_s) {
    const { span, spans } = this;
    if (!span || !spans) return this.tell("Choose a span first.");
    this.moveSpan(span, withEdge(span, edge, span[edge] + by_s, spans.all_s));
  }

  removeSpan() {
    const { span, spans } = this;
    if (!span || !spans) return;
    if (span === spans.pending) spans.begin(null);
    else this.edit({ do: "remove", ids: idsOf(span) }, "Span removed");
  }

  /** A span from where this is asked for first to where it is asked for again. */
  spanHere() {
    const { at_s, spans } = this;
    if (at_s === null || !spans) return this.tell("Choose a place first.");
    if (this.spanFrom_s === null) {
      this.spanFrom_s = at_s;
      return this.tell(`A span begins at ${timeText(at_s)}. Press X again where it ends.`);
    }
    const span = spanBetween(this.spanFrom_s, at_s, spans.all_s);
    this.spanFrom_s = null;
    spans.begin(span);
    this.tell(span ? "Press a number to label the span, M for a note." : "The span is too short.");
  }

  /** Whether there is something to leave. */
  get has_begun() {
    return this.spanFrom_s !== null || Boolean(this.spans?.pending);
  }

  leave() {
    this.spanFrom_s = null;
    this.spans?.begin(null);
  }
}

/** Has edits done by the kernel behind a model. @param {any} model @returns {Ask} */
export function askOf(model) {
  const me = Math.random().toString(36).slice(2);
  /** @type {Map<number, (done: any) => void>} */
  const waiting = new Map();
  let n = 0;
  model.on("msg:custom", (/** @type {any} */ message) => {
    if (message.kind !== "annotated" || message.to !== me) return;
    waiting.get(message.number)?.(message);
    waiting.delete(message.number);
  });
  return (edit) => new Promise((resolve) => {
    waiting.set(++n, resolve);
    model.send({ kind: "annotate", to: me, number: n, edit });
  });
}
