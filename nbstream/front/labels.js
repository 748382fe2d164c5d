// labels.js: what is being worked on, and the labels that it can be given.

import { element, mark, say } from "./elements.js";

/**
 * @typedef {{title: string, has: Set<string>, isSpan: boolean}} Target what is worked on, in words,
 *   and which labels it has
 */

/**
 * The bar of labels. @returns {{element: HTMLElement, draw: (target: Target | null) => void,
 *   beginNew: () => void}}
 * @param {import("./store.js").Store} store
 * @param {{canEdit: boolean, onToggle: (name: string) => void, onNew: (name: string) => void,
 *   onRemove: () => void}} options
 */
export function labelBar(store, { canEdit, onToggle, onNew, onRemove }) {
  const made = element("div", "nbs-part nbs-labels");
  const title = element("span", "nbs-target");
  const list = element("div", "nbs-label-list", { role: "group", "aria-label": "Labels" });
  const field = /** @type {HTMLInputElement} */ (element("input", "nbs-field nbs-new-label", {
    type: "text", placeholder: "New label (L)", "aria-label": "New label", maxlength: "200",
  }));
  const remove = element("button", "nbs-tool", { type: "button" }, "Remove span");
  remove.addEventListener("click", onRemove);
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    const name = field.value.trim().replace(/\s+/g, " ");
    if (event.key === "Enter" && name) onNew(name);
    else if (event.key !== "Escape") return;
    field.value = "";
    /** @type {HTMLElement | null} */ (made.closest(".nbs-inspector"))?.focus({ preventScroll: true });
  });
  const row = element("div", "nbs-bar");
  row.append(title, list);
  if (canEdit) row.append(field, remove);
  made.append(row);

  function draw(/** @type {Target | null} */ target) {
    say(title, target?.title ?? "Nothing chosen");
    remove.hidden = !target?.isSpan;
    while (list.childElementCount > store.labels.length) list.lastElementChild?.remove();
    for (const [i, [name, colour]] of store.labels.entries()) {
      let button = /** @type {HTMLElement | null} */ (list.children[i] ?? null);
      if (!button) {
        button = element("button", "nbs-chip nbs-label", { type: "button" });
        button.append(element("kbd", "", { "aria-hidden": "true" }), element("span"));
        button.addEventListener("click", () => onToggle(store.labels[i][0]));
        list.append(button);
      }
      const has = Boolean(target?.has.has(name));
      mark(button, "aria-pressed", String(has));
      mark(button, "title", i < 9 ? `${name}: press ${i + 1}` : name);
      mark(button, "aria-keyshortcuts", i < 9 ? String(i + 1) : null);
      mark(button, "disabled", canEdit && target ? null : "");
      if (button.dataset.colour !== colour) {
        button.dataset.colour = colour;
        button.style.setProperty("--nbs-label", colour);
      }
      const [number, text] = /** @type {HTMLElement[]} */ ([...button.children]);
      say(number, i < 9 && canEdit ? String(i + 1) : "");
      say(text, name);
    }
  }
  return { element: made, draw, beginNew: () => field.focus({ preventScroll: true }) };
}
