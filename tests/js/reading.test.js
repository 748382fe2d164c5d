import assert from "node:assert/strict";
import { test } from "node:test";

import { Beside } from "../../nbstream/front/beside.js";
import { channelsOf, Pieces, readsTracks, readTrack } from "../../nbstream/front/reading.js";

/** What a browser gives for a piece of sound. */
function audioData(planes, { rate_hz = 48000, at_ms = 0 } = {}) {
  return {
    numberOfChannels: planes.length, numberOfFrames: planes[0].length, sampleRate: rate_hz, timestamp: at_ms * 1000,
    copyTo: (place, { planeIndex }) => place.set(planes[planeIndex]),
    close() { this.isClosed = true; },
  };
}

const sine = (hz, rate_hz, n, from = 0) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin((2 * Math.PI * hz * (from + i)) / rate_hz));

test("channels are mixed into one, or the first as many as are wished for", () => {
  const planes = () => [Float32Array.of(0.5, 0.25), Float32Array.of(-0.25, 0.25)];
  assert.deepEqual(channelsOf(planes(), 1), [Float32Array.of(0.125, 0.25)]);
  assert.deepEqual(channelsOf(planes(), 2), planes());
  assert.deepEqual(channelsOf([...planes(), planes()[0]], 2), planes());
  assert.deepEqual(channelsOf([planes()[0]], 1), [planes()[0]]);
  assert.deepEqual(channelsOf([planes()[0]], 2), [planes()[0], planes()[0]]);
});

for (const rate_hz of [44100, 48000]) {
  test(`a sample's time is when it was captured, from ${rate_hz} Hz, however late it is read`, () => {
    // A click 1 s after the beginning, which was at 700 ms.
    const all = new Float32Array(2 * rate_hz);
    all[rate_hz] = 1;
    const pieces = new Pieces(1);
    let loudest = { level: 0, at_ms: 0 };
    for (let i = 0; i + 441 <= all.length; i += 441) {
      const at_ms = 700 + (i / rate_hz) * 1000;
      const { channels: [samples], end_ms } = pieces.take(audioData([all.slice(i, i + 441)], { rate_hz, at_ms }), at_ms + 10 + i / 1000);
      samples.forEach((level, k) => {
        if (level > loudest.level) loudest = { level, at_ms: end_ms - (samples.length - k) / 16 };
      });
    }
    assert.ok(Math.abs(loudest.at_ms - 1700) < 0.1, `${loudest.at_ms}`);
  });
}

test("a clock that is not the page's is compared with it: the quickest piece tells", () => {
  const pieces = new Pieces(1);
  const end_ms = [25, 20, 21, 120].map((late_ms, i) => {
    const at_ms = 900_000_000 + i * 10;
    const taken = pieces.take(audioData([new Float32Array(480)], { at_ms }), 5000 + (i + 1) * 10 + late_ms);
    return taken.end_ms + (pieces.in_s - pieces.out_s) * 1000;
  });
  assert.deepEqual(end_ms.map(Math.round), [5035, 5040, 5050, 5060]);
});

/** Pieces of 10 ms that say when they were captured, each read when `read` says; when they were, as it is taken. */
function taken(saids, read) {
  const pieces = new Pieces(1);
  return saids.map((said_ms, i) => {
    const { end_ms } = pieces.take(audioData([new Float32Array(480)], { at_ms: said_ms - 10 }), read(said_ms, i));
    return end_ms + (pieces.in_s - pieces.out_s) * 1000;
  });
}

const tens = (from, to) => Array.from({ length: (to - from) / 10 }, (_, i) => from + 10 * i);

test("of a page that was held up each piece was captured when it says", () => {
  // Held up from 2 s to 7 s; what waited is read in 0.2 s.
  const saids = tens(1000, 9000);
  const all = taken(saids, (said) => (said < 2000 || said > 7200 ? said + 1 : 7000 + (said - 2000) / 26));
  const apart = saids.map((said, i) => Math.abs(all[i] - said));
  assert.ok(apart.slice(0, 100).every((ms) => ms < 2));
  assert.ok(apart.slice(100).filter((ms) => ms > 2).length < 140); // 1.4 s, until it is known that it waited
  assert.ok(apart.slice(-560).every((ms) => ms < 2));
});

