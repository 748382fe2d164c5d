// writing.js: corrections and notes are written in the turn that they are about.

import { editor } from "./editor.js";
import { speakerOf } from "./words.js";

/** @typedef {"transcript" | "speaker" | "note"} Text */

const TITLES = { transcript: "Corrected text", speaker: "Speaker", note: "Note" };

/** A text as it stands, and the annotation that says it; what was heard, to compare with. */
export function textNow(/** @type {Text} */ kind, /** @type {any} */ turn, /** @type {import("./remarks.js").Remarks} */ said) {
  const note = said.notes.length === 1 ? said.notes[0] : null;
  const own = { transcript: said.corrected, speaker: said.speaker, note }[kind];
  if (!turn || kind === "note") return { own, heard: "" };
  return { own, heard: kind === "transcript" ? turn.text : speakerOf({ ...turn, remarks: null }) };
}

/**
 * The edit that makes a text stand; null if it does already. A text as it was heard is none.
 * @param {Text} kind @param {{own: import("./remarks.js").Said | null, heard: string}} now
 * @param {string} text @param {Record<string, any>} place
 */
export function editTo(kind, { own, heard }, text, place) {
  const is_none = text === heard || (kind !== "transcript" && !text);
  if (text === own?.text || (is_none && !own)) return null;
  if (is_none) return { do: "remove", ids: [own?.id] };
  if (own && kind === "note") return { do: "change", ids: [own.id], value: text };
  return { do: "say", [kind]: text, ...place };
}

/** The editor of an inspector `el`: one at a time. */
export class Writer {
  /**
   * @param {HTMLElement} el @param {HTMLElement} elsewhere where it is if its turn can't be seen
   * @param {import("./annotating.js").Annotator} annotator @param {(() => void) | undefined} onPlay
   */
  constructor(el, elsewhere, annotator, onPlay) {
    Object.assign(this, { el, elsewhere, annotator, onPlay });
    /** What it is about; "" where it is closed. */
    this.key = "";
    this._form = /** @type {ReturnType<typeof editor> | null} */ (null);
  }

  open(/** @type {Text} */ kind) {
    const { annotator } = this;
    const { turn, remarks, store } = annotator;
    if (!remarks) return annotator.tell("Choose a turn first.");
    if (!turn && kind !== "note") return annotator.tell("Only turns are corrected. M makes a note.");
    this.close();
    const now = textNow(kind, turn, remarks);
    const place = annotator.place;
    this.key = store.chosen;
    this._form = editor({
      title: TITLES[kind],
      text: now.own?.text ?? now.heard,
      is_long: kind === "transcript",
      choices: kind === "speaker" ? store.head.speakers : [],
      leave: () => this.close(),
      onPlay: this.onPlay,
      save: (text) => {
        this.close();
        const edit = editTo(kind, now, text, place);
        if (edit) annotator.edit(edit, edit.do === "remove" ? `${TITLES[kind]} taken back` : `${TITLES[kind]}: ${text}`);
      },
    });
    this.place();
    this._form.begin();
    this._form.element.scrollIntoView({ block: "nearest" });
  }

  /** Be in the turn, or where that can't be seen, elsewhere. */
  place() {
    if (!this._form) return;
    const { element: form, field } = this._form;
    const host = this.lineOf(this.key) ?? this.elsewhere;
    if (form.parentElement === host) return;
    const had_focus = this._hasFocus();
    host.append(form);
    if (had_focus) field.focus({ preventScroll: true });
  }

  close() {
    if (!this._form) return;
    const { element: form } = this._form;
    const had_focus = this._hasFocus();
    const at = this.lineOf(this.key)?.querySelector(".nbs-at") ?? this.el;
    [this._form, this.key] = [null, ""];
    if (had_focus) at.focus({ preventScroll: true });
    form.remove();
  }

  /** The line of a turn in the transcript, if it is in the page. @returns {any} */
  lineOf(/** @type {string} */ key) {
    return [...this.el.querySelectorAll(".nbs-turn")].find((line) => /** @type {HTMLElement} */ (line).dataset.key === key);
  }

  _hasFocus() {
    const { activeElement } = /** @type {Document} */ (this.el.getRootNode());
    return Boolean(this._form?.element.contains(activeElement));
  }
}
