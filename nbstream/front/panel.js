// panel.js: sound, transcript and table of one session under each other.

import { element, guarded, keepKeys } from "./elements.js";
import { table } from "./table.js";
import { transcript } from "./transcript.js";
import { waveform } from "./waveform.js";

const WIDE_PX = 560; // from here on there is room for a table

/**
 * All views of a store in `el`, as wide as it is. @returns {() => void} the end of that
 * @param {import("./store.js").Store} store @param {HTMLElement} el
 * @param {{frame?: string, help?: string, onShown?: (span: import("./span.js").Span) => void}}
 *   options as of `table` and `waveform`
 */
export function panel(store, el, options = {}) {
  el.classList.add("nbs-view");
  keepKeys(el);
  /** @type {(() => void)[]} */
  const ends = [];
  const part = (/** @type {string} */ what, /** @type {HTMLElement} */ parent, begin) => {
    const place = element("div");
    parent.append(place);
    guarded(parent, what, () => ends.push(begin(place)))();
  };
  part("The sound", el, (place) => waveform(store, place, options));
  part("The transcript", el, (place) => transcript(store, place));
  const fold = /** @type {HTMLDetailsElement} */ (element("details", "nbs-fold"));
  const summary = element("summary", "", {}, "Table");
  fold.append(summary);
  el.append(fold);
  part("The table", fold, (place) => table(store, place, options));

  // How wide it is can be told once it is in the page; after that it is up to the reader.
  const wide = new ResizeObserver(() => {
    if (!el.clientWidth) return;
    fold.open = el.clientWidth >= WIDE_PX;
    wide.disconnect();
  });
  wide.observe(el);
  summary.addEventListener("click", () => wide.disconnect());
  ends.push(() => wide.disconnect());
  return () => {
    for (const end of ends) end();
    el.replaceChildren();
  };
}
