// transcript.js: what was said, as one reads it: finals settled, partials lighter, newest at the
// end. Turns stand in blocks; only the blocks near what is seen have anything in them.

import { classed, element, followEnd, guarded, keepKeys, mark, say } from "./elements.js";
import { Line } from "./line.js";
import { DOUBTFUL, GUESSED, lookAt, turnAt } from "./words.js";

export const BLOCK = 20; // turns
const TURN_PX = 26; // of a turn that has not been seen
const NEAR = 2; // a cursor that goes on by so many turns moves along, further is a jump

/** What leads back to the end. @param {number} n_new turns since it was left */
export function newestText(n_new) {
  return n_new > 0 ? `${n_new.toLocaleString("en")} new` : "Newest";
}

/**
 * The transcript of a store in `el`. @returns {() => void} the end of that
 * @param {import("./store.js").Store} store @param {HTMLElement} el
 */
export function transcript(store, el) {
  el.classList.add("nbs-part", "nbs-transcript");
  keepKeys(el);
  const bar = element("div", "nbs-bar");
  const doubtButton = element("button", "nbs-tool", {
    type: "button", "aria-pressed": "false",
    title: `Underline words of low confidence: dotted below ${DOUBTFUL}, wavy below ${GUESSED}`,
  }, "Doubtful words");
  bar.append(element("span", "nbs-title", {}, "Transcript"), doubtButton);
  const frame = element("div", "nbs-spoken");
  const area = element("div", "nbs-scroll", { role: "region", "aria-label": "Transcript" });
  const list = element("div", "nbs-turns", { role: "list" });
  const empty = element("p", "nbs-empty");
  const newest = element("button", "nbs-tool nbs-newest", { type: "button" });
  area.append(list, empty);
  frame.append(area, newest);
  el.append(bar, frame);

  /** @type {{element: HTMLElement, filled: boolean, height_px: number}[]} */
  const blocks = [];
  /** @type {Map<string, Line>} those in the page */
  const lines = new Map();
  let turns = /** @type {any[]} */ ([]); // with text
  let withDoubt = false;
  let n_left = 0; // turns when the reader left the end
  let here = ""; // the turn that the keys go on from
  let current = { key: "", number: -1 }; // the turn that was last at the cursor
  let tabbed = /** @type {Line | undefined} */ (undefined); // what Tab reaches
  let session = ""; // whose turns they are

  const follow = followEnd(area, list, () => {
    n_left = turns.length;
    drawNewest();
  });

  function drawNewest() {
    const n_new = turns.length - n_left;
    const hidden = follow.follows() || !turns.length || (!store.head.is_live && n_new <= 0);
    if (hidden && newest === document.activeElement) tabbed?.at.focus({ preventScroll: true });
    if (newest.hidden !== hidden) newest.hidden = hidden;
    say(newest, newestText(n_new));
  }

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const block = blocks.find((one) => one.element === target);
      // A place that is hidden has no height: nothing is learnt from it.
      if (!block || !boundingClientRect.width) continue;
      if (block.filled) block.height_px = boundingClientRect.height;
      block.filled = isIntersecting;
    }
    safely();
  }, { root: area, rootMargin: "200px 0px" });

  function layBlocks() {
    const n = Math.ceil(turns.length / BLOCK);
    while (blocks.length > n) {
      const { element: gone } = blocks.pop();
      seen.unobserve(gone);
      gone.remove();
    }
    while (blocks.length < n) {
      const block = { element: element("div", "nbs-block"), filled: false, height_px: 0 };
      blocks.push(block);
      list.append(block.element);
      seen.observe(block.element);
      block.filled = blocks.length === n && follow.follows(); // what will be seen is there at once
    }
  }

  function draw() {
    turns = store.listed.filter((turn) => turn.text);
    if (store.head.folder !== session) begin();
    if (empty.hidden !== turns.length > 0) empty.hidden = turns.length > 0;
    const { is_live, folder } = store.head;
    const nothing = folder && !is_live ? "Nothing was transcribed." : "What is said appears here.";
    say(empty, store.only && store.turns.length ? "No turn is left." : nothing);
    layBlocks();
    const focused = area.contains(document.activeElement) ? document.activeElement : null;
    const key_of_focus = focused ? here : "";
    const wanted = new Set();
    for (const [number, block] of blocks.entries()) {
      const own = block.filled ? turns.slice(number * BLOCK, (number + 1) * BLOCK) : [];
      fill(block.element, own, number * BLOCK);
      for (const turn of own) wanted.add(turn.key);
      const n = Math.min(BLOCK, turns.length - number * BLOCK);
      const height = block.filled ? "" : `${Math.round(block.height_px || n * TURN_PX)}px`;
      if (block.element.style.height !== height) block.element.style.height = height;
    }
    for (const [key, line] of lines) {
      if (wanted.has(key)) continue;
      line.element.remove();
      lines.delete(key);
    }
    // A focus that was moved or replaced would fall to the page, and the keys to JupyterLab.
    if (focused && focused !== document.activeElement) {
      const target = area.contains(focused) ? focused : lines.get(key_of_focus)?.at;
      /** @type {HTMLElement | undefined} */ (target)?.focus({ preventScroll: true });
    }
    drawCursor(false);
    drawNewest();
    askWords();
  }

  /** Another session: one that goes on is read from its end, another from its beginning. */
  function begin() {
    session = store.head.folder;
    n_left = turns.length;
    if (store.head.is_live) return follow.back();
    follow.leave();
    area.scrollTop = 0;
  }

  function fill(/** @type {HTMLElement} */ parent, own, first) {
    let place = parent.firstElementChild;
    for (const [i, turn] of own.entries()) {
      let line = lines.get(turn.key);
      if (!line) lines.set(turn.key, (line = new Line(turn.key)));
      line.draw(turn, first + i, store.head.speakers, withDoubt);
      classed(line.element, "nbs-chosen-turn", turn.key === store.chosen);
      mark(line.element, "aria-setsize", store.head.is_live ? "-1" : String(turns.length));
      if (line.element === place) place = place.nextElementSibling;
      else parent.insertBefore(line.element, place);
    }
  }

  /** Mark the turn at the cursor, and let Tab reach it, else the one of the keys, else the last. */
  function drawCursor(/** @type {boolean} */ moved) {
    const now = turnAt(turns, store.cursor_s);
    for (const line of lines.values()) {
      const is_current = line.key === turns[now]?.key;
      if (is_current || line.element.hasAttribute("aria-current")) {
        mark(line.element, "aria-current", is_current ? "true" : null);
        line.point(is_current ? store.cursor_s : null);
      }
    }
    if (moved && now >= 0 && turns[now].key !== current.key) reveal(now);
    if (now >= 0) current = { key: turns[now].key, number: now };
    const tab = lines.get(here) ?? lines.get(turns[now]?.key) ?? lines.get(turns.at(-1)?.key) ??
      lines.values().next().value;
    if (tab === tabbed) return;
    if (tabbed) tabbed.at.tabIndex = -1;
    if (tab) tab.at.tabIndex = 0;
    tabbed = tab;
  }

  /** Bring a turn into sight; one that only follows what is out of sight is not read along. */
  function reveal(/** @type {number} */ number) {
    if (follow.follows() && !store.range) return; // a pointer over the sound does not end that
    const line = lines.get(current.key);
    const goes_on = current.key && Math.abs(number - current.number) <= NEAR;
    if (goes_on && !(line && isInSight(line.element))) return;
    show(number);
  }

  /** What is looked at elsewhere is shown here too, and so is the end. */
  function drawRange() {
    if (!store.range) {
      if (store.head.is_live) follow.back();
      return;
    }
    const { start_s, end_s } = store.range;
    const is_listed = store.only ?? (() => true);
    const looked_at = store.turnsIn(start_s, end_s).filter((turn) => turn.text && is_listed(turn));
    const seen_too = looked_at.some(({ key }) => lines.has(key) && isInSight(lines.get(key).element));
    if (looked_at.length && !seen_too) show(turns.indexOf(looked_at[0]));
  }

  function isInSight(/** @type {HTMLElement} */ target) {
    const [a, b] = [area.getBoundingClientRect(), target.getBoundingClientRect()];
    return b.bottom > a.top && b.top < a.bottom;
  }

  function show(/** @type {number} */ number) {
    const block = blocks[Math.floor(number / BLOCK)];
    if (!block.filled) {
      block.filled = true;
      draw();
    }
    const line = lines.get(turns[number].key).element;
    const [a, b] = [area.getBoundingClientRect(), line.getBoundingClientRect()];
    const over = b.top < a.top ? b.top - a.top - 8 : b.bottom > a.bottom ? b.bottom - a.bottom + 8 : 0;
    if (over) {
      if (over < 0) follow.leave();
      area.scrollTop += over;
    }
  }

  function askWords() {
    if (!withDoubt) return;
    const missing = [...lines.keys()].filter((key) => {
      const turn = /** @type {any} */ (store.byKey.get(key));
      return turn.is_final && !turn.words;
    });
    if (missing.length) store.ask({ kind: "words", keys: missing });
  }

  function lineOf(/** @type {EventTarget | null} */ target) {
    const at = /** @type {Element} */ (target).closest?.(".nbs-turn");
    return at ? lines.get(/** @type {HTMLElement} */ (at).dataset.key) : undefined;
  }

  function lookFrom(/** @type {Element} */ target) {
    const line = lineOf(target);
    const turn = line && store.byKey.get(line.key);
    if (turn) lookAt(store, turn, line.timeOf(target) ?? turn.start_s);
  }

  area.addEventListener("click", ({ target }) => {
    if (document.getSelection()?.toString()) return; // a text that is being selected
    lookFrom(/** @type {Element} */ (target));
    lineOf(target)?.at.focus({ preventScroll: true }); // the keys go on from here
  });

  /** @type {Record<string, (n: number, line: Line, target: HTMLElement) => void>} */
  const keys = {
    ArrowUp: (n) => go(n - 1),
    ArrowDown: (n) => go(n + 1),
    Home: () => go(0),
    End: () => go(turns.length - 1),
    ArrowLeft: (_, line, target) => goWord(line, target, -1),
    ArrowRight: (_, line, target) => goWord(line, target, 1),
    Enter: (_, __, target) => lookFrom(target),
  };

  function go(/** @type {number} */ n) {
    const number = Math.min(Math.max(n, 0), turns.length - 1);
    show(number);
    here = turns[number].key;
    lines.get(here).at.focus({ preventScroll: true });
  }

  function goWord(/** @type {Line} */ line, /** @type {HTMLElement} */ target, /** @type {number} */ step) {
    const forward = getComputedStyle(line.said).direction === "rtl" ? -step : step;
    const i = line.nodes.findIndex(({ word }) => word === target) + forward;
    if (i < 0) return line.at.focus();
    const word = line.nodes[i]?.word;
    if (!word) return;
    word.tabIndex = -1;
    word.focus();
  }

  area.addEventListener("keydown", (event) => {
    const line = lineOf(event.target);
    if (!line || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    const n = turns.findIndex((turn) => turn.key === line.key);
    keys[event.key](n, line, /** @type {HTMLElement} */ (event.target));
  });
  area.addEventListener("focusin", ({ target }) => {
    here = lineOf(target)?.key ?? "";
    drawCursor(false);
  });
  area.addEventListener("focusout", ({ relatedTarget }) => {
    if (!area.contains(/** @type {Node | null} */ (relatedTarget))) here = "";
  });
  area.addEventListener("animationend", ({ target }) => {
    /** @type {Element} */ (target).classList.remove("nbs-changed");
  });
  newest.addEventListener("click", follow.back);
  doubtButton.addEventListener("click", () => {
    withDoubt = !withDoubt;
    mark(doubtButton, "aria-pressed", String(withDoubt));
    safely();
  });

  const safely = guarded(el, "The transcript", draw);
  const safelyLook = guarded(el, "The transcript", drawRange);
  const safelyChoose = guarded(el, "The transcript", () => {
    for (const { key, element: line } of lines.values()) classed(line, "nbs-chosen-turn", key === store.chosen);
  });
  const safelyPoint = guarded(el, "The transcript", () => drawCursor(true));
  const off = store.on((changed) => {
    if (changed.has("turns") || changed.has("head")) safely();
    if (changed.has("range")) safelyLook();
    if (changed.has("cursor")) safelyPoint();
    if (changed.has("chosen")) safelyChoose();
  });
  safely();
  return () => {
    off();
    seen.disconnect();
    follow.stop();
    el.replaceChildren();
  };
}
