// routes.js: ways from the page to the kernel, tried in order, and the line that is open.

export const OPEN_MS = 4000;
const BATCH_MS = 200; // Each message to a kernel makes its busy light flicker.
const REFUSED_CODE = 4003;
const MOST_BUFFERED_BYTES = 256 * 1024; // more waits in the keeper, where it can't be lost

let nextLine = 0;

/**
 * Ways to the kernel in the order in which they are tried.
 * @param {{hostname: string, protocol: string, host: string}} place of the page
 * @param {string | null} base Jupyter's base URL, if it can be known @param {number} port
 * @param {boolean} hasControl whether the kernel can be told things on its control channel
 * @returns {{name: string, url: string}[]} the last ones, which Jupyter carries, have no URL
 */
export function routesTo(place, base, port, hasControl) {
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(place.hostname);
  const scheme = place.protocol === "https:" ? "wss" : "ws";
  const routes = [];
  if (isHere) routes.push({ name: "direct", url: `ws://127.0.0.1:${port}/` });
  if (base !== null) {
    const path = base.endsWith("/") ? base : `${base}/`;
    routes.push({ name: "proxy", url: `${scheme}://${place.host}${path}proxy/${port}/` });
  }
  if (hasControl) routes.push({ name: "control", url: "" });
  return [...routes, { name: "comm", url: "" }];
}

/**
 * Why the other ways are not tried. @param {{hostname: string}} place @param {string | null} base
 * @param {boolean} hasControl @returns {{route: string, why: string}[]}
 */
export function notTried(place, base, hasControl) {
  const has = routesTo(/** @type {any} */ ({ protocol: "", host: "", ...place }), base, 0, hasControl).map(({ name }) => name);
  const why = {
    direct: `the page is at ${place.hostname}, which is not the kernel's own machine by its name`,
    proxy: "the page does not say where Jupyter's server is",
    control: "the kernel has no control channel, or the page can't use it",
  };
  return Object.entries(why).filter(([route]) => !has.includes(route)).map(([route, text]) => ({ route, why: text }));
}

/** Jupyter's base URL, from the page's own settings; null where there are none. */
export function jupyterBase() {
  const settings = document.getElementById("jupyter-config-data")?.textContent;
  try {
    return settings ? new URL(JSON.parse(settings).baseUrl, location.href).pathname : null;
  } catch {
    return null;
  }
}

/**
 * A line by WebSocket. `hear` gets each text; the line is open once the kernel has said go.
 * @param {string} url @param {object} hello @param {(message: any) => void} hear
 * @param {(isRefused: boolean, why: string) => void} closed once, also if it never was open
 */
export function socketLine(url, hello, hear, closed) {
  let isOver = false;
  const end = (/** @type {boolean} */ isRefused, /** @type {string} */ why) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(patience);
    socket.close();
    closed(isRefused, why);
  };
  const patience = setTimeout(() => end(false, "no answer"), OPEN_MS);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(JSON.stringify({ ...hello, sent: performance.now() }));
  socket.onclose = (event) => end(event.code === REFUSED_CODE, event.reason);
  socket.onmessage = (event) => {
    if (isOver) return;
    clearTimeout(patience);
    hear(JSON.parse(event.data));
  };
  return {
    say: (/** @type {object} */ message) => { if (socket.readyState === 1) socket.send(JSON.stringify(message)); },
    frames: (/** @type {Uint8Array[]} */ frames) => frames.forEach((frame) => socket.send(frame)),
    room: () => (socket.readyState === 1 && socket.bufferedAmount < MOST_BUFFERED_BYTES ? 40 : 0),
    close: () => { isOver = true; clearTimeout(patience); socket.close(); },
  };
}

/**
 * The same through the notebook: by the widget, or the kernel's control channel.
 * @param {(content: object, buffers?: ArrayBuffer[]) => void} send @param {any} model hears answers
 * @param {string} page @param {object} hello @param {(message: any) => void} hear
 * @param {(isRefused: boolean, why: string) => void} closed @param {number} patience_ms for an answer
 */
export function notebookLine(send, model, page, hello, hear, closed, patience_ms) {
  const line = nextLine++; // The kernel may answer a hello that was given up long ago.
  let isOver = false;
  let waiting = 0; // frames that the kernel has not said to have
  /** @type {ArrayBuffer[]} */ let held = [];
  /** @type {any} */ let later = null;
  const stop = () => {
    isOver = true;
    clearTimeout(patience);
    clearTimeout(later);
    model.off("msg:custom", take);
  };
  const take = (/** @type {any} */ message) => {
    if (message.to !== page || message.line !== line || isOver) return;
    clearTimeout(patience);
    if (message.kind === "closed") {
      stop();
      closed(message.code === REFUSED_CODE, message.reason);
    } else if (message.kind === "line") {
      const said = JSON.parse(message.text);
      if (said.kind === "have" || said.kind === "go") waiting = 0;
      hear(said);
    }
  };
  const flush = () => {
    clearTimeout(later);
    later = null;
    if (held.length) send({ kind: "line", page, line }, held);
    held = [];
  };
  const text = (/** @type {object} */ message) => {
    if (isOver) return;
    flush(); // what was heard before comes before
    send({ kind: "line", page, line, text: JSON.stringify(message) });
  };
  const patience = setTimeout(() => { stop(); closed(false, "no answer"); }, patience_ms);
  model.on("msg:custom", take);
  text({ ...hello, sent: performance.now() });
  return {
    say: text,
    frames: (/** @type {Uint8Array[]} */ frames) => {
      waiting += frames.length;
      held.push(...frames.map((frame) => /** @type {ArrayBuffer} */ (frame.buffer)));
      later ??= setTimeout(flush, BATCH_MS);
    },
    room: () => Math.max(0, 100 - waiting),
    close: stop,
  };
}
