// sharepage.js: a session in a file of its own, to be heard, read and looked at. The page says all
// in plain HTML; this adds the waveform, and sound from each word. Nothing can be changed.

import { classed, element, guarded, mark } from "./elements.js";
import { fromPage } from "./feed.js";
import { speakerColour } from "./palette.js";
import { opening } from "./span.js";
import { waveform } from "./waveform.js";
import { lookAt, pieces, timeText, turnAt } from "./words.js";

const CLICK_PX = 4; // what moved farther was a drag

/** Bring a page to life that Python has written. @param {Document} page */
export function sharePage(page) {
  const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (page.getElementById(id));
  const store = fromPage(JSON.parse(find("session").textContent ?? ""));
  const audio = /** @type {HTMLAudioElement | null} */ (page.querySelector("audio"));
  const sound = find("sound");
  const turns = store.turns;
  /** @type {Map<string, SharedTurn>} */
  const rows = new Map();
  let current = /** @type {SharedTurn | undefined} */ (undefined); // the turn that is heard
  let tabbed = /** @type {SharedTurn | undefined} */ (undefined); // the one that Tab reaches
  page.documentElement.classList.add("has-script");
  guarded(sound, "The sound", () => waveform(store, sound))();

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const row = /** @type {SharedTurn} */ (rows.get(/** @type {HTMLElement} */ (target).dataset.key ?? ""));
      row.is_seen = isIntersecting;
      if (isIntersecting) row.write();
    }
  });
  for (const turn of turns) {
    const at = /** @type {HTMLElement} */ (page.querySelector(`[data-key="${turn.key}"]`));
    const row = new SharedTurn(turn, at, audio ? "Play from" : "Look at");
    if (turn.speaker) at.style.setProperty("--who", speakerColour(store.head.speakers.indexOf(turn.speaker)));
    rows.set(turn.key, row);
    seen.observe(at);
  }
  tab(rows.get(turns[0]?.key));

  /** Hear what is said from here on; without sound, look at it. */
  function go(/** @type {number | null} */ at_s) {
    if (at_s === null) return;
    const turn = turns[turnAt(turns, at_s)];
    if (turn) lookAt(store, turn, at_s);
    store.point(at_s);
    if (!audio) return show(at_s, true);
    audio.currentTime = at_s;
    audio.play().catch(() => {}); // it says itself what is wrong
    show(at_s, true);
  }

  /** Mark the turn and the word that are heard, and bring them into sight where they are read. */
  function show(/** @type {number} */ at_s, was_asked = false) {
    const row = rows.get(turns[turnAt(turns, at_s)]?.key ?? "");
    if (row !== current && (row || was_asked)) {
      current?.leave();
      const reads_along = was_asked || !current || current.is_seen;
      if (row && reads_along && !row.isWhole()) row.at.scrollIntoView({ block: "nearest" });
      current = row;
      tab(row);
    }
    row?.point(at_s);
  }

  function tab(/** @type {SharedTurn | undefined} */ row) {
    if (!row || row === tabbed) return;
    if (tabbed) tabbed.button.tabIndex = -1;
    row.button.tabIndex = 0;
    tabbed = row;
  }

  // -- the sound goes on -------------------------------------------------------------------------

  let before_s = 0;
  function move() {
    const { currentTime: at_s, paused } = /** @type {HTMLAudioElement} */ (audio);
    store.is_playing = !paused;
    store.point(at_s);
    const { start_s, end_s } = range();
    if (start_s <= before_s && before_s <= end_s && at_s > end_s) {
      store.look({ start_s: at_s, end_s: at_s + end_s - start_s });
    }
    before_s = at_s;
    show(at_s);
    if (!paused) requestAnimationFrame(move);
  }
  if (audio) {
    audio.addEventListener("play", () => requestAnimationFrame(move));
    audio.addEventListener("pause", move);
    audio.addEventListener("seeked", move);
    sound.addEventListener("pointerleave", () => audio.currentTime && store.point(audio.currentTime));
  }

  function range() {
    return store.range ?? opening(Math.max(store.sound.end_s, store.head.duration_s));
  }

  // -- what a person does ------------------------------------------------------------------------

  const list = find("turns");
  list?.addEventListener("click", ({ target }) => {
    if (page.getSelection()?.toString()) return; // a text that is being selected
    const row = rowOf(target);
    if (row) go(row.timeOf(/** @type {Element} */ (target)));
  });
  list?.addEventListener("keydown", (event) => {
    const row = rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const number = turns.indexOf(row.turn);
    const to = {
      ArrowUp: number - 1, ArrowDown: number + 1, Home: 0, End: turns.length - 1,
    }[event.key];
    if (to !== undefined) {
      const other = rows.get(turns[Math.min(Math.max(to, 0), turns.length - 1)].key);
      tab(other);
      other?.button.focus();
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      go(row.beside(audio?.currentTime ?? store.cursor_s ?? 0, event.key === "ArrowRight"));
    } else return;
    event.preventDefault();
  });
  for (const at of page.querySelectorAll("[data-at]")) {
    at.addEventListener("click", () => go(Number(/** @type {HTMLElement} */ (at).dataset.at)));
  }

  const detail = /** @type {HTMLElement | null} */ (sound.querySelector(".nbs-detail"));
  let from_px = 0;
  detail?.addEventListener("pointerdown", ({ clientX }) => { from_px = clientX; });
  detail?.addEventListener("click", ({ clientX }) => {
    if (Math.abs(clientX - from_px) > CLICK_PX) return;
    const { left, width } = detail.getBoundingClientRect();
    const { start_s, end_s } = range();
    go(start_s + ((clientX - left) / width) * (end_s - start_s));
  });
  page.addEventListener("keydown", (event) => {
    if (event.key !== " " || !audio || event.target !== page.body) return;
    event.preventDefault();
    if (audio.paused) audio.play().catch(() => {});
    else audio.pause();
  });

  function rowOf(/** @type {EventTarget | null} */ target) {
    const at = /** @type {Element} */ (target).closest?.("[data-key]");
    return rows.get(/** @type {HTMLElement} */ (at)?.dataset.key ?? "");
  }
}

