// devices.js: from a wish (device, channels) to chunks of sound, and what is wrong with the device.

import { Beside } from "./beside.js";
import { deviceFor, inputNames } from "./inputs.js";
import { onPageClock, pageNow } from "./keeping.js";
import { Cutter, PCM_CHUNK_FRAMES, PCM_RATE_HZ, TAP_NAME, tapModule } from "./pcm.js";
import { readsTracks, readTrack } from "./reading.js";
import { mayShareTabs, openTab } from "./tab.js";

/** What a state of the page puts an end to; the kernel has the same table. */
const TAB_STATES = ["choosing", "cancelled", "soundless", "unopened", "unshared", "tab"];
export const ENDED_BY = /** @type {Record<string, string[]>} */ ({
  recording: ["asking", "held"],
  visible: ["hidden"],
  heard: ["muted"],
  ...Object.fromEntries(TAB_STATES.map((one) => [one, TAB_STATES.filter((other) => other !== one)])),
});

const NOT_THERE = "NotThereError"; // ours: the browser has others

/** What refused the microphone -> state, as the kernel knows them. @param {any} error */
export function failureOf(error) {
  const name = error?.name ?? "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError") return "none";
  if (name === NOT_THERE || name === "OverconstrainedError") return "missing"; // just now
  return "unreadable";
}

/**
 * Open the sound that is wished for: a microphone, and with `tab` another tab's beside it.
 * @param {{device: string, n_channels: number, worklet: boolean, tab: boolean, begun: boolean}} wish
 *   `begun` if there is a recording already, which then does not wait for the tab
 * @param {{told: (state: string, more?: object) => void, heard: (pcm: ArrayBuffer, captured_ms: number) => void, ended: () => void,
 *   allowed: () => void, ask: (why: string, press: () => void) => void, withdraw: () => void}} listener
 *   told how it stands, each chunk with when it was captured, when no more comes and when a microphone was allowed; asks the person
 * @returns {{end: () => void, close: () => void}} ask for the end, which is told; or drop it all
 */
export function openSound(wish, listener) {
  const { told } = listener;
  const { n_channels } = wish;
  /** @type {(() => void)[]} */ const undo = [];
  /** @type {(() => void) | null} */ let askEnd = null;
  let isClosed = false;
  const close = () => {
    isClosed = true;
    undo.splice(0).forEach((one) => one());
  };
  const end = () => (askEnd ?? ended)();
  const ended = () => {
    close();
    listener.ended();
  };

  function watch(/** @type {MediaStreamTrack} */ track) {
    track.onended = () => { told("ended"); end(); };
    track.onmute = () => told("muted");
    track.onunmute = () => told("heard");
    if (track.muted) told("muted"); // No event says what was so before.
    const look = () => told(document.hidden ? "hidden" : "visible");
    document.addEventListener("visibilitychange", look);
    if (document.hidden) look();
    undo.push(() => document.removeEventListener("visibilitychange", look));
  }

  function read(/** @type {MediaStreamTrack} */ track, /** @type {ReturnType<typeof openTab> | null} */ tab) {
    const cutter = new Cutter(n_channels, PCM_CHUNK_FRAMES);
    let last_ms = 0;
    const cut = (/** @type {Float32Array[]} */ channels, /** @type {number} */ end_ms) => {
      last_ms = performance.timeOrigin + end_ms;
      cutter.take(channels, (chunk, left) => listener.heard(chunk.buffer, last_ms - (left / PCM_RATE_HZ) * 1000));
      return ((PCM_CHUNK_FRAMES - cutter.filled) / PCM_RATE_HZ) * 1000;
    };
    const beside = tab && new Beside(cut);
    const reading = readTrack(track, tab ? 1 : n_channels, {
      heard: beside ? ([samples], end_ms) => (beside.lead(samples, end_ms, performance.now()), 0) : cut,
      ended: () => {
        if (track.readyState === "ended") told("ended"); // before its end is
        beside?.leave();
        cutter.flush((chunk) => listener.heard(chunk.buffer, last_ms));
        ended();
      },
    });
    undo.push(reading.close);
    askEnd = reading.end;
    if (beside) tab?.into(beside);
    told("recording", { device: track.label, rate_hz: track.getSettings().sampleRate ?? null, latency_ms: null });
  }

  async function render(/** @type {MediaStream} */ stream, /** @type {MediaStreamTrack} */ track) {
    const { context, source } = await contextFor(stream);
    undo.push(() => context.close());
    const node = await tapNode(context, n_channels);
    if (isClosed) return context.close();
    node.port.onmessage = ({ data }) => {
      if (data.end) return ended();
      listener.heard(data.pcm, onPageClock(data.wall_ms, { page_ms: pageNow(), wall_ms: Date.now() }));
    };
    askEnd = () => node.port.postMessage("end");
    const wake = () => context.resume();
    addEventListener("pointerdown", wake);
    undo.push(() => removeEventListener("pointerdown", wake));
    const { latency } = /** @type {any} */ (track.getSettings()); // s; "until the data is available", Media Capture and Streams
    const about = () => ({ device: track.label, rate_hz: context.sampleRate, latency_ms: latency === undefined ? null : latency * 1000 });
    const running = () => { if (context.state === "running") told("recording", about()); };
    context.onstatechange = () => {
      if (context.state === "suspended" || context.state === /** @type {any} */ ("interrupted")) told("held");
      else running();
    };
    source.connect(node);
    if (context.state === "suspended") {
      told("held");
      context.resume();
    }
    running();
  }

  async function open() {
    try {
      if (!navigator.mediaDevices?.getUserMedia) return told("insecure", { detail: location.origin });
      if (wish.tab && !mayShareTabs()) return told("tabless");
      const tab = wish.tab ? openTab(told, listener) : null;
      if (tab) undo.push(tab.close);
      if (!wish.begun) await tab?.ready;
      if (isClosed) return;
      told("asking");
      const stream = await microphone(wish);
      const stop = () => stream.getTracks().forEach((track) => track.stop());
      if (isClosed) return stop();
      undo.push(stop);
      listener.allowed();
      const [track] = stream.getAudioTracks();
      const wanted = tab ? 1 : n_channels;
      const has = track.getSettings().channelCount ?? wanted;
      if (has < wanted) return told("channels", { detail: `${track.label} has ${has}` });
      watch(track);
      if (!wish.worklet && readsTracks(track)) read(track, tab);
      else await render(stream, track);
    } catch (error) {
      const state = failureOf(error);
      const detail = state === "none" ? "" : error.name === NOT_THERE ? error.message : `${error}`;
      told(state, { detail });
      undo.splice(0).forEach((one) => one());
    }
  }

  open();
  return { end, close };
}