test("times that come behind are not believed of what comes as fast as it is spoken", () => {
  // Nothing is captured from 2 s to 6 s; the times go on as if it had been, and catch up.
  const real = [...tens(1000, 2000), ...tens(6000, 12_000)];
  const said = real.map((ms) => (ms < 2000 ? ms : Math.min(ms, 2000 + 2 * (ms - 6000))));
  const all = taken(said, (_, i) => real[i] + 1);
  assert.ok(all.every((ms, i) => Math.abs(ms - real[i]) < 155));
});

test("a device that changes its rate goes on, at its time", () => {
  const pieces = new Pieces(1);
  let begin_ms = 700;
  const take = (rate_hz) => {
    let last = { level: 0, apart_ms: 0 };
    for (let i = 0; i < 20; i++, begin_ms += 10) {
      const data = audioData([sine(1000, rate_hz, rate_hz / 100, (i * rate_hz) / 100)], { rate_hz, at_ms: begin_ms });
      const { channels: [samples], end_ms } = pieces.take(data, begin_ms + 10);
      const lag_ms = (pieces.resamplers[0].nKept - pieces.resamplers[0].half + 1) / (rate_hz / 1000);
      last = {
        level: Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length),
        apart_ms: end_ms - (begin_ms + 10 - lag_ms),
      };
    }
    return last;
  };
  for (const rate_hz of [48000, 44100]) {
    const { level, apart_ms } = take(rate_hz);
    assert.ok(Math.abs(level - Math.SQRT1_2) < 0.02);
    assert.ok(Math.abs(apart_ms) < 0.1, `${apart_ms} ms from ${rate_hz} Hz`);
  }
});

const soon = () => new Promise((done) => { setImmediate(done); });

/** A browser whose track gives what is put into it; `heard` and `ended` note what is told. */
async function reading(t, work, { busy_ms = 0, enough_ms = 0 } = {}) {
  const state = { heard: [], ended: 0, cancelled: 0, size: 0 };
  const queue = [];
  const asked = [];
  const answer = () => {
    while (asked.length && queue.length) asked.shift()(queue.shift());
  };
  const read = async () => {
    const one = new Promise((done) => { asked.push(done); });
    answer();
    await one;
    await soon(); // as browsers, in a task of its own
    return one;
  };
  globalThis.MediaStreamTrackProcessor = class {
    constructor({ maxBufferSize }) {
      state.size = maxBufferSize;
      this.readable = { getReader: () => ({ read, cancel: async () => { state.cancelled++; } }) };
    }
  };
  t.after(() => { delete globalThis.MediaStreamTrackProcessor; });
  const heard = (channels, end_ms) => {
    for (const until_ms = performance.now() + busy_ms; performance.now() < until_ms;);
    state.heard.push({ n: channels[0].length, end_ms });
    return enough_ms;
  };
  const track = readTrack({}, 1, { heard, ended: () => state.ended++ });
  const put = async (...pieces) => {
    queue.push(...pieces);
    answer();
    for (let i = 0; i < 4; i++) await soon();
  };
  await work({ state, track, put, piece: (at_ms) => ({ value: audioData([new Float32Array(480)], { at_ms }), done: false }) });
}

test("when the end is asked, what was captured by then still comes, and no more", async (t) => {
  await reading(t, async ({ state, track, put, piece }) => {
    const asked_ms = performance.now();
    await put(piece(asked_ms - 30));
    track.end();
    await put(piece(asked_ms - 20));
    assert.equal(state.ended, 0);
    await new Promise((done) => { setTimeout(done, 25); });
    await put(piece(performance.now() - 10)); // by when the end was asked
    assert.deepEqual([state.heard.length, state.ended, state.cancelled], [3, 1, 1]);
    await put(piece(performance.now() + 20));
    assert.equal(state.heard.length, 3);
  });
});

test("what waits in the browser when the end is asked may take its time", async (t) => {
  await reading(t, async ({ state, track, put, piece }) => {
    const asked_ms = performance.now();
    const waiting = Array.from({ length: 8 }, (_, i) => piece(asked_ms - 100 + 10 * i));
    put(...waiting);
    track.end();
    while (state.heard.length < 8 && !state.ended) await soon();
    assert.equal(state.ended, 0);
    track.close();
  }, { busy_ms: 60 });
});