/** One turn of the page. Its words become elements when it is seen. */
class SharedTurn {
  /** @param {import("./store.js").Turn} turn @param {HTMLElement} at @param {string} what */
  constructor(turn, at, what) {
    this.turn = turn;
    this.at = at;
    this.is_seen = false;
    /** @type {{piece: import("./words.js").Piece, node: HTMLElement}[]} */
    this.words = [];
    const time = timeText(turn.start_s);
    this.button = element("button", "at", { type: "button", tabindex: "-1" }, time);
    mark(this.button, "aria-label", `${what} ${time}`);
    at.querySelector(".at")?.replaceWith(this.button);
  }

  write() {
    const said = this.at.querySelector(".said");
    if (this.words.length || !said) return;
    const nodes = [];
    for (const piece of pieces(this.turn)) {
      const node = element("span", "word", {}, piece.text);
      this.words.push({ piece, node });
      nodes.push(piece.before, node);
    }
    said.replaceChildren(...nodes);
  }

  /** Where in the audio an element of this turn is; null for what is not said. */
  timeOf(/** @type {Element} */ target) {
    if (target === this.button) return this.turn.start_s;
    return this.words.find(({ node }) => node === target)?.piece.start_s ?? null;
  }

  /** Where the word begins before or behind the one that is heard. */
  beside(/** @type {number} */ at_s, /** @type {boolean} */ is_next) {
    this.write();
    const starts = this.words.map(({ piece }) => piece.start_s ?? 0);
    const here = starts.findLastIndex((start_s) => start_s <= at_s + 1e-3);
    return starts[Math.max(0, here + (is_next ? 1 : -1))] ?? null;
  }

  point(/** @type {number} */ at_s) {
    this.write();
    mark(this.at, "aria-current", "true");
    for (const { piece, node } of this.words) {
      const { start_s, end_s } = piece;
      classed(node, "heard", start_s !== null && start_s <= at_s && at_s < /** @type {number} */ (end_s));
    }
  }

  leave() {
    mark(this.at, "aria-current", null);
    for (const { node } of this.words) classed(node, "heard", false);
  }

  isWhole() {
    const { top, bottom } = this.at.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  }
}

export default sharePage;
