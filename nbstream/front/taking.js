// taking.js: one recording as this page takes part in it: sound in, numbered and kept, line out.

import { ENDED_BY, openSound } from "./devices.js";
import { lastingLine } from "./dial.js";
import { CaptureClock, Keeper } from "./keeping.js";
import { PCM_RATE_HZ } from "./pcm.js";

const PUMP_MS = 50;
const PING_MS = 2000;

/** One recording, as this page takes part in it. */
export class Taking {
  /** @param {any} model @param {string} page @param {{port: number, secret: string}} offer @param {() => void} onOver @param {object} person see `openSound` */
  constructor(model, page, offer, onOver, person) {
    this.offer = offer;
    this.onOver = onOver;
    this.person = person;
    this.clock = new CaptureClock();
    /** @type {Keeper | null} */ this.keeper = null; // once the kernel has said go
    /** @type {ReturnType<typeof openSound> | null} */ this.sound = null;
    this.route = "";
    /** @type {any[]} */ this.last = []; // of the last ping: sent, the kernel's time, back
    /** @type {Map<string, object>} */ this.states = new Map(); // told again on each new line
    this.isOver = false;
    this.isEnding = false;
    this.hasEnded = false;
    this.timers = [setInterval(() => this.pump(), PUMP_MS), setInterval(() => this.ping(), PING_MS)];
    this.bye = () => this.say({ kind: "bye" });
    addEventListener("pagehide", this.bye);
    this.line = lastingLine(model, page, offer, {
      heard: (message, route) => this.hear(message, route), over: () => this.finish(),
    });
  }

  say(/** @type {object} */ message) {
    if (this.line.isOpen) this.line.say(message);
  }

  hear(/** @type {any} */ message, /** @type {string} */ route) {
    if (message.kind === "go") {
      this.route = route;
      this.answered(message);
      this.ping(); // before the first sound: the kernel then knows when that was
      if (!this.keeper) this.begin(message);
      this.keeper?.rewind(message.next);
      for (const state of this.states.values()) this.say({ ...state, route });
      if (message.stop) this.end();
      this.pump();
    } else if (message.kind === "pong") this.answered(message);
    else if (message.kind === "have") this.keeper?.acknowledge(message.next);
    else if (message.kind === "stop") this.end();
    else if (message.kind === "over") this.finish();
  }

  begin(/** @type {any} */ wish) {
    this.keeper = new Keeper(wish.most);
    this.sound = openSound(wish, {
      .../** @type {any} */ (this.person),
      told: (state, more) => this.tell(state, more),
      heard: (pcm) => this.take(pcm, wish.n_channels),
      ended: () => this.ended(),
    });
  }

  answered(/** @type {any} */ { sent, kernel_s }) {
    this.last = [sent, kernel_s, performance.now()];
  }

  ping() {
    this.say({ kind: "ping", sent: performance.now(), last: this.last, fill: this.keeper?.fill ?? 0 });
  }

  pump() {
    const due = this.keeper?.take(this.line.room()) ?? [];
    if (due.length) this.line.frames(due);
  }

  /** Say how it stands; what stands is said again on the next line. */
  tell(/** @type {string} */ state, /** @type {object} */ more = {}) {
    const message = { kind: "state", state, ...more };
    for (const over of ENDED_BY[state] ?? []) this.states.delete(over);
    if (state !== "visible" && state !== "heard") this.states.set(state, message);
    this.say({ ...message, route: this.route });
  }

  take(/** @type {ArrayBuffer} */ pcm, /** @type {number} */ nChannels) {
    const length_ms = (pcm.byteLength / 2 / nChannels / PCM_RATE_HZ) * 1000;
    const { at_ms, lost_ms } = this.clock.heard(length_ms, performance.now());
    this.keeper?.add(Math.round((lost_ms * PCM_RATE_HZ) / 1000), at_ms, pcm);
    this.pump();
  }

  /** No more is to be captured; what was captured still goes. */
  end() {
    if (this.hasEnded) this.sayEnd();
    if (this.isEnding) return;
    this.isEnding = true;
    if (this.sound) this.sound.end();
    else this.ended();
  }

  ended() {
    this.hasEnded = true;
    this.pump();
    this.sayEnd();
  }

  sayEnd() {
    this.say({ kind: "end", next: this.keeper?.nextSeq ?? 0 });
  }

  /** The recording is over, or is another page's. */
  finish() {
    if (this.isOver) return;
    this.isOver = true;
    this.timers.forEach(clearInterval);
    removeEventListener("pagehide", this.bye);
    this.sound?.close();
    this.line.close();
    this.onOver();
  }
}
