import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ElementOutput, pieceAt, PIECE_S, SliceOutput } from "../../nbstream/front/outputs.js";
import { nextRate, Player, RATES } from "../../nbstream/front/player.js";
import { Store } from "../../nbstream/front/store.js";

const RATE_HZ = 1000;

/** Frames of a page, drawn when a test says so. */
let frames = [];
beforeEach(() => {
  frames = [];
  globalThis.requestAnimationFrame = (f) => frames.push(f);
  globalThis.cancelAnimationFrame = () => (frames = []);
});
const draw = () => {
  const due = frames;
  frames = [];
  for (const f of due) f();
};
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** WebAudio whose time a test moves on; keeps what was scheduled. */
class Context {
  currentTime = 0;
  state = "running";
  played = [];
  destination = {};
  createBuffer = (channels, length, rate) => ({ length, rate, copyToChannel() {} });
  createBufferSource = () => {
    const node = {
      playbackRate: { value: 1 }, connect() {}, stop: () => (node.stopped = true),
      start: (when_s) => this.played.push(Object.assign(node, { when_s })),
    };
    return node;
  };
  resume() { this.state = "running"; }
  suspend() { this.state = "suspended"; }
  /** Time goes on to `at_s`; what is over by then says so. */
  go(at_s) {
    this.currentTime = at_s;
    for (const node of this.played) {
      const end_s = node.when_s + node.buffer.length / node.buffer.rate / node.playbackRate.value;
      if (end_s > at_s || node.stopped || node.ended) continue;
      node.ended = true;
      node.onended?.();
    }
  }
}

function playing(duration_s = 100) {
  const context = new Context();
  const asked = [];
  const fetch = async (start_s, end_s) => {
    asked.push([start_s, end_s]);
    const n = Math.max(0, Math.min(end_s, duration_s) - start_s) * RATE_HZ;
    return { samples: new Int16Array(Math.round(n)), rate_hz: RATE_HZ };
  };
  const output = new SliceOutput(fetch, () => context);
  const store = new Store();
  const head = { name: "", folder: "/a", state: "stopped", is_live: false, duration_s, speakers: [] };
  const sound = { n_channels: 1, n_columns: 0, parts: [] };
  store.load({ seq: 0, head, turns: [], gaps: [], marks: [], sound });
  return { context, asked, output, store, player: new Player(store, output) };
}

const spans = ({ played }) => played.map(({ when_s, buffer, playbackRate }) =>
  [when_s, when_s + buffer.length / buffer.rate / playbackRate.value].map((s) => Number(s.toFixed(3))));

test("a place is in one piece, however it was come by", () => {
  assert.deepEqual([0, 0, 1, 3], [0, PIECE_S - 0.01, PIECE_S, 0.1 * 30 * PIECE_S].map(pieceAt));
});

test("pieces follow each other without a gap, to the very end of the stretch", async () => {
  const { player, context, asked } = playing();
  player.play(2.5, 9.25);
  await settled();

  assert.deepEqual([[0, 4], [4, 8], [8, 12]], asked);
  assert.deepEqual([[0.04, 1.54], [1.54, 5.54], [5.54, 6.79]], spans(context));
});

test("of a long session only what is near is asked for, and the rest as it is heard", async () => {
  const { player, context, asked } = playing(10_800);
  player.play(5000);
  await settled();
  assert.equal(3, asked.length); // two pieces ahead

  for (let s = 1; s <= 40; s++) {
    context.go(s);
    await settled();
  }
  assert.ok(asked.length <= 14, String(asked.length));
  assert.equal(0, spans(context).filter(([, end], i, all) => all[i + 1] && all[i + 1][0] !== end).length);
});

test("what was heard a moment ago does not travel again", async () => {
  const { player, asked } = playing();
  for (let i = 0; i < 3; i++) {
    player.play(1, 3);
    await settled();
  }
  assert.deepEqual([[0, 4]], asked);
});

test("the cursor goes with the sound, and nothing runs when it is over", async () => {
  const { player, store, context } = playing();
  player.play(2, 4);
  await settled();
  context.go(1.04);
  draw();
  assert.equal(3, Number(store.cursor_s.toFixed(3)));
  assert.equal(true, store.is_playing);

  context.go(2.1);
  assert.deepEqual([false, false, 4], [player.is_playing, store.is_playing, player.at_s]);
  assert.equal("suspended", context.state);
  assert.equal(0, frames.length);
});

