// feed.js: where a store gets its session from: the model of a widget, or a page that holds it.

import { Store } from "./store.js";

const ASK_AGAIN_MS = 5000; // the kernel may be busy; asking more often would not help
const MOST_TILES = 32; // asked for at once

/**
 * Feed `store` from the model of a `View`: everything at first, then what is new. Belongs where a
 * model begins (anywidget's `initialize`), so that all views of it share one store.
 * @param {Store} store @param {any} model @returns {() => void} the end of that
 */
export function attach(store, model) {
  const me = Math.random().toString(36).slice(2); // answers to others are not for us
  /** @type {Map<string, number>} what was asked for, and when */
  const asked = new Map();

  function isNew(/** @type {string} */ what) {
    const before_ms = asked.get(what) ?? -Infinity;
    if (performance.now() - before_ms < ASK_AGAIN_MS) return false;
    asked.set(what, performance.now());
    return true;
  }

  function ask(/** @type {Record<string, any>} */ { kind, tiles, keys }) {
    if (kind === "tiles") {
      const wanted = tiles.slice(0, MOST_TILES).filter((/** @type {any} */ t) => isNew(tileKey(t)));
      if (wanted.length) model.send({ kind, tiles: wanted });
    } else if (kind === "words") {
      const wanted = keys.filter((/** @type {string} */ key) => isNew(key));
      if (wanted.length) model.send({ kind, keys: wanted });
    } else if (isNew(kind)) {
      model.send({ kind, to: me, seq: store.seq });
    }
  }

  function load(/** @type {any} */ state) {
    asked.clear();
    store.load(state);
    applyNewest(); // it may have come between question and answer
  }

  function applyNewest() {
    store.apply(model.get("delta"));
  }

  function hear(/** @type {any} */ message, /** @type {DataView[]} */ buffers) {
    if (message.kind === "state" && (message.to ?? me) === me) {
      load({ ...message.state, sound: withColumns(message.state.sound, buffers) });
    } else if (message.kind === "tiles") {
      for (const tile of message.tiles) asked.delete(tileKey(tile));
      store.takeTiles(withColumns({ parts: message.tiles }, buffers).parts);
    } else if (message.kind === "words") {
      for (const key of Object.keys(message.words)) asked.delete(key);
      store.takeWords(message.words);
    }
  }

  store.ask = ask;
  load(model.get("state"));
  model.on("change:delta", applyNewest);
  model.on("msg:custom", hear);
  // A page that opens while it records may have missed what came before it listened.
  if (store.head.is_live) ask({ kind: "all" });
  return () => {
    store.ask = () => {};
    model.off("change:delta", applyNewest);
    model.off("msg:custom", hear);
  };
}

/**
 * The default export of a widget: a model has one store, however many views show it.
 * @param {(store: Store, el: HTMLElement) => (() => void)} mount
 */
export function widgetOf(mount) {
  return () => {
    const store = new Store();
    return {
      initialize: (/** @type {any} */ { model }) => attach(store, model),
      render: (/** @type {any} */ { el }) => mount(store, el),
    };
  };
}

/** A store of what a page holds, as `snapshot_json` makes it. @param {any} json */
export function fromPage(json) {
  const store = new Store();
  const parts = json.sound.parts.map((/** @type {any} */ part) => ({
    ...part, columns: Uint8Array.from(atob(part.columns), (char) => char.charCodeAt(0)),
  }));
  store.load({ ...json, sound: { ...json.sound, parts } });
  return store;
}

/** Put the buffers of a message into its parts, one each, in order. */
function withColumns(/** @type {any} */ sound, /** @type {DataView[]} */ buffers) {
  const parts = sound.parts.map((/** @type {any} */ part, /** @type {number} */ i) => ({
    ...part, columns: buffers[i],
  }));
  return { ...sound, parts };
}

function tileKey(/** @type {{level: number, first: number}} */ { level, first }) {
  return `${level}:${first}`;
}
