// elements.js: making elements, and places that scroll.

import { speakerColour, speakerLetter } from "./palette.js";

const NEAR_END_PX = 24; // so close to the end counts as being there

/**
 * An element; its text goes in as text.
 * @param {string} tag @param {Record<string, string>} attributes
 */
export function element(tag, className = "", attributes = {}, text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

/** Set text only if it differs. */
export function say(/** @type {Node} */ node, /** @type {string} */ text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set, or take away, an attribute only if it differs. */
export function mark(/** @type {Element} */ at, /** @type {string} */ name, /** @type {string | null} */ value) {
  if (at.getAttribute(name) === value) return;
  if (value === null) at.removeAttribute(name);
  else at.setAttribute(name, value);
}

/** Give, or take away, a class only if that changes something. */
export function classed(/** @type {Element} */ at, /** @type {string} */ name, /** @type {boolean} */ has) {
  if (at.classList.contains(name) !== has) at.classList.toggle(name, has);
}

/** The letter of a speaker on their colour. @param {string} name @param {string[]} speakers */
export function badge(name, speakers, /** @type {HTMLElement} */ at = element("span", "nbs-badge")) {
  say(at, speakerLetter(name, speakers));
  mark(at, "role", "img");
  mark(at, "aria-label", `Speaker ${name}`);
  mark(at, "title", name);
  const colour = speakerColour(speakers.indexOf(name));
  if (at.dataset.colour !== colour) at.style.background = at.dataset.colour = colour;
  return at;
}

/** A label on its colour. @param {{text: string, colour: string}} label */
export function chip({ text, colour }) {
  const made = element("span", "nbs-chip", { title: `Label ${text}` }, text);
  made.style.setProperty("--nbs-label", colour);
  return made;
}

/**
 * What draws a part, made such that it says in its place what goes wrong.
 * @template {any[]} A
 * @param {HTMLElement} el @param {string} what @param {(...args: A) => void} draw
 */
export function guarded(el, what, draw) {
  let alert = /** @type {HTMLElement | null} */ (null);
  return (/** @type {A} */ ...args) => {
    try {
      draw(...args);
      alert?.remove();
      alert = null;
    } catch (error) {
      if (!alert) el.append((alert = element("div", "nbs-alert", { role: "alert" })));
      say(alert, `${what} can't be drawn: ${error}. Run the cell again; the recording is not affected.`);
    }
  };
}

/**
 * The keys pressed in a part are its own, not shortcuts of JupyterLab: the b of a word would insert
 * a cell. JupyterLab looks at the element that has the focus before it looks around it.
 */
export function keepKeys(/** @type {HTMLElement} */ el) {
  el.addEventListener("focusin", ({ target }) => {
    /** @type {HTMLElement} */ (target).dataset.lmSuppressShortcuts = "true";
  });
}

/** Whether the reader is at the end, and so wants to stay there. */
export function isAtEnd({ scrollTop, clientHeight, scrollHeight }) {
  return scrollHeight - clientHeight - scrollTop <= NEAR_END_PX;
}

/**
 * Keep `area` at its end while its content grows or is laid out anew, until the reader scrolls up.
 * @param {HTMLElement} area @param {HTMLElement} content
 * @param {() => void} onChange the reader has left the end, or is back
 */
export function followEnd(area, content, onChange = () => {}) {
  let follows = true;
  let laid_out = "";
  const layout = () => `${area.clientWidth} ${area.clientHeight} ${area.scrollHeight}`;
  const decide = (/** @type {boolean} */ now) => {
    if (now === follows) return;
    follows = now;
    onChange();
  };
  const toEnd = () => {
    area.scrollTop = area.scrollHeight;
  };
  area.addEventListener("scroll", () => {
    // A new layout scrolls too; only a reader scrolls while it stays.
    if (layout() === laid_out) decide(isAtEnd(area));
  });
  area.addEventListener("wheel", ({ deltaY }) => {
    if (deltaY < 0 && area.scrollTop > 0) decide(false); // even while the layout changes
  }, { passive: true });
  const resized = new ResizeObserver(() => {
    laid_out = layout();
    if (follows) toEnd();
  });
  resized.observe(area);
  resized.observe(content);
  return {
    follows: () => follows,
    leave: () => decide(false),
    back: () => {
      toEnd();
      decide(true);
    },
    stop: () => resized.disconnect(),
  };
}