test("it is heard slower and faster from where it is", async () => {
  const { player, context } = playing();
  player.play(0, 8);
  await settled();
  context.go(2.04);
  player.setRate(2);
  await settled();

  const [start_s, end_s] = spans(context).at(-1);
  assert.equal(2.08 + 3, Number(end_s.toFixed(3))); // six seconds are left, at twice the speed
  assert.ok(start_s > 2.08);
});

test("a pause goes on where it was; a stretch heard to its end goes on behind it", async () => {
  const { player, context } = playing();
  player.play(2, 6);
  await settled();
  context.go(1.04);
  player.toggle();
  assert.deepEqual([false, 3], [player.is_playing, Number(player.at_s.toFixed(3))]);

  player.toggle();
  assert.deepEqual([true, 6], [player.is_playing, player.end_s]);
  await settled();
  context.go(9);
  assert.equal(6, player.at_s);
  player.toggle();
  assert.deepEqual([6, Infinity], [player.at_s, player.end_s]);
});

test("sound that comes late is waited for, and said to be", async () => {
  const { player, context, output } = playing();
  let arrive;
  output._fetch = () => new Promise((resolve) => (arrive = resolve));
  player.play(0, 4);
  assert.equal(true, player.is_waiting);
  context.go(3);
  arrive({ samples: new Int16Array(4 * RATE_HZ), rate_hz: RATE_HZ });
  await settled();

  assert.equal(false, player.is_waiting);
  assert.deepEqual([[3.04, 7.04]], spans(context)); // none of it is left out
});

test("a recording that ends earlier than was thought ends there", async () => {
  const { player, context, output } = playing(5);
  player.play(3);
  await settled();
  context.go(3);
  assert.deepEqual([false, true], [player.is_playing, output.isOver()]);

  player.toggle(); // at the end of all, it begins again
  assert.equal(0, player.at_s);
});

test("answers to an earlier question are not heard", async () => {
  const { player, context } = playing();
  player.play(50, 52);
  player.play(1, 3);
  await settled();
  assert.equal(1, spans(context).length);
  player.pause();
  assert.deepEqual([true], context.played.map(({ stopped }) => stopped));
});

test("it falls silent when nothing shows it any more", async () => {
  const { player } = playing();
  const ends = [player.on(() => {}), player.on(() => {})];
  player.play(0);
  ends[0]();
  assert.equal(true, player.is_playing);
  ends[1]();
  assert.equal(false, player.is_playing);
});

test("speeds go from a half to two", () => {
  assert.deepEqual([0.5, 2], [RATES[0], RATES.at(-1)]);
  assert.deepEqual([1.25, 0.75, 0.5, 2], [nextRate(1, 1), nextRate(1, -1), nextRate(0.5, -1), nextRate(2, 1)]);
});

/** An <audio> element, as far as it is needed. */
class Sound extends EventTarget {
  currentTime = 0;
  playbackRate = 1;
  paused = true;
  ended = false;
  readyState = 4;
  async play() { this.paused = false; }
  pause() { this.paused = true; }
}

test("a page without a kernel plays its own sound, and a stretch of it", async () => {
  const { player, store } = playing();
  const sound = new Sound();
  player.useElement(sound);
  player.setRate(1.5);
  player.play(7, 7.2);
  assert.deepEqual([7, 1.5, false], [sound.currentTime, sound.playbackRate, sound.paused]);

  sound.currentTime = 7.1;
  draw();
  assert.equal(7.1, store.cursor_s);
  sound.currentTime = 7.2;
  await new Promise((resolve) => player.on(resolve));
  assert.deepEqual([true, false, 7.2], [sound.paused, player.is_playing, player.at_s]);
});

test("who pauses the element pauses the player, but not by beginning anew", async () => {
  const { player } = playing();
  const sound = new Sound();
  player.useElement(sound);
  player.play(1, 50);
  player.play(2, 50); // the event of the pause in between comes later
  sound.dispatchEvent(new Event("pause"));
  assert.equal(true, player.is_playing);

  sound.pause();
  sound.dispatchEvent(new Event("pause"));
  assert.equal(false, player.is_playing);
  assert.ok(new ElementOutput(sound).isOver());
});
