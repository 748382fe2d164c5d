import assert from "node:assert/strict";
import { test } from "node:test";

import { ENDED_BY, failureOf, stretchesSound } from "../../nbstream/front/devices.js";
import { deviceFor, inputNames } from "../../nbstream/front/inputs.js";
import { CaptureClock, Keeper, onPageClock, packed } from "../../nbstream/front/keeping.js";
import { Cutter, Resampler, tapModule } from "../../nbstream/front/pcm.js";
import { sharesTabs, sharingFailureOf } from "../../nbstream/front/tab.js";

const sine = (hz, rate_hz, n) => Float32Array.from({ length: n }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate_hz));
const rms = (samples) => Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
const db = (x) => 20 * Math.log10(x);

/** All of `samples` through a resampler, in the blocks of an audio worklet. */
function resampled(samples, from_hz, block = 128) {
  const resampler = new Resampler(from_hz, 16000);
  const out = [];
  for (let i = 0; i < samples.length; i += block) out.push(...resampler.take(samples.slice(i, i + block)));
  return out;
}

for (const rate_hz of [48000, 44100, 32000, 96000]) {
  test(`speech passes from ${rate_hz} Hz, at its place and as loud`, () => {
    for (const hz of [100, 1000, 3400, 6900]) {
      const out = resampled(sine(hz, rate_hz, rate_hz), rate_hz).slice(1000, -1000);
      const wanted = sine(hz, 16000, 16000).slice(1000, 1000 + out.length);
      assert.ok(db(rms(out.map((x, i) => x - wanted[i])) / rms(wanted)) < -60, `${hz} Hz`);
    }
  });

  test(`what 16 kHz can't hold leaves no alias, from ${rate_hz} Hz`, () => {
    for (const hz of [8050, 9000, 12000, 15900].filter((f) => f < rate_hz / 2)) {
      const out = resampled(sine(hz, rate_hz, rate_hz), rate_hz).slice(1000, -1000);
      assert.ok(db(rms(out) / Math.SQRT1_2) < -70, `${hz} Hz: ${db(rms(out) / Math.SQRT1_2)} dB`);
    }
  });
}

test("blocks of any length give the same samples, as many as the rate says", () => {
  const samples = sine(440, 44100, 44100);
  const one = resampled(samples, 44100);
  assert.deepEqual(resampled(samples, 44100, 1000), one);
  assert.deepEqual(resampled(samples, 44100, 7), one);
  assert.ok(Math.abs(one.length - 16000) < 100); // some wait for what follows
});

test("samples become int16 exactly, and what is too loud stays at the edge", () => {
  const whole = Int16Array.from([0, 1, -1, 32767, -32768, 12345]);
  const chunks = [];
  const cutter = new Cutter(1, 4);
  cutter.take([Float32Array.from(whole, (x) => x / 32768)], (chunk) => chunks.push(...chunk));
  cutter.take([Float32Array.of(1.5, -1.5)], (chunk) => chunks.push(...chunk));
  cutter.flush((chunk) => chunks.push(...chunk));
  assert.deepEqual(chunks, [...whole, 32767, -32768]);
});

test("channels stand side by side; a device with one gives it to both", () => {
  const chunks = [];
  const cutter = new Cutter(2, 2);
  cutter.take([Float32Array.of(0.5, 0.25), Float32Array.of(-0.5, -0.25)], (chunk) => chunks.push([...chunk]));
  cutter.take([Float32Array.of(0.5, 0.25)], (chunk) => chunks.push([...chunk]));
  assert.deepEqual(chunks, [[16384, -16384, 8192, -8192], [16384, 16384, 8192, 8192]]);
});

