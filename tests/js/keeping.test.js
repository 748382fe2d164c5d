import assert from "node:assert/strict";
import { test } from "node:test";

import { AWAY, Keeper } from "../../nbstream/front/keeping.js";
import { Shelf } from "../../nbstream/front/shelf.js";

const HOUR_MS = 3_600_000;
const view = (bytes) => new DataView(bytes.buffer);
const seqs = (chunks) => chunks.map(({ seq }) => seq);

/** A browser's storage, as one tab sees it; `rows` and `held` are shared by all tabs. */
function browser({ rows = new Map(), held = new Set(), notes = new Map() } = {}) {
  const writes = [];
  return {
    rows, held, notes, writes,
    parts: {
      notes: () => ({
        getItem: (key) => notes.get(key) ?? null,
        setItem: (key, value) => notes.set(key, value),
        removeItem: (key) => notes.delete(key),
      }),
      claim: async (name, over) => {
        if (held.has(name)) return false;
        held.add(name);
        over.then(() => held.delete(name));
        return true;
      },
      base: async () => ({
        put: (some) => { writes.push(seqs(some)); some.forEach((row) => rows.set(`${row.page}/${row.seq}`, row)); },
        drop: (page, below) => { for (const [key, row] of rows) if (row.page === page && row.seq < below) rows.delete(key); },
        all: async (page) => [...rows.values()].filter((row) => row.page === page).sort((a, b) => a.seq - b.seq),
        sweep: (before_ms) => { for (const [key, row] of rows) if (row.put_ms <= before_ms) rows.delete(key); },
      }),
    },
  };
}

/** A shelf that has come back, in this browser. */
async function shelfIn({ parts }) {
  const shelf = new Shelf("place", parts);
  await shelf.comeBack();
  return shelf;
}

/** A keeper with `n` chunks, each captured 50 ms after the other. */
function keeperOf(n, most = 100) {
  const keeper = new Keeper(most);
  for (let i = 0; i < n; i++) keeper.add(i ? 0 : AWAY, 50 * i, new ArrayBuffer(2));
  return keeper;
}

/** The same tab, loaded again: its notes and rows are there, and nobody holds its name. */
const reloaded = ({ rows, notes }) => browser({ rows, notes });

test("what the kernel has in time is never written", async () => {
  const here = browser();
  const shelf = await shelfIn(here);
  const keeper = keeperOf(10);
  shelf.takeUp("r");
  shelf.store(keeper.kept, 999);
  keeper.acknowledge(10);
  shelf.store(keeper.kept, 99_999);
  assert.deepEqual(here.writes, []);
});

test("what waits is written once, and goes when the kernel has it", async () => {
  const here = browser();
  const shelf = await shelfIn(here);
  const keeper = keeperOf(10);
  shelf.takeUp("r");
  shelf.store(keeper.kept, 1100);
  shelf.store(keeper.kept, 1250);
  assert.deepEqual(here.writes, [[0, 1, 2], [3, 4, 5]]);
  keeper.acknowledge(4);
  shelf.store(keeper.kept, 1250);
  assert.deepEqual(seqs([...here.rows.values()]), [4, 5]);
  keeper.acknowledge(10);
  shelf.store(keeper.kept, 1250);
  assert.equal(here.rows.size, 0);
});

test("the same tab finds all of it, and goes on where it was", async () => {
  const before = browser();
  const shelf = await shelfIn(before);
  const keeper = keeperOf(5);
  shelf.takeUp("r");
  shelf.store(keeper.kept, 200, 0);
  const again = await shelfIn(reloaded(before));
  assert.equal(again.page, shelf.page);
  const goesOn = new Keeper(100);
  goesOn.restore(again.takeUp("r"), 2);
  goesOn.add(AWAY, 9000, new ArrayBuffer(2));
  assert.deepEqual(seqs(goesOn.kept), [2, 3, 4, 5]);
  assert.deepEqual(goesOn.take(9).map((bytes) => view(bytes).getUint32(4, true)), [0, 0, 0, AWAY]);
  again.store(goesOn.kept, 9000);
  assert.deepEqual(seqs([...before.rows.values()]), [2, 3, 4]);
});

test("what could not be kept is missing by its numbers: the kernel's count goes on", () => {
  const keeper = new Keeper(100);
  keeper.restore([], 7);
  keeper.add(AWAY, 0, new ArrayBuffer(2));
  assert.deepEqual(seqs(keeper.kept), [7]);
});

test("a tab that was copied is another page", async () => {
  const first = browser();
  const shelf = await shelfIn(first);
  shelf.takeUp("r");
  shelf.store(keeperOf(3).kept, 200, 0);
  const copy = await shelfIn(browser({ rows: first.rows, held: first.held, notes: new Map(first.notes) }));
  assert.notEqual(copy.page, shelf.page);
  assert.deepEqual(copy.takeUp("r"), []);
  assert.equal(first.rows.size, 3);
});

test("another recording has nothing of it, and what was kept is gone", async () => {
  const before = browser();
  const shelf = await shelfIn(before);
  shelf.takeUp("r");
  shelf.store(keeperOf(3).kept, 200, 0);
  const again = await shelfIn(reloaded(before));
  assert.deepEqual(again.takeUp("other"), []);
  assert.equal(before.rows.size, 0);
  again.clear();
  assert.equal(before.notes.size, 0);
});

test("what nobody came back for goes after an hour", async () => {
  const here = browser();
  here.rows.set("p/0", { page: "p", seq: 0, put_ms: Date.now() - HOUR_MS - 1 });
  here.rows.set("q/0", { page: "q", seq: 0, put_ms: Date.now() - HOUR_MS / 2 });
  await shelfIn(here);
  assert.deepEqual([...here.rows.keys()], ["q/0"]);
});

test("a browser that keeps nothing costs nothing but that", async () => {
  const refuses = () => { throw new DOMException("no", "SecurityError"); };
  const here = browser();
  for (const parts of [{ base: async () => refuses() }, { notes: refuses }, { claim: async () => refuses() }]) {
    const shelf = await shelfIn({ parts: { ...here.parts, ...parts } });
    assert.equal(shelf.isRefused, true);
    assert.deepEqual(shelf.takeUp("r"), []);
    shelf.store(keeperOf(3).kept, 9000);
    shelf.clear();
    assert.ok(shelf.page);
  }
  const full = browser();
  const base = await full.parts.base();
  const shelf = await shelfIn({ parts: { ...full.parts, base: async () => ({ ...base, put: refuses }) } });
  shelf.takeUp("r");
  shelf.store(keeperOf(3).kept, 9000);
  assert.equal(shelf.isRefused, true);
});

test("port and secret are on no shelf", async () => {
  const here = browser();
  const shelf = await shelfIn(here);
  shelf.takeUp("r");
  shelf.store(keeperOf(1).kept, 9000);
  assert.deepEqual([...here.notes.values()], [JSON.stringify({ page: shelf.page, recording: "r" })]);
  assert.deepEqual(Object.keys([...here.rows.values()][0]).sort(), ["at_ms", "bytes", "page", "put_ms", "seq"]);
});

test("what was lost before a chunk that goes is lost before the next", () => {
  const lost = (keeper) => view(keeper.kept[0].bytes).getUint32(4, true);
  const keeper = new Keeper(2);
  for (const frames of [160, 40, 0]) keeper.add(frames, 0, new ArrayBuffer(2));
  assert.equal(lost(keeper), 200);
  assert.equal(lost(keeperOf(9, 4)), AWAY);
});