async function microphone(/** @type {{device: string, n_channels: number, tab: boolean}} */ { device, n_channels, tab }) {
  const media = navigator.mediaDevices;
  const channelCount = tab ? 1 : n_channels;
  const plain = { channelCount, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  if (!device) return media.getUserMedia({ audio: plain });
  let inputs = await media.enumerateDevices();
  if (!inputNames(inputs).length) { // names are known once one was allowed
    const any = await media.getUserMedia({ audio: plain });
    inputs = await media.enumerateDevices();
    any.getTracks().forEach((track) => track.stop());
  }
  const deviceId = deviceFor(inputs, device);
  if (!deviceId) {
    const names = inputNames(inputs).join(", ");
    throw new DOMException(`“${device}” is not among ${names || "its inputs"}`, NOT_THERE);
  }
  return media.getUserMedia({ audio: { ...plain, deviceId: { exact: deviceId } } });
}

const BATCH_S = 0.02; // twice what browsers take by themselves: half as often, and less is dropped under load

/**
 * Whether a context with a rate of its own has a clock of its own, too: Firefox, which refused it once,
 * now stretches sound by up to 5 ms, this way and that, to keep such a clock and the device's together.
 */
export function stretchesSound(/** @type {any} */ contexts = globalThis.AudioContext) {
  return "createMediaStreamTrackSource" in contexts.prototype; // which is Firefox's alone
}

async function contextFor(/** @type {MediaStream} */ stream) {
  let context;
  try {
    if (stretchesSound()) throw new Error("as the device likes it");
    context = new AudioContext({ sampleRate: PCM_RATE_HZ, latencyHint: BATCH_S });
    return { context, source: context.createMediaStreamSource(stream) };
  } catch { // Older Firefoxes refuse it.
    await context?.close();
    context = new AudioContext({ latencyHint: BATCH_S });
    return { context, source: context.createMediaStreamSource(stream) };
  }
}

async function tapNode(/** @type {AudioContext} */ context, /** @type {number} */ nChannels) {
  const url = URL.createObjectURL(new Blob([tapModule()], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  URL.revokeObjectURL(url);
  return new AudioWorkletNode(context, TAP_NAME, {
    numberOfInputs: 1, numberOfOutputs: 0, channelCount: nChannels, channelCountMode: "explicit",
    channelInterpretation: nChannels > 1 ? "discrete" : "speakers",
    processorOptions: { nChannels },
  });
}