test("the worklet's text runs by itself, and says when it has ended", () => {
  for (const rate_hz of [16000, 48000]) {
    let Tap;
    const posted = [];
    class AudioWorkletProcessor {
      port = { postMessage: (message) => posted.push(message) };
    }
    new Function("registerProcessor", "AudioWorkletProcessor", "sampleRate", tapModule())(
      (_, made) => { Tap = made; }, AudioWorkletProcessor, rate_hz);
    const tap = new Tap({ processorOptions: { nChannels: 1 } });
    assert.equal(tap.process([[]]), true);
    for (let i = 0; i < 100; i++) tap.process([[new Float32Array(128)]]);
    tap.port.onmessage();
    assert.equal(tap.process([[new Float32Array(128)]]), false);
    const frames = posted.filter(({ pcm }) => pcm).map(({ pcm }) => pcm.byteLength / 2);
    assert.equal(posted.at(-1).end, true);
    assert.equal(frames[0], 800);
    const total = frames.reduce((sum, n) => sum + n, 0);
    assert.ok(Math.abs(total - (12800 * 16000) / rate_hz) < 130, `${total} of ${rate_hz}`);
  }
});

test("a frame carries number, loss, time and sound", () => {
  const bytes = packed(7, 160, 1234.5, Int16Array.of(1, -2).buffer);
  const view = new DataView(bytes.buffer);
  assert.deepEqual([view.getUint32(0, true), view.getUint32(4, true), view.getFloat64(8, true)], [7, 160, 1234.5]);
  assert.deepEqual([view.getInt16(16, true), view.getInt16(18, true), bytes.length], [1, -2, 20]);
});

const seqs = (frames) => frames.map((bytes) => new DataView(bytes.buffer).getUint32(0, true));

function keeperOf(n, most = 100) {
  const keeper = new Keeper(most);
  for (let i = 0; i < n; i++) keeper.add(0, 0, new ArrayBuffer(2));
  return keeper;
}

test("chunks go once on a line, and stay until the kernel has them", () => {
  const keeper = keeperOf(5);
  assert.deepEqual(seqs(keeper.take(3)), [0, 1, 2]);
  assert.deepEqual(seqs(keeper.take(9)), [3, 4]);
  assert.deepEqual(keeper.take(9), []);
  keeper.acknowledge(2);
  assert.equal(keeper.fill, 0.03);
  keeper.add(0, 0, new ArrayBuffer(2));
  assert.deepEqual(seqs(keeper.take(9)), [5]);
});

test("a new line begins with what the kernel waits for", () => {
  const keeper = keeperOf(6);
  keeper.take(6);
  keeper.acknowledge(2);
  keeper.rewind(3);
  assert.deepEqual(seqs(keeper.take(9)), [3, 4, 5]);
});

test("where there is no room the oldest go, and the numbers show it", () => {
  const keeper = keeperOf(7, 4);
  assert.equal(keeper.fill, 1);
  assert.deepEqual(seqs(keeper.take(9)), [3, 4, 5, 6]);
  keeper.rewind(0);
  assert.deepEqual(seqs(keeper.take(2)), [3, 4]);
});

test("a chunk's time is that of the quickest: what was held up is no later", () => {
  const clock = new CaptureClock();
  for (let i = 1; i <= 50; i++) clock.heard(50, 1000 + i * 50 + 5 + (i % 7));
  const late = Array.from({ length: 20 }, (_, i) => clock.heard(50, 1000 + 70 * 50 + 8 + i / 10));
  assert.ok(late.every(({ lost_ms }) => lost_ms === 0));
  late.forEach(({ at_ms }, i) => assert.ok(Math.abs(at_ms - (1000 + (51 + i) * 50 + 5)) < 2));
});

test("a page that is held up for long loses nothing, whenever its clock was set", () => {
  const clock = new CaptureClock();
  for (let i = 1; i <= 50; i++) clock.heard(50, 1000 + i * 50);
  const now = { page_ms: 1000 + 150 * 50, wall_ms: 77_000_000 }; // 5 s later, and all at once
  const late = Array.from({ length: 100 }, (_, i) => clock.heard(50, onPageClock(now.wall_ms - (99 - i) * 50, now)));
  assert.ok(late.every(({ lost_ms }) => lost_ms === 0));
  late.forEach(({ at_ms }, i) => assert.equal(at_ms, 1000 + (51 + i) * 50));
  assert.equal(onPageClock(now.wall_ms + 60_000, now), now.page_ms); // set back meanwhile
});