test("a page sleeps until enough is there, and not while something waits", async (t) => {
  globalThis.document = { hidden: false };
  const slept_ms = [];
  const { setTimeout: later } = globalThis;
  let now_ms = 9000;
  t.mock.method(performance, "now", () => now_ms);
  t.mock.method(globalThis, "setTimeout", (wake, ms) => {
    slept_ms.push(ms);
    later(wake, 0);
  });
  t.after(() => { delete globalThis.document; });
  await reading(t, async ({ state, put, piece }) => {
    const live = async (n) => {
      await put(piece(now_ms - 10));
      while (state.heard.length < n || !slept_ms.length) await soon();
      assert.deepEqual(slept_ms.splice(0), [51]); // and then the last piece is waited for
      for (let i = 0; i < 20; i++) await soon();
    };
    await live(1);
    const old_ms = now_ms;
    now_ms += 5000;
    put(...Array.from({ length: 200 }, (_, i) => piece(old_ms + 10 * i)));
    while (state.heard.length < 201) await soon();
    assert.deepEqual(slept_ms, []);
  }, { enough_ms: 50 });
});

test("a device that gives nothing any more is not waited for", async (t) => {
  await reading(t, async ({ state, track, put, piece }) => {
    await put(piece(performance.now()));
    track.end();
    await new Promise((done) => { const look = setInterval(() => { if (state.ended) { clearInterval(look); done(); } }, 10); });
    assert.deepEqual([state.heard.length, state.ended, state.cancelled], [1, 1, 1]);
  });
});

test("a track that ends is told once; of one that is dropped nothing is", async (t) => {
  await reading(t, async ({ state, track, put }) => {
    await put({ done: true });
    track.close();
    assert.equal(state.ended, 1);
  });
  await reading(t, async ({ state, track, put, piece }) => {
    track.close();
    const late = piece(0);
    await put(late);
    assert.deepEqual([state.heard.length, state.ended, late.value.isClosed], [0, 0, true]);
  });
});

test("minutes of sound wait in the browser for a page that is held up", async (t) => {
  await reading(t, async ({ state }) => assert.ok(state.size * 10 >= 180_000));
});

test("browsers that can't do that for sound are known", () => {
  class OfPictures {
    constructor({ track }) {
      if (track.kind === "audio") throw new TypeError("of pictures only");
    }
  }
  const chromium = { MediaStreamTrackProcessor: class {}, AudioData: class {} };
  const track = { kind: "audio" };
  assert.equal(readsTracks(null, chromium), true);
  assert.equal(readsTracks(track, chromium), true);
  assert.equal(readsTracks(track, { ...chromium, MediaStreamTrackProcessor: OfPictures }), false);
  assert.equal(readsTracks(null, { AudioData: class {} }), false); // Firefox
});

/** 10 ms of the number that says when they were captured, in ms; they are read `late_ms` later. */
const at = (ms) => new Float32Array(160).fill(ms);

/** What comes of pieces: "a" and "b" are the two sounds, each with its time and the page's. */
function beside(pieces) {
  const out = [];
  const sounds = new Beside(([one, other], end_ms) => out.push([one[0], other[0], other[159], end_ms]));
  for (const [which, ms, now_ms = ms + 10] of pieces) {
    if (which === "a") sounds.lead(at(ms), ms + 10, now_ms);
    else if (which === "b") sounds.follow(at(ms), ms + 10, now_ms);
    else sounds.leave();
  }
  return { out, sounds };
}

test("what was captured at one time stands side by side, whichever comes first", () => {
  const pieces = [];
  for (let ms = 100; ms < 1000; ms += 10) pieces.push(["a", ms], ["b", ms - 50]);
  const { out } = beside(pieces);
  assert.ok(out.length > 80);
  for (const [one, first, last, end_ms] of out.slice(1)) {
    assert.equal(end_ms, one + 10);
    assert.deepEqual([first, last], [one, one]);
  }
});

