// capture.js: the page's microphone, lent to the kernel while a recording wants it. Nothing to see:
// what goes on is told to the kernel, which shows it.

import { CaptureClock, Keeper } from "./keeping.js";
import { PCM_RATE_HZ, TAP_NAME, tapModule } from "./pcm.js";
import { commLine, jupyterBase, routesTo, socketLine } from "./routes.js";

const PUMP_MS = 50;
const PING_MS = 2000;
const AGAIN_MS = 500; // after a line broke
const ASK_MS = 2000; // while another page may still be there
const GIVE_UP_MS = 300_000;

/** What refused the microphone -> state, as the kernel knows them. @param {any} error */
export function failureOf(error) {
  const name = error?.name ?? "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return "unreadable";
}

/** The id of the input whose name has `part` in it; "" is the default, null if there is none. */
export function deviceFor(/** @type {{kind: string, deviceId: string, label: string}[]} */ devices, /** @type {string} */ part) {
  if (!part) return "";
  const inputs = devices.filter(({ kind }) => kind === "audioinput");
  const found = inputs.find(({ label }) => label.toLowerCase().includes(part.toLowerCase()));
  return found ? found.deviceId : null;
}

/** One recording, as this page takes part in it. */
class Taking {
  /** @param {any} model @param {string} page @param {{port: number, secret: string}} offer @param {() => void} onOver */
  constructor(model, page, offer, onOver) {
    this.model = model;
    this.page = page;
    this.offer = offer;
    this.onOver = onOver;
    this.clock = new CaptureClock();
    /** @type {Keeper | null} */ this.keeper = null; // once the kernel has said go
    /** @type {any} */ this.line = null;
    this.isOpen = false;
    this.route = "";
    this.lost = 0; // frames, not told yet
    /** @type {any[]} */ this.last = []; // of the last ping: sent, the kernel's time, back
    /** @type {Map<string, object>} */ this.states = new Map(); // told again on each new line
    /** @type {(() => void)[]} */ this.undo = [];
    this.isOver = false;
    this.isEnding = false;
    this.heard_ms = performance.now();
    this.timers = [setInterval(() => this.pump(), PUMP_MS), setInterval(() => this.ping(), PING_MS)];
    const bye = () => this.line?.say({ kind: "bye" });
    addEventListener("pagehide", bye);
    this.undo.push(() => removeEventListener("pagehide", bye));
    this.dial(routesTo(location, jupyterBase(), offer.port));
  }

  /** Try the routes one after the other, and begin again. @param {{name: string, url: string}[]} routes */
  dial(routes) {
    if (this.isOver) return;
    const [{ name, url }, ...others] = routes;
    const hello = { kind: "hello", secret: this.offer.secret, page: this.page };
    const hear = (/** @type {any} */ message) => this.hear(message, name);
    const closed = (/** @type {boolean} */ isRefused) => {
      const wasOpen = this.isOpen;
      this.isOpen = false;
      if (isRefused) this.finish();
      else if (performance.now() - this.heard_ms > GIVE_UP_MS) this.finish();
      else if (wasOpen || !others.length) setTimeout(() => this.dial(routesTo(location, jupyterBase(), this.offer.port)), AGAIN_MS);
      else this.dial(others);
    };
    this.line = url ? socketLine(url, hello, hear, closed) : commLine(this.model, this.page, hello, hear, closed);
  }

  hear(/** @type {any} */ message, /** @type {string} */ route) {
    this.heard_ms = performance.now();
    if (message.kind === "go") {
      this.isOpen = true;
      this.route = route;
      this.answered(message);
      this.ping(); // before the first sound: the kernel then knows when that was
      if (!this.keeper) {
        this.keeper = new Keeper(message.most);
        this.open(message);
      }
      this.keeper.rewind(message.next);
      for (const state of this.states.values()) this.line.say({ ...state, route });
      if (message.stop) this.end();
      this.pump();
    } else if (message.kind === "pong") this.answered(message);
    else if (message.kind === "have") this.keeper?.acknowledge(message.next);
    else if (message.kind === "stop") this.end();
    else if (message.kind === "over") this.finish();
  }

  answered(/** @type {any} */ { sent, kernel_s }) {
    this.last = [sent, kernel_s, performance.now()];
  }

  ping() {
    if (this.isOpen) this.line.say({ kind: "ping", sent: performance.now(), last: this.last, fill: this.keeper?.fill ?? 0 });
  }

  pump() {
    if (!this.isOpen || !this.keeper) return;
    const due = this.keeper.take(this.line.room());
    if (due.length) this.line.frames(due);
  }

  /** Say how it stands; what stands is said again on the next line. */
  tell(/** @type {string} */ state, /** @type {object} */ more = {}) {
    const message = { kind: "state", state, ...more };
    if (state === "visible") this.states.delete("hidden");
    else if (state === "heard") this.states.delete("muted");
    else this.states.set(state, message);
    if (state === "recording") for (const over of ["asking", "held"]) this.states.delete(over);
    if (this.isOpen) this.line.say({ ...message, route: this.route });
  }

  async open(/** @type {any} */ wish) {
    try {
      if (!navigator.mediaDevices?.getUserMedia) return this.tell("insecure", { detail: location.origin });
      this.tell("asking");
      const { stream, device } = await this.stream(wish);
      if (this.isOver) return stream.getTracks().forEach((track) => track.stop());
      this.undo.push(() => stream.getTracks().forEach((track) => track.stop()));
      await this.tap(stream, device, wish);
    } catch (error) {
      this.tell(failureOf(error), { detail: `${error}` });
    }
  }

