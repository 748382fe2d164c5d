// shelf.js: what outlives a reload of the page, or its crash: which page this tab was, and chunks that
// the kernel does not have. Never port or secret: those are given anew.

const SHELF_NAME = "nbstream";
const SHELF_STORE = "kept";
const RIPE_MS = 1000; // a line that is well has brought a chunk by then, so that nothing is written
const STALE_MS = 3_600_000; // whose page never came back

/** @typedef {{page: string, seq: number, at_ms: number, bytes: Uint8Array, put_ms: number}} Row */
/**
 * @typedef {{put: (rows: Row[]) => void, drop: (page: string, below: number) => void,
 *   all: (page: string) => Promise<Row[]>, sweep: (before_ms: number) => void}} Base
 */

/** Rows in the browser's own database. @returns {Promise<Base>} rejected where it gives none */
export async function openBase() {
  const db = await new Promise((resolve, reject) => {
    const request = indexedDB.open(SHELF_NAME, 1);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(SHELF_STORE, { keyPath: ["page", "seq"] });
      store.createIndex("put_ms", "put_ms");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
  db.onversionchange = () => db.close();
  const write = (/** @type {(store: IDBObjectStore) => void} */ job) => {
    const change = db.transaction(SHELF_STORE, "readwrite", { durability: "relaxed" });
    job(change.objectStore(SHELF_STORE));
    change.commit(); // at once: the page may be about to go
  };
  const of = (/** @type {string} */ page, /** @type {number} */ below) => IDBKeyRange.bound([page, 0], [page, below], false, true);
  return {
    put: (rows) => write((store) => rows.forEach((row) => store.put(row))),
    drop: (page, below) => write((store) => store.delete(of(page, below))),
    all: (page) => new Promise((resolve, reject) => {
      const request = db.transaction(SHELF_STORE).objectStore(SHELF_STORE).getAll(of(page, Infinity));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    }),
    sweep: (before_ms) => {
      const store = db.transaction(SHELF_STORE, "readwrite").objectStore(SHELF_STORE);
      store.index("put_ms").openCursor(IDBKeyRange.upperBound(before_ms)).onsuccess = ({ target }) => {
        target.result?.delete();
        target.result?.continue();
      };
    },
  };
}

/** Hold `name` as long as this page lives. @returns {Promise<boolean>} false if another tab does */
export function claimed(/** @type {string} */ name, /** @type {Promise<void>} */ over) {
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && over;
    }).catch(reject);
  });
}

/** What one widget's page keeps over a reload. */
export class Shelf {
  /**
   * @param {string} place the widget's, the same after a reload
   * @param {{base?: () => Promise<Base>, notes?: () => Storage, claim?: typeof claimed}} from the browser, or a test
   */
  constructor(place, { base = openBase, notes = () => sessionStorage, claim = claimed } = {}) {
    this.key = `${SHELF_NAME}-${place}`;
    this.openBase = base;
    this.notes = notes;
    this.claim = claim;
    this.page = crypto.randomUUID?.() ?? `${Math.random()}${Math.random()}`;
    this.recording = ""; // which it has something of
    this.isRefused = false; // the browser keeps nothing for us
    /** @type {Base | null} */ this.base = null;
    /** @type {Row[]} */ this.found = [];
    this.first = this.next = 0; // numbers on the shelf: from, up to
    this.over = new Promise((resolve) => { this.release = () => resolve(undefined); });
  }

  /** Find out who this tab was; then `page` is settled. Never fails. */
  async comeBack() {
    try {
      this.base = await this.openBase();
      this.base.sweep(Date.now() - STALE_MS);
      const was = JSON.parse(this.notes().getItem(this.key) ?? "null");
      if (was && await this.claim(was.page, this.over)) { // A tab that was copied has its notes, too.
        this.found = await this.base.all(was.page);
        this.page = was.page;
        this.recording = was.recording;
      } else await this.claim(this.page, this.over);
    } catch {
      this.isRefused = true;
    }
  }

  /** This page records now: what is there of that recording. @param {string} recording */
  takeUp(recording) {
    const found = recording === this.recording ? this.found : [];
    this.found = [];
    if (recording !== this.recording) this.clear();
    this.recording = recording;
    [this.first, this.next] = found.length ? [found[0].seq, found[found.length - 1].seq + 1] : [0, 0];
    this.attempt(() => this.notes().setItem(this.key, JSON.stringify({ page: this.page, recording })));
    return found;
  }

  /**
   * Put what waits for long, drop what waits no more.
   * @param {{seq: number, at_ms: number, bytes: Uint8Array}[]} kept @param {number} now_ms
   * @param {number} ripe_ms 0 puts all
   */
  store(kept, now_ms, ripe_ms = RIPE_MS) {
    const below = kept.length ? kept[0].seq : Infinity;
    if (this.first < this.next && this.first < below) {
      this.attempt(() => this.base?.drop(this.page, below));
      this.first = Math.min(below, this.next);
    }
    const due = kept.filter(({ seq, at_ms }) => seq >= this.next && now_ms - at_ms >= ripe_ms);
    if (!due.length) return;
    const rows = due.map((chunk) => ({ ...chunk, page: this.page, put_ms: Date.now() }));
    this.attempt(() => this.base?.put(rows));
    if (this.first === this.next) this.first = due[0].seq;
    this.next = due[due.length - 1].seq + 1;
  }

  /** The recording is over, or goes on elsewhere. */
  clear() {
    this.attempt(() => this.base?.drop(this.page, Infinity));
    this.attempt(() => this.notes().removeItem(this.key));
    this.recording = "";
    this.first = this.next = 0;
  }

  attempt(/** @type {() => void} */ job) {
    try {
      if (!this.isRefused) job();
    } catch {
      this.isRefused = true; // A disk that is full, a window that keeps nothing.
    }
  }
}
