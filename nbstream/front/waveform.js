// waveform.js: the sound of a session with its turns: a stretch of it, which follows what is being
// said until it is touched, and under it the whole. Painted when something has changed, and then
// only.

import { onDrag, placeIn } from "./drag.js";
import { element, guarded, keepKeys, mark, say } from "./elements.js";
import { lanes, middleOf, paintBands, paintHoles, paintLabelBands, paintMarks, paintRemarks, paintSound, paintTimes, paintTurns, paintWords, Paper } from "./paint.js";
import { around, following, isOn, moved, opening, overviewEnd, spanText, within, wordsAround, zoomed } from "./span.js";
import { pieces, speakerOf, timeText } from "./words.js";

const AXIS_PX = 18;
const LANE_PX = 124;
const SMALL_LANE_PX = 78; // of several
const TEXT_PX = 20; // of a lane, for words
const OVERVIEW_PX = 44;
const OVERVIEW_MS = 500; // between two paintings while it only grows
const APART_PX = 6; // between lanes
const NEAR_PX = 5; // what is nearer is meant
const WORDS_AROUND = 24;
const HELP =
  "\u2190 \u2192 move, + \u2212 zoom, 0 all, N P turns, F follow; drag, Ctrl+wheel, double-click a turn";

/**
 * The sound of a store in `el`. @returns {() => void} the end of that
 * @param {import("./store.js").Store} store @param {HTMLElement} el
 * @param {{help?: string, onShown?: (span: import("./span.js").Span) => void}} options
 *   help: what keys and mouse do, where they do something else; onShown: called where another
 *   stretch is shown
 */