  async stream(/** @type {any} */ { device, n_channels }) {
    const plain = { channelCount: n_channels, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    let stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    if (device) { // Names are known once one was allowed.
      const deviceId = deviceFor(await navigator.mediaDevices.enumerateDevices(), device);
      stream.getTracks().forEach((track) => track.stop());
      if (!deviceId) throw new DOMException(`no input is called ${device}`, "NotFoundError");
      stream = await navigator.mediaDevices.getUserMedia({ audio: { ...plain, deviceId: { exact: deviceId } } });
    }
    return { stream, device: stream.getAudioTracks()[0].label };
  }

  async tap(/** @type {MediaStream} */ stream, /** @type {string} */ device, /** @type {any} */ { n_channels, native }) {
    const [track] = stream.getAudioTracks();
    const has = track.getSettings().channelCount ?? n_channels;
    if (has < n_channels) return this.tell("channels", { detail: `${device} has ${has}` });
    let context, source;
    try {
      if (native) throw new Error("as the device likes it");
      context = new AudioContext({ sampleRate: PCM_RATE_HZ });
      source = context.createMediaStreamSource(stream);
    } catch { // Firefox: the context must have the rate of the device.
      await context?.close();
      context = new AudioContext();
      source = context.createMediaStreamSource(stream);
    }
    const made = context;
    this.undo.push(() => made.close());
    const url = URL.createObjectURL(new Blob([tapModule()], { type: "text/javascript" }));
    await made.audioWorklet.addModule(url);
    URL.revokeObjectURL(url);
    const tap = new AudioWorkletNode(made, TAP_NAME, {
      numberOfInputs: 1, numberOfOutputs: 0, channelCount: n_channels, channelCountMode: "explicit",
      channelInterpretation: n_channels > 1 ? "discrete" : "speakers",
      processorOptions: { nChannels: n_channels },
    });
    this.tapNode = tap;
    tap.port.onmessage = ({ data }) => (data.end ? this.ended() : this.take(data.pcm, n_channels));
    track.onended = () => { this.tell("ended"); this.end(); };
    track.onmute = () => this.tell("muted");
    track.onunmute = () => this.tell("heard");
    const look = () => this.tell(document.hidden ? "hidden" : "visible");
    document.addEventListener("visibilitychange", look);
    this.undo.push(() => document.removeEventListener("visibilitychange", look));
    const wake = () => made.resume();
    addEventListener("pointerdown", wake);
    this.undo.push(() => removeEventListener("pointerdown", wake));
    const running = () => { if (made.state === "running") this.tell("recording", { device, rate_hz: made.sampleRate }); };
    made.onstatechange = () => {
      if (made.state === "suspended" || made.state === /** @type {any} */ ("interrupted")) this.tell("held");
      else running();
    };
    source.connect(tap);
    if (made.state === "suspended") {
      this.tell("held");
      made.resume();
    }
    running();
  }

  take(/** @type {ArrayBuffer} */ pcm, /** @type {number} */ nChannels) {
    const length_ms = (pcm.byteLength / 2 / nChannels / PCM_RATE_HZ) * 1000;
    const { at_ms, lost_ms } = this.clock.heard(length_ms, performance.now());
    this.keeper?.add(Math.round((lost_ms * PCM_RATE_HZ) / 1000), at_ms, pcm);
    this.pump();
  }

  /** No more is to be captured; what was captured still goes. */
  end() {
    if (this.isEnding) { if (this.hasEnded) this.sayEnd(); return; }
    this.isEnding = true;
    if (this.tapNode) this.tapNode.port.postMessage("end");
    else this.ended();
  }

  ended() {
    this.hasEnded = true;
    this.undo.splice(0).forEach((undo) => undo());
    this.pump();
    this.sayEnd();
  }

  sayEnd() {
    if (this.isOpen) this.line.say({ kind: "end", next: this.keeper?.nextSeq ?? 0 });
  }

  /** The recording is over, or is another page's. */
  finish() {
    if (this.isOver) return;
    this.isOver = true;
    this.timers.forEach(clearInterval);
    this.undo.splice(0).forEach((undo) => undo());
    this.line?.close();
    this.onOver();
  }
}

/** Wait for recordings that want the microphone. @returns {() => void} the end of that */
function lendMicrophone(/** @type {any} */ { model }) {
  const page = crypto.randomUUID?.() ?? `${Math.random()}${Math.random()}`;
  /** @type {Taking | null} */ let taking = null;
  /** @type {any} */ let later;
  const ask = () => model.send({ kind: "ask", page, origin: location.origin });
  const hear = (/** @type {any} */ message) => {
    if ((message.to ?? page) !== page) return;
    if (message.kind === "offer" && taking?.offer.secret !== message.secret) {
      taking?.finish();
      taking = new Taking(model, page, message, () => { taking = null; });
    } else if (message.kind === "busy") {
      clearTimeout(later);
      later = setTimeout(ask, ASK_MS);
    } else if (message.kind === "over") {
      clearTimeout(later);
      taking?.finish();
    }
  };
  model.on("msg:custom", hear);
  ask();
  return () => {
    clearTimeout(later);
    taking?.finish();
    model.off("msg:custom", hear);
  };
}

export default { initialize: lendMicrophone, render: () => {} };
