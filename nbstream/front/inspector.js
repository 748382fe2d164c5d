// inspector.js: a session to listen to, to label and to correct: the panel of `panel.js` with a
// player, a label set and an editor. Every key works wherever the focus is in it, but in a field.

import { editor } from "./editor.js";
import { classed, element, keepKeys, mark, say } from "./elements.js";
import { attach } from "./feed.js";
import { HELP_KEYS, inspectorKey, placeText, SHORT_HELP, stepIn, WAVE_HELP } from "./inspecting.js";
import { labelBar } from "./labels.js";
import { panel } from "./panel.js";
import { fetchFrom, nextRate, Player, SliceOutput } from "./player.js";
import { idsOf, remarksText, spanKey } from "./remarks.js";
import { spanBetween, Spans, withEdge } from "./spans.js";
import { Store } from "./store.js";
import { transportBar } from "./transport.js";
import { lookAt, pieces, speakerOf, timeText, turnAt } from "./words.js";

const NUDGE_S = 0.05;
const STILL_PX = 3; // what moves further is dragged
const SLOW_MS = 1500; // a kernel that takes longer is busy
const LOOK_AGAIN_MS = 2000;

/** @typedef {(edit: Record<string, any>) => Promise<{error?: string, hint?: string}>} Ask */

/**
 * An inspector of a store in `el`. @returns {() => void} the end of that
 * @param {Store} store @param {HTMLElement} el
 * @param {{player?: Player | null, ask?: Ask | null, look?: () => void, frame?: string}} options
 *   player: plays it, if it can be heard; ask: has an edit done, if it may be annotated; look: has
 *   what others did be told; frame: as of `table`
 */
