// inspector.js: a session to listen to, to label and to correct: the panel of `panel.js` with a
// player, a label set and an editor. Every key works wherever the focus is in it, but in a field.

import { Annotator, askOf } from "./annotating.js";
import { classed, element, keepKeys, mark, say } from "./elements.js";
import { attach } from "./feed.js";
import { HELP_KEYS, inspectorKey, placeText, SHORT_HELP, stepIn, WAVE_HELP } from "./inspecting.js";
import { labelBar } from "./labels.js";
import { panel } from "./panel.js";
import { fetchFrom, SliceOutput } from "./outputs.js";
import { nextRate, Player } from "./player.js";
import { remarksText } from "./remarks.js";
import { Spans } from "./spans.js";
import { Store } from "./store.js";
import { transportBar } from "./transport.js";
import { lookAt, pieces, turnAt } from "./words.js";
import { Writer } from "./writing.js";

const NUDGE_S = 0.05;
const STILL_PX = 3; // what moves further is dragged
const LOOK_AGAIN_MS = 2000;

/**
 * An inspector of a store in `el`. @returns {() => void} the end of that
 * @param {Store} store @param {HTMLElement} el
 * @param {{player?: Player | null, ask?: import("./annotating.js").Ask | null, look?: () => void, frame?: string}} options
 *   player: plays it, if it can be heard; ask: has an edit done, if it may be annotated; look: has
 *   what others did be told; frame: as of `table`
 */
