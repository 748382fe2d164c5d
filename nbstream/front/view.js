// view.js: sound, transcript and table of one session; the entry of the widget.

import { widgetOf } from "./feed.js";
import { panel } from "./panel.js";

/**
 * All views of a store in `el`, as wide as it is. @returns {() => void} the end of that
 * @param {import("./store.js").Store} store @param {HTMLElement} el
 * @param {{frame?: string}} options frame: the code that gives the turns as a DataFrame
 */
export function mount(store, el, options = {}) {
  return panel(store, el, options);
}

export default widgetOf(mount);