export function waveform(store, el, { help: keyHelp = HELP, onShown = () => {} } = {}) {
  el.classList.add("nbs-part", "nbs-sound");
  keepKeys(el);
  const bar = element("div", "nbs-bar");
  const where = element("span", "nbs-title nbs-where");
  const tool = (/** @type {string} */ label, /** @type {string} */ name, /** @type {() => void} */ act) => {
    const button = element("button", "nbs-tool", { type: "button", "aria-label": name, title: name }, label);
    button.addEventListener("click", act);
    return button;
  };
  const live = tool("Live", "Live: follow what is being said", () => store.look(null));
  bar.append(
    where,
    live,
    tool("\u2212", "Zoom out", () => zoom(2)),
    tool("+", "Zoom in", () => zoom(0.5)),
    tool("All", "All: look at the whole session", () => look({ start_s: 0, end_s: all_s() })),
  );
  const detail = element("div", "nbs-detail", { tabindex: "0", role: "application" });
  const detailCanvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
  const help = element("span", "nbs-hidden", {}, keyHelp);
  help.id = `nbs-keys-${Math.random().toString(36).slice(2)}`;
  mark(detail, "aria-describedby", help.id);
  detail.append(detailCanvas);
  const said = element("p", "nbs-heard-line");
  const overview = element("div", "nbs-overview", { role: "img" });
  const overviewCanvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
  overview.append(overviewCanvas);
  el.append(bar, detail, said, overview, help);

  let followed = store.head.is_live; // a session that was followed stays where it ended
  let folder = store.head.folder;
  let pointer = /** @type {{x: number, y: number} | null} */ (null); // over the detail, in its pixels
  let overviewed_ms = -Infinity; // when the whole was painted
  let shown = span(); // what was painted last, and so what a pointer points at

  function all_s() {
    return Math.max(store.sound.end_s, store.head.duration_s);
  }

  function isFollowing() {
    return store.range === null && store.head.is_live;
  }

  function span() {
    if (store.range) return within(store.range, Math.max(all_s(), store.head.is_live ? 1 : 0));
    return followed ? following(store.sound.end_s) : opening(all_s());
  }

  function look(/** @type {import("./span.js").Span} */ to) {
    store.look(within(to, all_s()));
  }

  /** So many times as much; around the pointer, the cursor if it is seen, or the middle. */
  function zoom(/** @type {number} */ factor, /** @type {number | null} */ at_s = store.cursor_s) {
    const { start_s, end_s } = span();
    const seen = at_s !== null && start_s <= at_s && at_s <= end_s;
    const fixed_s = seen ? at_s : isFollowing() ? Math.min(end_s, all_s()) : (start_s + end_s) / 2;
    look(zoomed({ start_s, end_s }, factor, fixed_s, all_s()));
  }

  function move(/** @type {number} */ share) {
    const now = span();
    look(moved(now, share * (now.end_s - now.start_s), all_s()));
  }

  /** As much as now, from a place on. */
  function lookFrom(/** @type {number} */ start_s) {
    const now = span();
    look({ start_s, end_s: start_s + now.end_s - now.start_s });
  }

  // -- painting --------------------------------------------------------------------------------

  function draw(/** @type {Set<string>} */ changed = new Set(["all"])) {
    if (folder !== store.head.folder) [folder, followed] = [store.head.folder, false];
    followed ||= store.head.is_live;
    const n_lanes = store.sound.n_channels;
    const lanes_px = n_lanes > 1 ? n_lanes * (SMALL_LANE_PX + APART_PX) - APART_PX : LANE_PX;
    const height = `${lanes_px + AXIS_PX}px`;
    if (detailCanvas.style.height !== height) detailCanvas.style.height = height;
    if (overviewCanvas.style.height === "") overviewCanvas.style.height = `${OVERVIEW_PX}px`;
    if (!detailCanvas.clientWidth) return; // not shown now; the observer calls again
    drawDetail();
    if (isDue(changed)) drawOverview();
    drawWords();
    live.hidden = !store.head.is_live;
    mark(live, "aria-pressed", String(isFollowing()));
    const text = spanText(shown, all_s());
    say(where, all_s() ? text : "Nothing is recorded yet.");
    const n_turns = store.turnsIn(shown.start_s, shown.end_s).length;
    const turns = n_turns === 1 ? "1 turn" : `${n_turns} turns`;
    mark(detail, "aria-label", `Sound from ${text}, ${turns}${isFollowing() ? ", follows what is said" : ""}`);
    mark(overview, "aria-label", `The whole session, ${timeText(all_s())}; shown above: ${text}`);
  }

  /** Whether the whole is to be painted as well: of a long session, a tenth of a second more is not seen. */
  function isDue(/** @type {Set<string>} */ changed) {
    const isMoreOfIt = store.head.is_live && [...changed].every((what) => what === "head" || what === "sound");
    if (isMoreOfIt && performance.now() - overviewed_ms < OVERVIEW_MS) return false;
    overviewed_ms = performance.now();
    return true;
  }

  function drawDetail() {
    const paper = new Paper(detailCanvas);
    shown = span();
    onShown(shown);
    paper.show(shown);
    const bottom = paper.height - AXIS_PX * paper.dense;
    const tiles = [];
    const keys = [];
    for (const lane of lanes(store.sound.n_channels, bottom, APART_PX * paper.dense, TEXT_PX * paper.dense)) {
      paper.fill(paper.colour("line"), paper.span.start_s, paper.span.end_s, Math.round(middleOf(lane)[0]), 1);
      paintTurns(paper, store, lane);
      tiles.push(...paintSound(paper, store, lane));
      keys.push(...paintWords(paper, store, lane));
      paintHoles(paper, store, lane);
      paintRemarks(paper, store, lane);
    }
    paintMarks(paper, store, bottom);
    paintTimes(paper, bottom, 64);
    if (pointer) store.hover(timeAt(pointer.x)); // the sound moves under a pointer that rests
    if (store.cursor_s !== null) paper.fill(paper.colour("text"), store.cursor_s, store.cursor_s, 0, bottom, 0.8);
    if (tiles.length) store.ask({ kind: "tiles", tiles: unique(tiles) });
    if (keys.length) store.ask({ kind: "words", keys });
  }

  function drawOverview() {
    const paper = new Paper(overviewCanvas);
    const end_s = overviewEnd(all_s(), store.head.is_live);
    paper.show({ start_s: 0, end_s });
    const bottom = paper.height - AXIS_PX * 0.8 * paper.dense;
    const tiles = [];
    for (const lane of lanes(store.sound.n_channels, bottom, 2 * paper.dense)) {
      paintBands(paper, store, lane);
      tiles.push(...paintSound(paper, store, lane));
      paintHoles(paper, store, lane);
      paintLabelBands(paper, store, lane);
    }
    paintMarks(paper, store, bottom, false);
    paintTimes(paper, bottom, 90);
    const { context, dense } = paper;
    const back = paper.colour("back");
    paper.fill(back, 0, shown.start_s, 0, bottom, shown.start_s > 0 ? 0.5 : 0);
    paper.fill(back, Math.min(shown.end_s, end_s), end_s, 0, bottom, shown.end_s < end_s ? 0.5 : 0);
    const left = Math.max(0, paper.x(shown.start_s));
    const right = Math.min(paper.width, Math.max(left + 5 * dense, paper.x(shown.end_s)));
    context.strokeStyle = paper.colour("brand");
    context.lineWidth = 2 * dense;
    context.strokeRect(left + dense, dense, right - left - 2 * dense, bottom - 2 * dense);
    if (tiles.length) store.ask({ kind: "tiles", tiles: unique(tiles) });
  }

  /** The text of the turn that is pointed at, with the word that is heard there, or what else is. */
  function drawWords() {
    const turn = store.cursor_s === null ? null : turnAtCursor();
    if (!turn) {
      const other = placeText();
      if (said.dataset.key !== other) said.replaceChildren(other || keyHelp);
      said.dataset.key = other;
      return;
    }
    const [before, word, behind] = wordsAround(pieces(turn), /** @type {number} */ (store.cursor_s), WORDS_AROUND);
    const name = speakerOf(turn);
    const head = `${timeText(turn.start_s)}${name ? ` ${name}:` : ""} `;
    const key = [head, before, word, behind].join("\n");
    if (said.dataset.key === key) return;
    said.dataset.key = key;
    said.replaceChildren(
      element("span", "nbs-muted", {}, head),
      before,
      element("b", "", {}, word),
      behind,
    );
  }

  /** The mark or the hole that is pointed at, in words; these may be thinner than a hand is steady. */
  function placeText() {
    const at_s = store.cursor_s ?? NaN;
    const near_s = (NEAR_PX * (shown.end_s - shown.start_s)) / detailCanvas.clientWidth;
    const flag = store.marks.find((one) => Math.abs(one.at_s - at_s) < near_s);
    if (flag) return `${timeText(flag.at_s)} mark ${flag.text}`;
    const hole = store.gaps.find((one) => one.start_s - near_s < at_s && at_s < one.end_s + near_s);
    return hole ? `${timeText(hole.start_s)} ${hole.kind}: ${hole.cause}` : "";
  }

  function turnAtCursor() {
    const at_s = /** @type {number} */ (store.cursor_s);
    const found = store.turnsIn(at_s, at_s + 1e-3);
    const lane = pointer ? laneAt(pointer.y) : null;
    return found.findLast((turn) => isOn(turn, lane)) ?? found.at(-1) ?? null;
  }

  const safely = guarded(el, "The sound", draw);
  let frame = 0;
  const soon = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      safely();
    });
  };

  // -- pointer ---------------------------------------------------------------------------------

  function timeAt(/** @type {number} */ x) {
    const share = x / Math.max(1, detailCanvas.clientWidth);
    const at_s = shown.start_s + share * (shown.end_s - shown.start_s);
    return Math.min(Math.max(0, at_s), all_s());
  }

  function laneAt(/** @type {number} */ y) {
    const n = store.sound.n_channels;
    return n > 1 ? Math.min(n - 1, Math.floor(y / (SMALL_LANE_PX + APART_PX))) : null;
  }

  onDrag(detail, (from) => {
    const before = shown;
    return (x) => {
      const by_s = ((from - x) / detailCanvas.clientWidth) * (before.end_s - before.start_s);
      look(moved(before, by_s, all_s()));
    };
  });

  onDrag(overview, (from) => {
    const per_px_s = overviewEnd(all_s(), store.head.is_live) / overviewCanvas.clientWidth;
    const length_s = shown.end_s - shown.start_s;
    let start_s = shown.start_s;
    if (from * per_px_s < start_s || from * per_px_s > shown.end_s) {
      start_s = from * per_px_s - length_s / 2;
      look({ start_s, end_s: start_s + length_s });
    }
    return (x) => {
      const to_s = start_s + (x - from) * per_px_s;
      look({ start_s: to_s, end_s: to_s + length_s });
    };
  });

  detail.addEventListener("pointermove", (event) => {
    pointer = placeIn(detail, event);
    store.hover(timeAt(pointer.x));
  });
  detail.addEventListener("pointerleave", () => {
    pointer = null;
    store.hover(null);
  });
  detail.addEventListener("dblclick", (event) => {
    pointer = placeIn(detail, event);
    store.point(timeAt(pointer.x));
    const turn = turnAtCursor();
    if (turn) look(around(turn, all_s()));
  });

  detail.addEventListener("wheel", (event) => {
    const lines = event.deltaMode === 1 ? 16 : 1;
    const [dx, dy] = [event.deltaX * lines, event.deltaY * lines];
    const { x } = placeIn(detail, event);
    if (event.ctrlKey || event.metaKey) {
      zoom(Math.exp(Math.min(100, Math.max(-100, dy)) * 0.006), timeAt(x));
    } else if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) {
      move((dx || dy) / detailCanvas.clientWidth);
    } else if (isFocused()) {
      zoom(Math.exp(Math.min(200, Math.max(-200, dy)) * 0.003), timeAt(x));
    } else {
      return; // the page scrolls
    }
    event.preventDefault();
  }, { passive: false });

  function isFocused() {
    return /** @type {Document} */ (detail.getRootNode()).activeElement === detail;
  }

  // -- keys ------------------------------------------------------------------------------------

  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const keys = {
    ArrowLeft: ({ shiftKey }) => move(shiftKey ? -0.9 : -0.1),
    ArrowRight: ({ shiftKey }) => move(shiftKey ? 0.9 : 0.1),
    Home: () => lookFrom(0),
    End: () => lookFrom(all_s()),
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    0: () => look({ start_s: 0, end_s: all_s() }),
    n: () => goTurn(1),
    p: () => goTurn(-1),
    f: () => store.look(null),
    Escape: () => store.look(null),
  };

  detail.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[key](event);
  });

  /** Look at the next turn, or the one before, from the cursor on or the middle of what is shown. */
  function goTurn(/** @type {number} */ step) {
    const now = span();
    const at_s = store.cursor_s ?? (now.start_s + now.end_s) / 2;
    const next = store.firstAfter(at_s + 1e-3);
    const last = store.firstAfter(Infinity) - 1; // those without words stand behind it
    const here = next - 1;
    const turn = store.turns[Math.min(Math.max(0, here + step), last)];
    if (!turn || turn.start_s === null) return;
    look(around(turn, all_s()));
    pointer = null;
    store.point(turn.start_s);
  }

  // -- what makes it be painted ----------------------------------------------------------------

  const off = store.on((changed) => safely(changed));
  const resized = new ResizeObserver(soon);
  resized.observe(el);
  const themed = new MutationObserver(soon);
  const themes = { attributeFilter: ["class", "style", "data-theme", "data-jp-theme-name"] };
  themed.observe(document.body, themes);
  themed.observe(document.documentElement, themes);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", soon);
  window.addEventListener("resize", soon); // zooming the page changes its density
  safely();
  return () => {
    off();
    cancelAnimationFrame(frame);
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", soon);
    window.removeEventListener("resize", soon);
    el.replaceChildren();
  };
}

function unique(/** @type {{level: number, first: number}[]} */ tiles) {
  return [...new Map(tiles.map((tile) => [`${tile.level}:${tile.first}`, tile])).values()];
}
