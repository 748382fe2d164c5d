// status.js: state in words, time, level, the last problem. State comes down in the trait `view`.

const QUIETEST_DBFS = -60; // left end of the level meter
const SIGN_OF_LIFE_MS = 20_000;

/** Seconds as m:ss or h:mm:ss. @param {number} s */
export function clock(s) {
  const whole = Math.floor(s);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(rest)}` : `${m}:${two(rest)}`;
}

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

/** Set text only if it differs: a screen reader speaks what is set. */
function setText(/** @type {HTMLElement} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keep the keys of pickers and of scrolling regions from being shortcuts of JupyterLab too: the m
 * that chooses the microphone would turn the cell into Markdown.
 * @param {FocusEvent} event
 */
function keepKeys({ target }) {
  if (target.matches("select, [role=region]")) target.dataset.lmSuppressShortcuts = "true";
}

function make(tag, className, attributes = {}) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function render({ model, el }) {
  el.classList.add("nbs-status");
  const line = make("div", "nbs-line");
  const state = make("span", "nbs-state", { role: "status", "aria-live": "polite" });
  const detail = make("span", "nbs-detail", { "aria-live": "off" }); // a countdown is not spoken
  const time = make("span", "nbs-time", { role: "timer", "aria-label": "Recorded", "aria-live": "off" });
  const cost = make("span", "nbs-cost");
  const meter = make("div", "nbs-meter", {
    role: "meter", "aria-label": "Level", "aria-valuemin": QUIETEST_DBFS, "aria-valuemax": 0,
  });
  const bar = make("div", "nbs-meter-bar");
  const loud = make("span", "nbs-loud");
  const problem = make("div", "nbs-problem", { role: "alert" });
  const message = make("div", "nbs-message");
  const hint = make("div", "nbs-hint");
  const note = make("div", "nbs-note");
  meter.append(bar);
  line.append(state, detail, time, cost, loud, meter);
  el.append(line, problem, note);

  let panel = null; // all parts together, once `el` is in it
  function draw() {
    const view = model.get("view");
    if (!view.word) return;
    if (!panel) {
      panel = el.closest(".nbs-recorder");
      panel?.addEventListener("focusin", keepKeys);
    }
    panel?.toggleAttribute("data-live", view.is_live);
    el.dataset.state = view.state;
    setText(state, view.word);
    setText(detail, view.detail);
    setText(time, clock(view.elapsed_s));
    setText(cost, billed(view.billed_s, view.cost_usd));
    cost.hidden = time.hidden = !view.is_live && !view.folder; // nothing was recorded
    const level = meterFraction(view.level_dbfs);
    bar.style.transform = `scaleX(${level.toFixed(3)})`;
    meter.classList.toggle("nbs-clipped", view.is_clipped);
    meter.setAttribute("aria-valuenow", String(Math.max(QUIETEST_DBFS, Math.round(view.level_dbfs))));
    meter.setAttribute("aria-valuetext", levelText(view.level_dbfs, view.is_clipped));
    setText(loud, view.is_clipped ? "too loud" : "");
    setText(message, view.message);
    setText(hint, view.hint);
    // Put in and taken out: what appears inside an alert is spoken.
    if (view.message && !message.isConnected) problem.append(message, hint);
    if (!view.message) problem.replaceChildren();
    setText(note, view.folder ? `Kept in ${view.folder}` : view.note);
  }

  function safely() {
    try {
      draw();
    } catch (error) {
      problem.textContent = `The status can't be drawn: ${error}. Display the recorder again.`;
    }
  }
  model.on("change:view", safely);
  safely();
  const alive = () => model.send({ kind: "alive" });
  alive();
  const heart = setInterval(alive, SIGN_OF_LIFE_MS);
  const frame = requestAnimationFrame(safely); // by then `el` is in the panel
  return () => {
    cancelAnimationFrame(frame);
    clearInterval(heart);
    panel?.removeEventListener("focusin", keepKeys);
    model.off("change:view", safely);
  };
}

export default { render };