test("sound that never came is counted, once, also in small pieces", () => {
  for (const pieces of [[3000], [60, 60, 60, 60]]) {
    const clock = new CaptureClock();
    for (let i = 1; i <= 50; i++) clock.heard(50, i * 50);
    let lost_ms = 0, delay = 0, i = 50;
    for (const piece of pieces) {
      delay += piece;
      for (const end = i + 100; i < end;) lost_ms += clock.heard(50, ++i * 50 + delay).lost_ms;
    }
    assert.ok(Math.abs(lost_ms - delay) < 10, `${lost_ms} of ${delay}`);
  }
});

test("a clock that drifts loses nothing, and is followed", () => {
  const clock = new CaptureClock();
  let said;
  for (let i = 1; i <= 40_000; i++) {
    said = clock.heard(50, i * 50 * 1.0002);
    assert.equal(said.lost_ms, 0);
  }
  assert.ok(Math.abs(said.at_ms - 40_000 * 50 * 1.0002) < 30);
});

test("what a browser refuses has a name that the kernel knows", () => {
  assert.equal(failureOf(new DOMException("", "NotAllowedError")), "refused");
  assert.equal(failureOf(new DOMException("", "NotFoundError")), "none");
  assert.equal(failureOf(new DOMException("", "OverconstrainedError")), "missing");
  assert.equal(failureOf(new DOMException("", "NotReadableError")), "unreadable");
  assert.equal(failureOf(new Error("what")), "unreadable");
  assert.equal(sharingFailureOf(new DOMException("", "NotAllowedError")), "cancelled");
  assert.equal(sharingFailureOf(new DOMException("", "NotReadableError")), "unopened");
});

test("of the states about the tab one stands at a time", () => {
  assert.deepEqual(ENDED_BY.tab, ["choosing", "cancelled", "soundless", "unopened", "unshared"]);
  assert.ok(ENDED_BY.unshared.includes("tab") && !ENDED_BY.unshared.includes("unshared"));
});

test("a browser that knows no sound of tabs is not asked for it", () => {
  globalThis.CaptureController = class {};
  const knows = (constraints) => ({ getDisplayMedia() {}, getSupportedConstraints: () => constraints });
  const sound = { suppressLocalAudioPlayback: true };
  assert.equal(sharesTabs(knows(sound), null), true);
  assert.equal(sharesTabs(knows({}), null), false); // Firefox, Safari: the picture only
  assert.equal(sharesTabs({ getSupportedConstraints: () => sound }, null), false); // on a telephone
  assert.equal(sharesTabs(undefined, null), false); // a page that is not secure
  assert.equal(sharesTabs(knows(sound), { allowsFeature: () => false }), false); // in a frame that may not
  delete globalThis.CaptureController;
  assert.equal(sharesTabs(knows(sound), null), false);
});

const inputs = [
  { kind: "audiooutput", deviceId: "o", label: "USB out" },
  { kind: "audioinput", deviceId: "default", label: "Default - Built-in" },
  { kind: "audioinput", deviceId: "a", label: "Built-in" },
  { kind: "audioinput", deviceId: "b", label: "USB Audio 2" },
  { kind: "audioinput", deviceId: "c", label: "USB Audio" },
  { kind: "audioinput", deviceId: "d", label: "USB Audio" },
  { kind: "audioinput", deviceId: "e", label: "" },
];

test("a device is found by its name, or a part of it", () => {
  assert.equal(deviceFor(inputs, "usb"), "b");
  assert.equal(deviceFor(inputs, "USB Audio"), "c");
  assert.equal(deviceFor(inputs, ""), "");
  assert.equal(deviceFor(inputs, "none"), null);
});

test("names are told once each, and none that says nothing", () => {
  assert.deepEqual(inputNames(inputs), ["Built-in", "USB Audio 2", "USB Audio"]);
  assert.deepEqual(inputNames([{ kind: "audioinput", deviceId: "", label: "" }]), []);
});

test("a Firefox is asked for sound as its device gives it", () => {
  class Plain {}
  class Firefox { createMediaStreamTrackSource() {} }
  assert.deepEqual([Plain, Firefox].map(stretchesSound), [false, true]);
});
