// status.js: state in words, time, level, the last problem, and the keys of the whole panel. State
// comes down in the trait `view`; what a key does is a press of the panel's own buttons.

import { classed, element, guarded, mark, say } from "./elements.js";
import { timeText } from "./words.js";

const QUIETEST_DBFS = -60; // left end of the level meter
const SIGN_OF_LIFE_MS = 20_000;
const KEYS_HELP = [["Space", "record, stop"], ["P", "pause"], ["M", "mark"]];
const KEY_PRESSES = { " ": ".nbs-record", p: ".nbs-pause", m: ".nbs-mark" };
// Where keys have a meaning of their own. On a button only the space bar has.
const OWN_KEYS = "input, textarea, select, summary, a, [contenteditable], [role=region], [role=grid]";

/**
 * Billed time and its estimated cost in words; null means that the service costs nothing.
 * @param {number | null} s @param {number} usd
 */
export function billed(s, usd) {
  return s === null ? "not billed" : `${(s / 60).toFixed(1)} min billed, about ${usd.toFixed(2)} USD`;
}

/** Place of a level on the meter, 0 to 1. @param {number} dbfs */
export function meterFraction(dbfs) {
  return Math.min(1, Math.max(0, 1 - dbfs / QUIETEST_DBFS));
}

/** Level in words, for those who do not see the meter. @param {number} dbfs @param {boolean} clipped */
export function levelText(dbfs, clipped) {
  if (clipped) return "too loud";
  return dbfs <= QUIETEST_DBFS ? "silent" : `${Math.round(dbfs)} dB`;
}

/**
 * Which of the panel's buttons a key presses; null if it is somebody else's.
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean,
 *   repeat: boolean, target: any}} event
 */
export function pressedBy({ key, ctrlKey, metaKey, altKey, shiftKey, repeat, target }) {
  if (ctrlKey || metaKey || altKey || shiftKey || repeat) return null;
  if (target.closest(OWN_KEYS)?.closest(".nbs-recorder")) return null; // not what is around it
  if (key === " " && target.closest("button")) return null;
  return KEY_PRESSES[key.toLowerCase()] ?? null;
}

/** Whether a key is a text's or a shortcut's of this panel, not a command of JupyterLab. */
export function isPlain({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  return !ctrlKey && !metaKey && !altKey && !(shiftKey && key === "Enter");
}

/** The status of the model in `el`. @returns {() => void} the end of that */
function showStatus(/** @type {any} */ { model, el }) {
  el.classList.add("nbs-status", "nbs-part");
  const line = element("div", "nbs-status-line");
  const state = element("span", "nbs-state", { role: "status", "aria-live": "polite" });
  const detail = element("span", "nbs-more", { "aria-live": "off" }); // a countdown is not spoken
  const time = element("span", "nbs-status-time", { role: "timer", "aria-label": "Recorded", "aria-live": "off" });
  const cost = element("span", "nbs-cost");
  const meter = element("div", "nbs-meter", {
    role: "meter", "aria-label": "Level", "aria-valuemin": String(QUIETEST_DBFS), "aria-valuemax": "0",
  });
  const bar = element("div", "nbs-meter-bar");
  const loud = element("span", "nbs-loud");
  const problem = element("div", "nbs-problem", { role: "alert" });
  const message = element("div", "nbs-message");
  const hint = element("div", "nbs-hint");
  const foot = element("div", "nbs-status-foot");
  const note = element("span", "nbs-status-note", { role: "status" });
  const keys = element("span", "nbs-status-keys", { "aria-label": "Keys" });
  for (const [key, what] of KEYS_HELP) {
    const pair = element("span");
    pair.append(element("kbd", "", {}, key), ` ${what}`);
    keys.append(pair);
  }
  meter.append(bar);
  line.append(state, detail, time, cost, loud, meter);
  foot.append(note, keys);
  el.append(line, problem, foot);

  let panel = /** @type {HTMLElement | null} */ (null); // all parts together, once `el` is in it

  function enter() {
    if (panel) return;
    panel = el.closest(".nbs-recorder");
    if (!panel) return;
    panel.tabIndex = 0;
    mark(panel, "role", "group");
    mark(panel, "aria-label", "Recorder");
    panel.addEventListener("keydown", onKey);
  }

  function onKey(/** @type {KeyboardEvent} */ event) {
    const name = event.defaultPrevented ? null : pressedBy(/** @type {any} */ (event));
    if (!name) return;
    event.preventDefault();
    /** @type {HTMLButtonElement | null} */ (panel?.querySelector(name))?.click();
  }

  // Before JupyterLab looks: the m that marks would turn the cell into Markdown, and the space bar
  // scroll the page; but its Ctrl+S is to save the notebook. It asks the element that has the
  // focus first, so that what is around it comes too late.
  function keep(/** @type {KeyboardEvent} */ event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!panel?.contains(target)) return;
    if (isPlain(event)) target.dataset.lmSuppressShortcuts = "true";
    else delete target.dataset.lmSuppressShortcuts;
  }

  const draw = guarded(el, "The status", () => {
    enter();
    const view = model.get("view");
    if (!view.word) return;
    panel?.toggleAttribute("data-live", view.is_live);
    mark(el, "data-state", view.state);
    say(state, view.word);
    say(detail, view.detail);
    say(time, timeText(view.elapsed_s));
    say(cost, billed(view.billed_s, view.cost_usd));
    cost.hidden = time.hidden = !view.is_live && !view.folder; // nothing was recorded
    bar.style.transform = `scaleX(${meterFraction(view.level_dbfs).toFixed(3)})`;
    classed(meter, "nbs-clipped", view.is_clipped);
    mark(meter, "aria-valuenow", String(Math.max(QUIETEST_DBFS, Math.round(view.level_dbfs))));
    mark(meter, "aria-valuetext", levelText(view.level_dbfs, view.is_clipped));
    say(loud, view.is_clipped ? "too loud" : "");
    say(message, view.message);
    say(hint, view.hint);
    // Put in and taken out: what appears inside an alert is spoken.
    if (view.message && !message.isConnected) problem.append(message, hint);
    if (!view.message) problem.replaceChildren();
    say(note, view.folder ? `Kept in ${view.folder}` : view.note);
    classed(note, "nbs-is-urgent", view.is_silent);
  });

  model.on("change:view", draw);
  window.addEventListener("keydown", keep, true);
  draw();
  const alive = () => model.send({ kind: "alive" });
  alive();
  const heart = setInterval(alive, SIGN_OF_LIFE_MS);
  const frame = requestAnimationFrame(() => draw()); // by then `el` is in the panel
  return () => {
    cancelAnimationFrame(frame);
    clearInterval(heart);
    window.removeEventListener("keydown", keep, true);
    panel?.removeEventListener("keydown", onKey);
    model.off("change:view", draw);
  };
}

export default { render: showStatus };