export function inspector(store, el, { player = null, ask = null, look = () => {}, ...options } = {}) {
  const canEdit = ask !== null;
  const annotator = new Annotator(store, ask, player, tell, warn);
  let shown = { start_s: 0, end_s: 1 };
  const onShown = (/** @type {typeof shown} */ span) => {
    shown = span;
    annotator.spans?.show(span);
  };
  const endOfPanel = panel(store, el, { ...options, help: WAVE_HELP, onShown });
  const heading = `Inspector of ${store.head.name || store.head.folder.split(/[/\\]/).pop() || "the session"}`;
  el.classList.add("nbs-inspector");
  for (const [name, value] of [["tabindex", "-1"], ["role", "group"], ["aria-label", heading]]) mark(el, name, value);
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (el.querySelector(`.nbs-${name}`));
  const detail = /** @type {HTMLElement | null} */ (el.querySelector(".nbs-detail"));
  if (detail) {
    annotator.spans = new Spans(store, detail, {
      canEdit, onChoose: choose, onHear: hear, onMove: (span, to) => annotator.moveSpan(span, to),
    });
    annotator.spans.show(shown);
  }
  const transport = transportBar(store, player, {
    canEdit, onPlay: toggle, onMark: () => annotator.mark(), onUndo: () => annotator.undo(),
    onRedo: () => annotator.redo(), onOnly: toggleOnly,
  });
  const bar = labelBar(store, {
    canEdit, onToggle: label, onNew: (name) => annotator.newLabel(name), onRemove: removeSpan,
  });
  const keysOfIt = element("details", "nbs-help");
  keysOfIt.append(element("summary", "", {}, SHORT_HELP), helpTable());
  const alert = element("p", "nbs-alert", { role: "alert" });
  const status = element("span", "nbs-hidden", { role: "status" });
  alert.hidden = true;
  bar.element.append(alert, status);
  if (player || canEdit) bar.element.append(keysOfIt);
  el.prepend(transport.element);
  part("transcript").before(bar.element);

  const writer = new Writer(el, bar.element, annotator, player ? toggle : undefined);
  let focusOn = ""; // the turn that the focus moves to once it is drawn
  let pressed_px = 0;
  let looked_ms = -Infinity;

  // -- what is worked on -----------------------------------------------------------------------

  function choose(/** @type {string} */ key) {
    if (writer.key && writer.key !== key) writer.close();
    annotator.choose(key);
  }

  /** Go to a turn; `aloud`: hear it. */
  function goTo(/** @type {any} */ turn, aloud = false) {
    const was_playing = player?.is_playing;
    choose(turn.key);
    lookAt(store, turn);
    if (aloud) hear(turn);
    else if (was_playing) player?.play(turn.start_s);
    // The keys, and what is read out, go on from there.
    if (hasFocus()) focusOn = turn.key;
    tell([placeText(store, turn), remarksText(turn.remarks), turn.text].filter(Boolean).join(" \u00b7 "));
  }

  function hasFocus() {
    const { activeElement } = /** @type {Document} */ (el.getRootNode());
    return el.contains(activeElement) && !activeElement?.closest(".nbs-detail");
  }

  /** Where steps go from while nothing is chosen. */
  function from_s() {
    return store.cursor_s ?? (store.head.is_live ? Infinity : 0);
  }

  function step(/** @type {number} */ by, aloud = false) {
    const turn = stepIn(store.listed, store.chosen, from_s(), by);
    if (turn) goTo(turn, aloud);
    else tell("There is no turn.");
  }

  function nextUnlabelled() {
    const without = store.turns.filter((turn) => turn.key === store.chosen || !turn.remarks.labels.length);
    const turn = stepIn(without, store.chosen, from_s(), 1, true);
    if (turn && turn.key !== store.chosen) goTo(turn);
    else tell(turn && !turn.remarks.labels.length ? "This is the only turn without a label." : "Every turn has a label.");
  }

  function toggleOnly() {
    const only = (/** @type {any} */ turn) => !turn.remarks.labels.length || turn.key === store.chosen;
    store.show(store.only ? null : only);
    tell(store.only ? "Only turns without a label" : "All turns");
  }

  // -- hearing ---------------------------------------------------------------------------------

  function hear(/** @type {any} */ { start_s, end_s }) {
    if (start_s !== null) player?.play(start_s, end_s);
  }

  /** Go on where it stopped, if that is in what is chosen, else from its beginning. */
  function toggle() {
    if (!player) return;
    const { target } = annotator;
    const at_s = player.at_s;
    const is_there = at_s !== null && (!target || (target.start_s - 0.01 <= at_s && at_s <= target.end_s + 0.05));
    player.toggle(is_there ? null : (target?.start_s ?? store.cursor_s ?? 0));
  }

  /** Hear a word of the turn: the next one, or the one before. */
  function stepWord(/** @type {number} */ by) {
    const { turn } = annotator;
    if (!turn || turn.start_s === null) return step(1);
    if (!turn.words) store.ask({ kind: "words", keys: [turn.key] });
    const words = pieces(turn);
    const at_s = store.cursor_s ?? turn.start_s;
    const here = words.findLastIndex(({ start_s }) => start_s !== null && start_s <= at_s + 0.001);
    const word = words[Math.min(Math.max(0, here + by), words.length - 1)];
    if (!word) return;
    if (player) player.play(word.start_s ?? turn.start_s, word.end_s ?? turn.end_s);
    else store.point(word.start_s);
    tell(word.text);
  }

  // -- keys and mouse --------------------------------------------------------------------------

  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const acts = {
    play: toggle,
    again: () => (annotator.target ? hear(annotator.target) : toggle()),
    previous: ({ shiftKey }) => step(-1, shiftKey),
    next: ({ shiftKey }) => step(1, shiftKey),
    wordBefore: () => stepWord(-1),
    wordBehind: () => stepWord(1),
    slower: () => setRate(-1),
    faster: () => setRate(1),
    correct: () => write(annotator.span ? "note" : "transcript"),
    speaker: () => write("speaker"),
    note: () => write("note"),
    unlabelled: nextUnlabelled,
    only: toggleOnly,
    newLabel: bar.beginNew,
    mark: () => annotator.mark(),
    span: () => annotator.spanHere(),
    startEarlier: () => annotator.nudge("start_s", -NUDGE_S),
    startLater: () => annotator.nudge("start_s", NUDGE_S),
    endEarlier: () => annotator.nudge("end_s", -NUDGE_S),
    endLater: () => annotator.nudge("end_s", NUDGE_S),
    remove: removeSpan,
    undo: () => annotator.undo(),
    redo: () => annotator.redo(),
    label: ({ key }) => label(store.labels[Number(key) - 1]?.[0]),
    help: () => (/** @type {HTMLDetailsElement} */ (keysOfIt).open = !(/** @type {HTMLDetailsElement} */ (keysOfIt).open)),
    leave: () => annotator.leave(),
  };

  /** Give a label to what is chosen; to the first turn where nothing is. */
  function label(/** @type {string | undefined} */ name) {
    if (!annotator.target) step(1);
    annotator.label(name);
  }

  function write(/** @type {"transcript" | "speaker" | "note"} */ kind) {
    if (!annotator.target) step(1);
    focusOn = ""; // it is in the field from now on
    writer.open(kind);
  }

  function removeSpan() {
    annotator.removeSpan();
    el.focus({ preventScroll: true });
  }

  function setRate(/** @type {number} */ by) {
    if (!player) return;
    player.setRate(nextRate(player.rate, by));
    tell(`${player.rate} times`);
  }

  function onKey(/** @type {KeyboardEvent} */ event) {
    const act = inspectorKey(event, annotator.has_begun, canEdit);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    acts[act](event);
  }

  function onFocus(/** @type {FocusEvent} */ { target, relatedTarget }) {
    const key = /** @type {HTMLElement} */ (target).closest?.("[data-key]")?.getAttribute("data-key");
    if (key && store.byKey.has(key)) choose(key);
    if (!el.contains(/** @type {Node | null} */ (relatedTarget))) lookAgain();
  }

  function onPress(/** @type {PointerEvent} */ event) {
    pressed_px = event.clientX;
    const on_sound = /** @type {Element} */ (event.target).closest(".nbs-detail");
    if (!on_sound || !canEdit || event.button !== 0 || !(event.altKey || event.shiftKey)) return;
    event.stopPropagation();
    event.preventDefault();
    annotator.spans?.drawWith(event);
  }

  function onClick(/** @type {MouseEvent} */ event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (document.getSelection()?.toString() || !player) return;
    const row = target.closest(".nbs-turn, .nbs-table tbody tr");
    if (row) {
      const turn = store.byKey.get(/** @type {HTMLElement} */ (row).dataset.key ?? "");
      // Where in it was clicked has just been pointed at.
      if (turn && turn.start_s !== null) player.play(Math.max(store.cursor_s ?? 0, turn.start_s), turn.end_s ?? Infinity);
    } else if (target.closest(".nbs-detail") && !target.closest(".nbs-span") && annotator.spans) {
      if (Math.abs(event.clientX - pressed_px) > STILL_PX || event.altKey || event.shiftKey) return;
      const at_s = annotator.spans.timeAt(event.clientX);
      const turn = store.turns[turnAt(store.turns, at_s)];
      choose(turn?.key ?? "");
      player.play(at_s, turn?.end_s ?? Infinity);
    }
  }

  /** What others did meanwhile is seen when the reader comes back. */
  function lookAgain() {
    if (performance.now() - looked_ms < LOOK_AGAIN_MS) return;
    looked_ms = performance.now();
    look();
  }

  el.addEventListener("keydown", onKey, true);
  el.addEventListener("focusin", onFocus);
  el.addEventListener("pointerdown", onPress, true);
  el.addEventListener("click", onClick);
  el.addEventListener("pointerenter", lookAgain);

  // -- drawing ---------------------------------------------------------------------------------

  function tell(/** @type {string} */ text) {
    status.textContent = text;
  }

  function warn(/** @type {string} */ text) {
    alert.hidden = !text;
    say(alert, text);
  }

  function drawTarget() {
    const { target, remarks, turn } = annotator;
    const has = new Set((remarks?.labels ?? []).map(({ text }) => text));
    bar.draw(target && { title: placeText(store, target), has, isSpan: !turn });
  }

  /** What is heard is what a number labels; what leaves the sight is followed. */
  function followPlayed() {
    if (!player?.is_playing || store.cursor_s === null) return;
    const follows = player.end_s === Infinity && !writer.key && !annotator.span;
    const turn = follows ? store.turns[turnAt(store.turns, store.cursor_s)] : null;
    if (turn && turn.key !== store.chosen) choose(turn.key);
    const length_s = shown.end_s - shown.start_s;
    const is_out = store.cursor_s > shown.end_s || store.cursor_s < shown.start_s;
    if (is_out) store.look({ start_s: store.cursor_s - 0.1 * length_s, end_s: store.cursor_s + 0.9 * length_s });
  }

  function drawPlaying() {
    transport.draw();
    classed(el, "nbs-playing", Boolean(player?.is_playing));
    if (player?.problem) warn(player.problem);
  }

  function drawFocus() {
    if (!focusOn) return;
    const at = writer.lineOf(focusOn)?.querySelector(".nbs-at");
    focusOn = "";
    at?.focus({ preventScroll: true });
  }

  const off = [
    store.on((changed) => {
      if (changed.has("cursor")) followPlayed();
      if (changed.has("cursor")) transport.drawTime();
      if (changed.has("turns") || changed.has("head")) transport.draw();
      if (changed.has("turns") || changed.has("chosen")) drawTarget();
      if (changed.has("chosen") && store.only) store.show(store.only);
      if (changed.has("turns") || changed.has("chosen") || changed.has("sound")) annotator.spans?.draw();
      writer.place();
      drawFocus();
    }),
    player?.on(drawPlaying) ?? (() => {}),
  ];
  drawPlaying();
  drawTarget();
  return () => {
    for (const end of off) end();
    el.removeEventListener("keydown", onKey, true);
    el.removeEventListener("focusin", onFocus);
    el.removeEventListener("pointerdown", onPress, true);
    el.removeEventListener("click", onClick);
    el.removeEventListener("pointerenter", lookAgain);
    endOfPanel();
  };
}

/** All keys, as a table. */
function helpTable() {
  const made = element("dl", "nbs-keys");
  for (const [keys, what] of HELP_KEYS) {
    const pair = element("div");
    const term = element("dt");
    for (const [i, key] of keys.entries()) {
      if (i) term.append(" ");
      term.append(element("kbd", "", {}, key));
    }
    pair.append(term, element("dd", "", {}, what));
    made.append(pair);
  }
  return made;
}

/** The widget: a model has one store and one player, however many views show it. */
export default () => {
  const store = new Store();
  /** @type {any} */
  const shared = {};
  return {
    initialize: (/** @type {any} */ { model }) => {
      const end = attach(store, model);
      shared.player = new Player(store, new SliceOutput(fetchFrom(model)));
      shared.ask = askOf(model);
      shared.look = () => model.send({ kind: "look" });
      return () => {
        shared.player.close();
        end();
      };
    },
    render: (/** @type {any} */ { el }) => inspector(store, el, shared),
  };
};