export function inspector(store, el, { player = null, ask = null, look = () => {}, ...options } = {}) {
  const canEdit = ask !== null;
  let spans = /** @type {Spans | null} */ (null);
  let shown = { start_s: 0, end_s: 1 };
  const onShown = (/** @type {typeof shown} */ span) => {
    shown = span;
    spans?.show(span);
  };
  const endOfPanel = panel(store, el, { ...options, help: WAVE_HELP, onShown });
  const heading = `Inspector of ${store.head.name || store.head.folder.split(/[/\\]/).pop() || "the session"}`;
  el.classList.add("nbs-inspector");
  for (const [name, value] of [["tabindex", "-1"], ["role", "group"], ["aria-label", heading]]) mark(el, name, value);
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (el.querySelector(`.nbs-${name}`));
  const detail = /** @type {HTMLElement | null} */ (el.querySelector(".nbs-detail"));
  if (detail) {
    spans = new Spans(store, detail, { canEdit, onChoose: choose, onHear: hear, onMove: moveSpan });
    spans.show(shown);
  }
  const transport = transportBar(store, player, {
    canEdit, onPlay: toggle, onMark: makeMark, onUndo: () => edit({ do: "undo" }, "Undone"),
    onRedo: () => edit({ do: "redo" }, "Done again"), onOnly: toggleOnly,
  });
  const bar = labelBar(store, { canEdit, onToggle: label, onNew: newLabel, onRemove: removeSpan });
  const keysOfIt = element("details", "nbs-help");
  keysOfIt.append(element("summary", "", {}, SHORT_HELP), helpTable());
  const alert = element("p", "nbs-alert", { role: "alert" });
  const status = element("span", "nbs-hidden", { role: "status" });
  alert.hidden = true;
  bar.element.append(alert, status);
  if (player || canEdit) bar.element.append(keysOfIt);
  el.prepend(transport.element);
  part("transcript").before(bar.element);

  let writing = /** @type {{key: string, form: ReturnType<typeof editor>} | null} */ (null);
  let focusOn = ""; // the turn that the focus moves to once it is drawn
  let spanFrom_s = /** @type {number | null} */ (null); // where X was pressed first
  let n_waiting = 0;
  let pressed_px = 0;
  let looked_ms = -Infinity;

  // -- what is worked on -----------------------------------------------------------------------

  function chosenTurn() {
    return store.byKey.get(store.chosen) ?? null;
  }

  /** The turn or the span that is chosen. @returns {any} */
  function chosen() {
    return chosenTurn() ?? spans?.find(store.chosen) ?? null;
  }

  function remarks() {
    return chosenTurn()?.remarks ?? chosen();
  }

  /** Where an edit is done. */
  function place() {
    const turn = chosenTurn();
    if (turn) return { key: turn.key };
    const { start_s, end_s, channel } = chosen();
    return { start_s, end_s, channel };
  }

  function choose(/** @type {string} */ key) {
    if (writing && writing.key !== key) closeEditor();
    if (spans?.pending && spans.pending.key !== key) spans.pending = null;
    store.choose(key);
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

  function step(/** @type {number} */ by, aloud = false) {
    const turn = stepIn(store.listed, store.chosen, store.cursor_s, by);
    if (turn) goTo(turn, aloud);
    else tell("There is no turn.");
  }

  function nextUnlabelled() {
    const without = store.turns.filter((turn) => turn.key === store.chosen || !turn.remarks.labels.length);
    const turn = stepIn(without, store.chosen, store.cursor_s, 1, true);
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
    const target = chosen();
    const at_s = player.at_s;
    const is_there = at_s !== null && (!target || (target.start_s - 0.01 <= at_s && at_s <= target.end_s + 0.05));
    player.toggle(is_there ? null : (target?.start_s ?? store.cursor_s ?? 0));
  }

  /** Hear a word of the turn: the next one, or the one before. */
  function stepWord(/** @type {number} */ by) {
    const turn = chosenTurn();
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

  // -- annotating ------------------------------------------------------------------------------

  async function edit(/** @type {Record<string, any>} */ what, /** @type {string} */ done) {
    if (!ask) return;
    n_waiting++;
    const slow = setTimeout(() => tell("The kernel is busy; it will be saved."), SLOW_MS);
    const { error, hint } = await ask(what);
    clearTimeout(slow);
    n_waiting--;
    alert.hidden = !error;
    if (error) say(alert, `Not saved: ${error} ${hint ?? ""}`.trim());
    else tell(done);
    return !error;
  }

  function label(/** @type {string | undefined} */ name) {
    if (!chosen()) step(1);
    if (name === undefined) return tell("There is no such label. L adds one.");
    if (!chosen()) return;
    const there = Object.fromEntries(remarks().labels.map((/** @type {any} */ one) => [one.text, one.id]));
    edit({ do: "toggle", label: name, there, ...place() }, name in there ? `${name} taken away` : name);
  }

  function newLabel(/** @type {string} */ name) {
    edit({ do: "label", label: name }, `Label ${store.labels.length + 1}: ${name}`);
  }

  function makeMark() {
    const at_s = player?.is_playing ? player.at_s : (store.head.is_live ? null : (store.cursor_s ?? player?.at_s));
    if (at_s === undefined) return tell("Choose a place first.");
    edit(at_s === null ? { do: "mark" } : { do: "mark", at_s }, `Marked ${timeText(at_s)}`.trim());
  }

  function moveSpan(/** @type {any} */ span, /** @type {{start_s: number, end_s: number}} */ to) {
    if (!spans) return;
    if (span === spans.pending) return spans.begin(to);
    const before = { start_s: span.start_s, end_s: span.end_s, key: span.key };
    Object.assign(span, to, { key: spanKey(to.start_s, to.end_s, span.channel) }); // at once
    store.choose(span.key);
    spans.draw();
    edit({ do: "change", ids: idsOf(span), ...to }, "Moved").then((ok) => {
      if (!ok) Object.assign(span, before);
      spans?.draw();
    });
  }

  function nudge(/** @type {"start_s" | "end_s"} */ edge, /** @type {number} */ by_s) {
    const span = spans?.find(store.chosen);
    if (span && spans) moveSpan(span, withEdge(span, edge, span[edge] + by_s, spans.all_s));
    else tell("Choose a span first.");
  }

  function removeSpan() {
    const span = spans?.find(store.chosen);
    if (!span || !spans) return;
    if (span === spans.pending) spans.begin(null);
    else edit({ do: "remove", ids: idsOf(span) }, "Span removed");
    el.focus({ preventScroll: true });
  }

  /** A span from where X is pressed first to where it is pressed again. */
  function spanHere() {
    const at_s = player?.is_playing ? player.at_s : store.cursor_s;
    if (at_s === null || at_s === undefined || !spans) return tell("Choose a place first.");
    if (spanFrom_s === null) {
      spanFrom_s = at_s;
      return tell(`A span begins at ${timeText(at_s)}. Press X again where it ends.`);
    }
    const span = spanBetween(spanFrom_s, at_s, spans.all_s);
    spanFrom_s = null;
    spans.begin(span);
    tell(span ? "Press a number to label the span, M for a note." : "The span is too short.");
  }

  // -- writing ---------------------------------------------------------------------------------

  function openEditor(/** @type {"transcript" | "speaker" | "note"} */ kind) {
    if (!chosen()) step(1);
    if (!canEdit || !chosen()) return;
    closeEditor();
    const turn = chosenTurn();
    const said = remarks();
    const own = { transcript: said.corrected, speaker: said.speaker, note: said.notes.length === 1 ? said.notes[0] : null }[kind];
    if (!turn && kind !== "note") return tell("Only turns are corrected. M makes a note.");
    const heard = { transcript: turn?.text, speaker: turn && speakerOf({ ...turn, remarks: null }), note: "" }[kind] ?? "";
    const where = place();
    const form = editor({
      title: { transcript: "Corrected text", speaker: "Speaker", note: "Note" }[kind],
      text: own?.text ?? heard,
      is_long: kind === "transcript",
      choices: kind === "speaker" ? store.head.speakers : [],
      leave: closeEditor,
      onPlay: player ? toggle : undefined,
      save: (text) => {
        closeEditor();
        const is_none = text === heard || (kind === "speaker" && !text);
        if (text === own?.text || (is_none && !own)) return;
        if (is_none) edit({ do: "remove", ids: [own.id] }, `${kind} taken back`);
        else if (own && kind === "note") edit({ do: "change", ids: [own.id], value: text }, "Note changed");
        else edit({ do: "say", [kind]: text, ...where }, { transcript: "Corrected", speaker: `Speaker ${text}`, note: "Noted" }[kind]);
      },
    });
    writing = { key: store.chosen, form };
    focusOn = ""; // it is in the field from now on
    placeEditor();
    form.begin();
    form.element.scrollIntoView({ block: "nearest" });
  }

  /** In the turn, or where it can't be seen, in the bar. */
  function placeEditor() {
    if (!writing) return;
    const host = lineOf(writing.key) ?? bar.element;
    if (writing.form.element.parentElement === host) return;
    const had_focus = writing.form.element.contains(document.activeElement);
    host.append(writing.form.element);
    if (had_focus) writing.form.field.focus({ preventScroll: true });
  }

  function closeEditor() {
    if (!writing) return;
    const { key, form } = writing;
    const had_focus = form.element.contains(/** @type {Document} */ (el.getRootNode()).activeElement);
    writing = null;
    if (had_focus) (lineOf(key)?.querySelector(".nbs-at") ?? el).focus({ preventScroll: true });
    form.element.remove();
  }

  /** The line of a turn in the transcript, if it is in the page. @returns {any} */
  function lineOf(/** @type {string} */ key) {
    return [...el.querySelectorAll(".nbs-turn")].find((line) => /** @type {HTMLElement} */ (line).dataset.key === key);
  }

  // -- keys and mouse --------------------------------------------------------------------------

  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const acts = {
    play: toggle,
    again: () => (chosen() ? hear(chosen()) : toggle()),
    previous: ({ shiftKey }) => step(-1, shiftKey),
    next: ({ shiftKey }) => step(1, shiftKey),
    wordBefore: () => stepWord(-1),
    wordBehind: () => stepWord(1),
    slower: () => setRate(-1),
    faster: () => setRate(1),
    correct: () => openEditor(chosenTurn() || !chosen() ? "transcript" : "note"),
    speaker: () => openEditor("speaker"),
    note: () => openEditor("note"),
    unlabelled: nextUnlabelled,
    only: toggleOnly,
    newLabel: bar.beginNew,
    mark: makeMark,
    span: spanHere,
    startEarlier: () => nudge("start_s", -NUDGE_S),
    startLater: () => nudge("start_s", NUDGE_S),
    endEarlier: () => nudge("end_s", -NUDGE_S),
    endLater: () => nudge("end_s", NUDGE_S),
    remove: removeSpan,
    undo: () => edit({ do: "undo" }, "Undone"),
    redo: () => edit({ do: "redo" }, "Done again"),
    help: () => (/** @type {HTMLDetailsElement} */ (keysOfIt).open = !(/** @type {HTMLDetailsElement} */ (keysOfIt).open)),
    leave: () => {
      spanFrom_s = null;
      spans?.begin(null);
    },
  };

  function setRate(/** @type {number} */ by) {
    if (!player) return;
    player.setRate(nextRate(player.rate, by));
    tell(`${player.rate} times`);
  }

  function onKey(/** @type {KeyboardEvent} */ event) {
    if (/[1-9]/.test(event.key) && event.key.length === 1 && inspectorKey(event, false) === "label") {
      event.preventDefault();
      event.stopPropagation();
      return label(store.labels[Number(event.key) - 1]?.[0]);
    }
    const act = inspectorKey(event, Boolean(spans?.pending) || spanFrom_s !== null);
    const is_edit = act && ["correct", "speaker", "note", "newLabel", "mark", "span", "remove", "undo", "redo"].includes(act);
    if (!act || act === "label" || (is_edit && !canEdit)) return;
    event.preventDefault();
    event.stopPropagation();
    acts[act](event);
  }

  function onFocus(/** @type {FocusEvent} */ { target }) {
    const key = /** @type {HTMLElement} */ (target).closest?.("[data-key]")?.getAttribute("data-key");
    if (key && store.byKey.has(key)) choose(key);
  }

  function onPress(/** @type {PointerEvent} */ event) {
    pressed_px = event.clientX;
    const on_sound = /** @type {Element} */ (event.target).closest(".nbs-detail");
    if (!on_sound || !canEdit || event.button !== 0 || !(event.altKey || event.shiftKey)) return;
    event.stopPropagation();
    event.preventDefault();
    spans?.drawWith(event);
  }

  function onClick(/** @type {MouseEvent} */ event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (document.getSelection()?.toString() || !player) return;
    const row = target.closest(".nbs-turn, .nbs-table tbody tr");
    if (row) {
      const turn = store.byKey.get(/** @type {HTMLElement} */ (row).dataset.key ?? "");
      // Where in it was clicked has just been pointed at.
      if (turn && turn.start_s !== null) player.play(Math.max(store.cursor_s ?? 0, turn.start_s), turn.end_s ?? Infinity);
    } else if (target.closest(".nbs-detail") && !target.closest(".nbs-span") && spans) {
      if (Math.abs(event.clientX - pressed_px) > STILL_PX || event.altKey || event.shiftKey) return;
      const at_s = spans.timeAt(event.clientX);
      const turn = store.turns[turnAt(store.turns, at_s)];
      choose(turn?.key ?? "");
      player.play(at_s, turn?.end_s ?? Infinity);
    }
  }

  function onEnter() {
    if (performance.now() - looked_ms < LOOK_AGAIN_MS) return;
    looked_ms = performance.now();
    look();
  }

  el.addEventListener("keydown", onKey, true);
  el.addEventListener("focusin", onFocus);
  el.addEventListener("pointerdown", onPress, true);
  el.addEventListener("click", onClick);
  el.addEventListener("pointerenter", onEnter);

  // -- drawing ---------------------------------------------------------------------------------

  function tell(/** @type {string} */ text) {
    status.textContent = text;
  }

  function drawTarget() {
    const target = chosen();
    const turn = chosenTurn();
    const has = new Set((remarks()?.labels ?? []).map((/** @type {any} */ one) => one.text));
    bar.draw(target && { title: placeText(store, target), has, isSpan: !turn });
  }

  /** What is heard is what a number labels; what leaves the sight is followed. */
  function followPlayed() {
    if (!player?.is_playing || store.cursor_s === null) return;
    const follows = player.end_s === Infinity && !writing && !spans?.find(store.chosen);
    const turn = follows ? store.turns[turnAt(store.turns, store.cursor_s)] : null;
    if (turn && turn.key !== store.chosen) choose(turn.key);
    const length_s = shown.end_s - shown.start_s;
    const is_out = store.cursor_s > shown.end_s || store.cursor_s < shown.start_s;
    if (is_out) store.look({ start_s: store.cursor_s - 0.1 * length_s, end_s: store.cursor_s + 0.9 * length_s });
  }

  function drawPlaying() {
    transport.draw();
    classed(el, "nbs-playing", Boolean(player?.is_playing));
    if (player?.problem) {
      alert.hidden = false;
      say(alert, player.problem);
    }
  }

  function drawFocus() {
    if (!focusOn) return;
    const at = lineOf(focusOn)?.querySelector(".nbs-at");
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
      if (changed.has("turns") || changed.has("chosen") || changed.has("sound")) spans?.draw();
      placeEditor();
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
    el.removeEventListener("pointerenter", onEnter);
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

/** Has edits done by the kernel behind a model. @param {any} model @returns {Ask} */
export function askOf(model) {
  const me = Math.random().toString(36).slice(2);
  /** @type {Map<number, (done: any) => void>} */
  const waiting = new Map();
  let n = 0;
  model.on("msg:custom", (/** @type {any} */ message) => {
    if (message.kind !== "annotated" || message.to !== me) return;
    waiting.get(message.number)?.(message);
    waiting.delete(message.number);
  });
  return (edit) => new Promise((resolve) => {
    waiting.set(++n, resolve);
    model.send({ kind: "annotate", to: me, number: n, edit });
  });
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
