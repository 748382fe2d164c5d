// transport.js: what plays, where, how fast; and the buttons for what has been done.

import { element, mark, say } from "./elements.js";
import { RATES } from "./player.js";
import { timeText } from "./words.js";

/**
 * The bar over the sound.
 * @param {import("./store.js").Store} store @param {import("./player.js").Player | null} player
 * @param {{canEdit: boolean, onPlay: () => void, onMark: () => void, onUndo: () => void,
 *   onRedo: () => void, onOnly: () => void}} options
 */
export function transportBar(store, player, { canEdit, onPlay, onMark, onUndo, onRedo, onOnly }) {
  const made = element("div", "nbs-part nbs-transport");
  const bar = element("div", "nbs-bar");
  const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ act) => {
    const one = element("button", "nbs-tool", { type: "button", title }, text);
    one.addEventListener("click", act);
    return one;
  };
  const play = button("Play", "Play or pause (Space)", onPlay);
  play.classList.add("nbs-play");
  const time = element("span", "nbs-time");
  const rate = /** @type {HTMLSelectElement} */ (element("select", "nbs-rate", {
    "aria-label": "Speed", title: "Speed (< and >)",
  }));
  rate.append(...RATES.map((one) => element("option", "", { value: String(one) }, `${one}\u00d7`)));
  rate.addEventListener("change", () => player?.setRate(Number(rate.value)));
  const only = button("Unlabelled", "Show turns without a label only (U)", onOnly);
  const count = element("span", "nbs-count");
  if (player) bar.append(play, time, rate);
  if (canEdit) {
    bar.append(
      button("Mark", "Mark this moment (H)", onMark),
      button("Undo", "Take back (Ctrl+Z)", onUndo),
      button("Redo", "Do again (Ctrl+Shift+Z)", onRedo),
    );
  }
  bar.append(only, count);
  made.append(bar);

  function drawTime() {
    const at_s = player?.at_s ?? store.cursor_s ?? 0;
    say(time, `${timeText(at_s)} / ${timeText(Math.max(store.sound.end_s, store.head.duration_s))}`);
  }

  function draw() {
    drawTime();
    only.hidden = count.hidden = !store.turns.length;
    const n = store.turns.filter((turn) => turn.remarks.labels.length).length;
    say(count, `${n.toLocaleString("en")} of ${store.turns.length.toLocaleString("en")} labelled`);
    mark(only, "aria-pressed", String(store.only !== null));
    if (!player) return;
    const state = !player.is_playing ? "paused" : player.is_waiting ? "waiting" : "playing";
    mark(play, "data-state", state);
    say(play, { paused: "Play", waiting: "Waiting", playing: "Pause" }[state]);
    mark(play, "disabled", player.can_play ? null : "");
    if (rate.value !== String(player.rate)) rate.value = String(player.rate);
  }
  return { element: made, draw, drawTime };
}