test("the first never waits for a second that is not there, and not long for one that is late", () => {
  assert.equal(beside([["a", 0], ["a", 10]]).out.length, 2);
  const { out, sounds } = beside([["a", 0], ["b", 0], ["a", 10], ["a", 20]]);
  assert.equal(out.length, 1);
  sounds.lead(at(30), 40, 1100);
  assert.deepEqual(out.slice(1).map(([one, other]) => [one, other]), [[10, 0], [20, 0]]);
  sounds.leave();
  assert.deepEqual(out.slice(3).map(([one, other]) => [one, other]), [[30, 0]]);
});

test("where the second lacks something there is silence, and the rest stays where it belongs", () => {
  const pieces = [];
  for (let ms = 100; ms < 5000; ms += 10) {
    pieces.push(["a", ms]);
    if (ms < 300 || ms >= 500) pieces.push(["b", ms]); // 200 ms are missing
  }
  const { out } = beside(pieces);
  const [one, other] = out.at(-1);
  assert.equal(one, other);
  const unlike = out.filter(([a, b]) => b !== a);
  assert.deepEqual(unlike.map(([a]) => a), [100, ...Array.from({ length: 20 }, (_, i) => 300 + 10 * i)]);
  assert.ok(unlike.every(([, b]) => b === 0));
});

test("so it is where the first lacks something", () => {
  const pieces = [];
  for (let ms = 100; ms < 5000; ms += 10) {
    if (ms < 300 || ms >= 500) pieces.push(["a", ms]);
    pieces.push(["b", ms]);
  }
  const { out } = beside(pieces);
  assert.equal(out.length, 470);
  assert.deepEqual(out.filter(([a, b]) => b !== a).map(([a, b]) => [a, b]), [[100, 0]]);
});

/** Two minutes beside a second whose clock is faster or slower, and which says its samples' numbers. */
function wandering(rate, isPause) {
  const beside_it = [];
  const spoken = [];
  const sounds = new Beside(([, other]) => beside_it.push(...other));
  for (let n = 0; n < 12_000; n++) {
    const piece = Float32Array.from({ length: 160 }, (_, i) => (isPause(n) ? 0 : 1 + 160 * n + i));
    spoken.push(...piece.filter(Boolean));
    sounds.lead(at(10 * n), 10 * n + 10, 10 * n);
    sounds.follow(piece, 10 * n * rate + 10, 10 * n);
  }
  const heard = beside_it.filter(Boolean);
  const apart_ms = beside_it.map((k, i) => (k ? Math.abs((k - 1) * rate - i) / 16 : 0));
  return { spoken, heard, mostApart_ms: apart_ms.reduce((a, b) => Math.max(a, b)) };
}

test("a clock that wanders is followed in pauses: what is said stays whole", () => {
  for (const rate of [1.0003, 0.9997]) {
    const { spoken, heard, mostApart_ms } = wandering(rate, (n) => n % 300 >= 280); // 0.2 s each 3 s
    assert.ok(heard.length > 110 * 16_000 * 0.93);
    const first = heard[0] - 1; // what it began with may have come too late to stand beside the first
    assert.ok(first < 2 * 160);
    assert.deepEqual(heard, spoken.slice(first, first + heard.length));
    assert.ok(mostApart_ms < 13);
  }
});

test("a second that is never still is put in its place before it is far from it", () => {
  for (const rate of [1.0005, 0.9995]) {
    const { spoken, heard, mostApart_ms } = wandering(rate, () => false);
    assert.ok(mostApart_ms > 30 && mostApart_ms < 42);
    assert.ok(spoken.length - heard.length < 2 * 16_000);
  }
});

test("a second that comes again is put where it belongs", () => {
  const pieces = [];
  for (let ms = 100; ms < 400; ms += 10) pieces.push(["a", ms], ["b", ms]);
  pieces.push(["left"]);
  for (let ms = 400; ms < 600; ms += 10) pieces.push(["a", ms]);
  for (let ms = 600; ms < 900; ms += 10) pieces.push(["a", ms], ["b", ms]);
  const { out } = beside(pieces);
  const alone = ([one]) => one === 100 || (one >= 400 && one <= 600);
  assert.deepEqual(out.filter(([, other]) => other === 0), out.filter(alone));
  assert.ok(out.every((both) => alone(both) || both[0] === both[1]));
});
