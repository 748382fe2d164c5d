// outbox.js: messages to the kernel, numbered, and kept until it has them.

/** What is on its way. Each message arrives once and in order, however often a line breaks. */
export class Outbox {
  constructor() {
    this.next = 0; // the number of the next message
    /** @type {{n: number, message: object, at_ms: number, arrived: () => void}[]} */
    this.waiting = [];
  }

  /** The number of the first that may not have arrived. */
  get first() {
    return this.next - this.waiting.length;
  }

  /** For how long the oldest has been waiting. */
  waits_ms(/** @type {number} */ now_ms) {
    return this.waiting.length ? now_ms - this.waiting[0].at_ms : 0;
  }

  /** @param {object} content @param {number} now_ms @param {() => void} arrived @returns {object} what to send */
  add(content, now_ms, arrived) {
    const n = this.next++;
    const message = { kind: "message", n, ...content };
    this.waiting.push({ n, message, at_ms: now_ms, arrived });
    return message;
  }

  /** The kernel has all before `next`. */
  acknowledge(/** @type {number} */ next) {
    while (this.waiting.length && this.waiting[0].n < next) this.waiting.shift()?.arrived();
  }

  /** What has to be sent on a new line, in order. */
  again(/** @type {number} */ now_ms) {
    for (const kept of this.waiting) kept.at_ms = now_ms;
    return this.waiting.map(({ message }) => message);
  }
}
