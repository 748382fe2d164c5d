// line.js: one turn of a transcript: time, speaker, words. A word that stays keeps its element, so
// that a message changes what is new in it and nothing else.

import { badge, chip, classed, element, mark, say } from "./elements.js";
import { remarksText } from "./remarks.js";
import { compare, DOUBTFUL, GUESSED, pieces, speakerOf, timeText } from "./words.js";

/** How doubtful a word is: "" not, "1" below 0.6, "2" below 0.4. */
export function doubt(/** @type {number | null} */ confidence) {
  if (confidence === null || confidence >= DOUBTFUL) return "";
  return confidence < GUESSED ? "2" : "1";
}

/** One turn that is in the page. */
export class Line {
  constructor(/** @type {string} */ key) {
    this.key = key;
    this.at = element("button", "nbs-at", { type: "button", tabindex: "-1" });
    this.badge = element("span", "nbs-badge");
    this.said = element("span", "nbs-said", { dir: "auto" });
    this.element = element("div", "nbs-turn", { role: "listitem", "data-key": key });
    this.element.append(this.at, this.badge, this.said);
    /** What people say about it; in the page where there is any. */
    this.remarks = element("div", "nbs-remarks");
    /** @type {import("./words.js").Piece[]} */
    this.pieces = [];
    /** @type {{gap: Text, word: HTMLElement}[]} as in `pieces` */
    this.nodes = [];
    this.drawn = /** @type {any} */ ({});
  }

  draw(turn, number, speakers, withDoubt) {
    const { drawn, element: line } = this;
    const time = timeText(turn.start_s);
    say(this.at, time);
    mark(this.at, "aria-label", time ? `Look at ${time}` : "Not timed yet");
    const speaker = speakerOf(turn);
    if (this.badge.hidden === Boolean(speaker)) this.badge.hidden = !speaker;
    if (speaker) badge(speaker, speakers, this.badge);
    classed(line, "nbs-partial", !turn.is_final);
    mark(line, "aria-posinset", String(number + 1));
    if (drawn.remarks !== turn.remarks) this._remark((drawn.remarks = turn.remarks));
    if (drawn.text === turn.text && drawn.words === turn.words && drawn.withDoubt === withDoubt) return;
    this._write(pieces(turn), drawn.is_final === false);
    for (const [i, { confidence }] of this.pieces.entries()) {
      const { word } = this.nodes[i];
      const doubtful = withDoubt ? doubt(confidence) : "";
      mark(word, "data-doubt", doubtful || null);
      mark(word, "title", doubtful ? `confidence ${confidence.toFixed(2)}` : null);
    }
    const { text, words, is_final } = turn;
    Object.assign(drawn, { text, words, is_final, withDoubt });
  }

  /** Labels, notes and the corrected text stand under what was heard. */
  _remark(/** @type {import("./remarks.js").Remarks} */ remarks) {
    const text = remarksText(remarks);
    classed(this.element, "nbs-is-corrected", remarks.corrected !== null);
    if (!text) return this.remarks.remove();
    const { labels, notes, corrected } = remarks;
    const parts = labels.map((label) => chip(label));
    for (const note of notes) parts.push(element("span", "nbs-note", { dir: "auto" }, note.text));
    if (corrected) {
      const said = corrected.text || "(nothing was said)";
      parts.unshift(element("span", "nbs-corrected", { dir: "auto" }, said));
    }
    this.remarks.replaceChildren(...parts);
    if (!this.remarks.isConnected) this.said.after(this.remarks);
  }

  /** Put `fresh` in the place of what is there; a word that stays keeps its element. */
  _write(fresh, flashes) {
    const [old, kept] = [this.nodes, this.pieces.map((piece) => piece.text)];
    const nodes = compare(kept, fresh.map((piece) => piece.text)).map(({ from, changed }) => {
      if (from >= 0) return old[from];
      const word = element("span", changed && flashes ? "nbs-word nbs-changed" : "nbs-word");
      return { gap: document.createTextNode(""), word };
    });
    const stays = new Set(nodes);
    for (const node of old) {
      if (stays.has(node)) continue;
      node.gap.remove();
      node.word.remove();
    }
    let place = this.said.firstChild;
    for (const [i, { gap, word }] of nodes.entries()) {
      say(gap, fresh[i].before);
      say(word, fresh[i].text);
      for (const node of [gap, word]) {
        if (node === place) place = place.nextSibling;
        else this.said.insertBefore(node, place);
      }
    }
    [this.nodes, this.pieces] = [nodes, fresh];
  }

  /** The place in the audio of an element in this turn: a word's, else the turn's. */
  timeOf(/** @type {Element} */ target) {
    const i = this.nodes.findIndex(({ word }) => word === target);
    return this.pieces[i]?.start_s ?? null;
  }

  /** The word at a place is marked. */
  point(/** @type {number | null} */ at_s) {
    for (const [i, { start_s, end_s }] of this.pieces.entries()) {
      const is_heard = at_s !== null && start_s !== null && start_s <= at_s && at_s < end_s;
      classed(this.nodes[i].word, "nbs-heard", is_heard);
    }
  }
}
