// dial.js: a line to the kernel that lasts: routes are tried in order, and again when it broke.

import { commLine, jupyterBase, routesTo, socketLine } from "./routes.js";

const AGAIN_MS = 500; // after a line broke
const GIVE_UP_MS = 300_000;

/**
 * Dial until it is closed or refused. `listener.heard` gets each message with the name of the route;
 * a line is open once the kernel has said go.
 * @param {any} model @param {string} page @param {{port: number, secret: string}} offer
 * @param {{heard: (message: any, route: string) => void, over: () => void}} listener
 */
export function lastingLine(model, page, offer, listener) {
  const hello = { kind: "hello", secret: offer.secret, page };
  const routes = () => routesTo(location, jupyterBase(), offer.port);
  /** @type {any} */ let line = null;
  let isOpen = false;
  let isOver = false;
  let heard_ms = performance.now();
  const dial = (/** @type {{name: string, url: string}[]} */ [{ name, url }, ...others]) => {
    if (isOver) return;
    const hear = (/** @type {any} */ message) => {
      heard_ms = performance.now();
      if (message.kind === "go") isOpen = true;
      listener.heard(message, name);
    };
    const closed = (/** @type {boolean} */ isRefused) => {
      const wasOpen = isOpen;
      isOpen = false;
      if (isRefused || performance.now() - heard_ms > GIVE_UP_MS) listener.over();
      else if (wasOpen || !others.length) setTimeout(() => dial(routes()), AGAIN_MS);
      else dial(others);
    };
    line = url ? socketLine(url, hello, hear, closed) : commLine(model, page, hello, hear, closed);
  };
  dial(routes());
  return {
    get isOpen() { return isOpen; },
    say: (/** @type {object} */ message) => line.say(message),
    frames: (/** @type {Uint8Array[]} */ frames) => line.frames(frames),
    room: () => (isOpen ? line.room() : 0),
    close: () => { isOver = true; isOpen = false; line.close(); },
  };
}
