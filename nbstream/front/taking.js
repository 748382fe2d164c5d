// taking.js: one recording as this page takes part in it: sound in, numbered and kept, line out.

import { ENDED_BY, openSound } from "./devices.js";
import { lastingLine } from "./dial.js";
import { AWAY, CaptureClock, Keeper, pageNow } from "./keeping.js";
import { PCM_RATE_HZ } from "./pcm.js";

const PUMP_MS = 250; // for what waits; what is captured goes at once
const PING_MS = 2000;
const STORE_MS = 1000;

/** One recording, as this page takes part in it. */
export class Taking {
  /** @param {any} model @param {import("./shelf.js").Shelf} shelf @param {{port: number, secret: string}} offer @param {() => void} onOver @param {object} person see `openSound` */
  constructor(model, shelf, offer, onOver, person) {
    this.offer = offer;
    this.shelf = shelf;
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
    this.hasBegun = false; // a chunk of this page was captured
    this.timers = [
      setInterval(() => this.pump(), PUMP_MS), setInterval(() => this.ping(), PING_MS),
      setInterval(() => this.store(), STORE_MS),
    ];
    this.leave = () => { this.store(0); this.say({ kind: "bye" }); };
    addEventListener("pagehide", this.leave);
    this.line = lastingLine(model, shelf.page, offer, {
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
      for (const state of this.states.values()) this.say({ ...state, route, tried: this.line.tried });
      if (message.stop) this.end();
      this.pump();
    } else if (message.kind === "pong") this.answered(message);
    else if (message.kind === "have") this.keeper?.acknowledge(message.next);
    else if (message.kind === "stop") this.end();
    else if (message.kind === "over") this.finish();
  }

  begin(/** @type {any} */ wish) {
    this.keeper = new Keeper(wish.most);
    this.keeper.restore(this.shelf.takeUp(wish.recording), wish.next);
    if (this.shelf.isRefused) this.tell("forgetful");
    if (wish.stop) return; // It was stopped while this page was away: what it kept is all there is.
    this.sound = openSound(wish, {
      .../** @type {any} */ (this.person),
      told: (state, more) => this.tell(state, more),
      heard: (pcm, captured_ms) => this.take(pcm, wish.n_channels, captured_ms),
      ended: () => this.ended(),
    });
  }

  answered(/** @type {any} */ { sent, kernel_s }) {
    this.last = [performance.timeOrigin + sent, kernel_s, pageNow()];
  }

  store(/** @type {number | undefined} */ ripe_ms) {
    if (this.keeper) this.shelf.store(this.keeper.kept, pageNow(), ripe_ms);
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
    this.say({ ...message, route: this.route, tried: this.line.tried });
  }

  take(/** @type {ArrayBuffer} */ pcm, /** @type {number} */ nChannels, /** @type {number} */ captured_ms) {
    const length_ms = (pcm.byteLength / 2 / nChannels / PCM_RATE_HZ) * 1000;
    const { at_ms, lost_ms } = this.clock.heard(length_ms, captured_ms);
    this.keeper?.add(this.hasBegun ? Math.round((lost_ms * PCM_RATE_HZ) / 1000) : AWAY, at_ms, pcm);
    this.hasBegun = true;
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
    removeEventListener("pagehide", this.leave);
    this.shelf.clear();
    this.sound?.close();
    this.line.close();
    this.onOver();
  }
}
