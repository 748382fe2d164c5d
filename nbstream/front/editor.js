// editor.js: a text that is written in place: a correction, a speaker, a note.

import { element } from "./elements.js";

let n_lists = 0;

/**
 * @typedef {{title: string, text: string, is_long?: boolean, choices?: string[],
 *   save: (text: string) => void, leave: () => void, onPlay?: () => void}} Wanted
 *   onPlay: Ctrl+Space, to hear it while writing
 */

/** A field for a text; Enter saves, Escape leaves. @param {Wanted} wanted */
export function editor({ title, text, is_long = false, choices = [], save, leave, onPlay }) {
  const made = element("div", "nbs-editor");
  const label = element("label", "", {}, title);
  const field = /** @type {HTMLTextAreaElement | HTMLInputElement} */ (
    element(is_long ? "textarea" : "input", "nbs-field", { dir: "auto", spellcheck: "true" })
  );
  field.value = text;
  if (is_long) field.setAttribute("rows", "2");
  if (choices.length) {
    const list = element("datalist", "", { id: `nbs-choices-${++n_lists}` });
    list.append(...choices.map((value) => element("option", "", { value })));
    field.setAttribute("list", list.id);
    made.append(list);
  }
  label.append(field);
  const hear = onPlay ? ", Ctrl+Space hears it" : "";
  made.append(label, element("span", "nbs-muted", {}, `Enter saves, Escape leaves${hear}`));
  // Its keys and clicks are nobody else's.
  made.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (/** @type {KeyboardEvent} */ (event).isComposing) return;
    const { key, shiftKey, ctrlKey } = /** @type {KeyboardEvent} */ (event);
    if (key === "Enter" && !shiftKey) save(field.value.trim());
    else if (key === "Escape") leave();
    else if (key === " " && ctrlKey) onPlay?.();
    else return;
    event.preventDefault();
  });
  for (const name of ["click", "dblclick", "pointerdown"]) {
    made.addEventListener(name, (event) => event.stopPropagation());
  }
  return { element: made, field, begin: () => (field.focus({ preventScroll: true }), field.select()) };
}
