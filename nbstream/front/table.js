// table.js: the turns as a table: sorted, filtered, copied. Only the rows near what is seen are in
// the page, each as high as the others.

import { badge, classed, element, followEnd, guarded, keepKeys, mark, say } from "./elements.js";
import { arrange, cellText, COLUMNS, shownColumns, toCsv, toMarkdown, windowOf } from "./frame.js";
import { lookAt, speakerOf, turnAt } from "./words.js";

const ROW_PX = 27;
const REMEMBERED = "nbstream.table.columns";

/** What a column is sorted by after a click on it: upwards, downwards, then not. */
export function nextSort(/** @type {any} */ sort, /** @type {string} */ name) {
  if (sort?.name !== name) return { name, descending: false };
  return sort.descending ? null : { name, descending: true };
}

/** So many turns, in words. */
export function countText(/** @type {number} */ n, /** @type {number} */ n_all) {
  const all = `${n_all.toLocaleString("en")} ${n_all === 1 ? "turn" : "turns"}`;
  return n === n_all ? all : `${n.toLocaleString("en")} of ${all}`;
}

/** The code that gives the turns as a DataFrame. @param {{is_live: boolean, folder: string}} head */
export function frameCode({ is_live, folder }) {
  return is_live || !folder ? "rec.session.turns" : `nb.open(${JSON.stringify(folder)}).turns`;
}

/** Columns chosen in an earlier page; null for none, or where nothing may be kept. */
function remembered() {
  try {
    const chosen = JSON.parse(localStorage.getItem(REMEMBERED) ?? "null");
    return Array.isArray(chosen) ? chosen : null;
  } catch {
    return null;
  }
}

function remember(/** @type {string[]} */ chosen) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(chosen));
  } catch {
    // the choice holds for this page alone
  }
}

/** Put a text on the clipboard, in the old way where the page may not. @param {HTMLElement} near */
async function copy(/** @type {string} */ text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const field = /** @type {HTMLTextAreaElement} */ (element("textarea", "nbs-unseen"));
    field.value = text;
    near.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus({ preventScroll: true });
    return done;
  }
}

/**
 * The table of a store in `el`. @returns {() => void} the end of that
 * @param {import("./store.js").Store} store @param {HTMLElement} el
 * @param {{frame?: string}} options frame: the code that gives the same as a DataFrame,
 *   if it is another than where a session is recorded, or opened
 */
export function table(store, el, { frame = "" } = {}) {
  el.classList.add("nbs-part", "nbs-table");
  keepKeys(el);
  const bar = element("div", "nbs-bar");
  const field = /** @type {HTMLInputElement} */ (element("input", "nbs-filter", {
    type: "search", placeholder: "Filter by text or speaker", "aria-label": "Filter turns",
  }));
  const count = element("span", "nbs-count");
  const menu = element("details", "nbs-menu");
  const boxes = element("div", "nbs-boxes", { role: "group", "aria-label": "Columns" });
  menu.append(element("summary", "nbs-tool", {}, "Columns"), boxes);
  const csv = element("button", "nbs-tool", { type: "button" }, "Copy CSV");
  const markdown = element("button", "nbs-tool", { type: "button" }, "Copy Markdown");
  bar.append(field, count, menu, csv, markdown);
  const area = element("div", "nbs-scroll");
  const grid = element("table", "", { role: "grid", "aria-label": "Turns" });
  const widths = element("colgroup");
  const head = element("thead");
  const body = element("tbody");
  const [above, below] = [element("tr", "", { "aria-hidden": "true" }), element("tr", "", { "aria-hidden": "true" })];
  body.append(above, below);
  grid.append(widths, head, body);
  area.append(grid);
  const foot = element("div", "nbs-foot");
  const status = element("span", "nbs-said-of-it", { role: "status" });
  const code = element("span", "nbs-code", {}, "The same as a DataFrame: ");
  const line_of_code = code.appendChild(element("code", "", {}, frame || frameCode(store.head)));
  foot.append(code, status);
  el.append(bar, area, foot);

  let chosen = remembered();
  let columns = shownColumns(chosen, false);
  let sort = /** @type {{name: string, descending: boolean} | null} */ (null);
  let rows = /** @type {any[]} */ ([]); // turns as they are shown
  /** @type {Map<string, HTMLElement>} rows in the page */
  const drawn = new Map();
  let here = ""; // the turn that the keys go on from
  let current = ""; // the turn at the cursor
  let wake = 0;
  let session = ""; // whose turns they are
  const follow = followEnd(area, grid);

  function drawHead() {
    const withSpeakers = store.head.speakers.length > 0 || store.turns.some((turn) => speakerOf(turn));
    columns = shownColumns(chosen, withSpeakers, store.labels.length > 0);
    const shape = JSON.stringify([columns.map(({ name }) => name), sort, chosen !== null]);
    if (head.dataset.shape === shape) return;
    head.dataset.shape = shape;
    const focused = /** @type {HTMLElement} */ (document.activeElement)?.dataset?.sorts;
    el.classList.toggle("nbs-chosen", chosen !== null);
    el.classList.toggle("nbs-labelled", columns.some(({ name }) => name === "label"));
    widths.replaceChildren(...columns.map(({ width, room }) => {
      const one = element("col", room);
      if (width) one.style.width = width;
      return one;
    }));
    const row = element("tr", "", { "aria-rowindex": "1" });
    for (const { name, title, kind, room } of columns) {
      const is_sorted = sort?.name === name;
      const order = !is_sorted ? "none" : sort.descending ? "descending" : "ascending";
      const cell = element("th", `${kind} ${room}`, { scope: "col", "aria-sort": order });
      const button = element("button", "nbs-sort", { type: "button", "data-sorts": name, title: `Sort by ${title}` }, title);
      cell.append(button);
      row.append(cell);
    }
    head.replaceChildren(row);
    for (const line of drawn.values()) line.remove();
    drawn.clear();
    if (focused) sortButton(focused)?.focus();
    drawBoxes();
  }

  function sortButton(/** @type {string} */ name) {
    return /** @type {HTMLElement | null} */ (head.querySelector(`[data-sorts="${name}"]`));
  }

  function drawBoxes() {
    if (!boxes.childElementCount) {
      for (const { name, title } of COLUMNS) {
        const label = element("label");
        label.append(element("input", "", { type: "checkbox", value: name }), title);
        boxes.append(label);
      }
    }
    const shown = new Set(columns.map(({ name }) => name));
    for (const box of boxes.querySelectorAll("input")) box.checked = shown.has(box.value);
  }

  function draw() {
    drawHead();
    rows = arrange(store.listed, field.value, sort, rows);
    if (store.head.folder !== session) begin();
    say(count, countText(rows.length, store.turns.length));
    mark(grid, "aria-rowcount", String(rows.length + 1));
    drawRows();
  }

  /** Another session: one that goes on is read from its end, another from its beginning. */
  function begin() {
    session = store.head.folder;
    say(line_of_code, frame || frameCode(store.head));
    if (store.head.is_live && !sort) return follow.back();
    follow.leave();
    area.scrollTop = 0;
  }

  function drawRows() {
    if (!area.clientHeight && drawn.size) return; // folded away
    const { first, last } = windowOf(area.scrollTop, area.clientHeight, ROW_PX, rows.length);
    mark(above, "style", `height: ${first * ROW_PX}px`);
    mark(below, "style", `height: ${(rows.length - last) * ROW_PX}px`);
    const focused = drawn.get(here)?.contains(document.activeElement) ? here : "";
    const wanted = new Set();
    let place = above.nextElementSibling;
    for (let i = first; i < last; i++) {
      const turn = rows[i];
      wanted.add(turn.key);
      let line = drawn.get(turn.key);
      if (!line) drawn.set(turn.key, (line = makeRow(turn)));
      drawRow(line, turn, i);
      if (line === place) place = place.nextElementSibling;
      else body.insertBefore(line, place);
    }
    for (const [key, line] of drawn) {
      if (wanted.has(key)) continue;
      line.remove();
      drawn.delete(key);
    }
    const tab = wanted.has(here) ? here : rows[Math.min(Math.ceil(area.scrollTop / ROW_PX), last - 1)]?.key;
    for (const [key, line] of drawn) mark(line, "tabindex", key === tab ? "0" : "-1");
    if (!focused) return;
    // The row that had the focus was moved, or is out of sight: the keys go on from it.
    const target = drawn.get(focused) ?? area;
    if (target !== document.activeElement) target.focus({ preventScroll: true });
  }

  function makeRow(/** @type {any} */ turn) {
    const line = element("tr", "", { "data-key": turn.key });
    for (const { name, kind, room } of columns) {
      const cell = element("td", `${kind} ${room}`, { role: "gridcell" });
      if (name === "transcript") cell.dir = "auto";
      line.append(cell);
    }
    return line;
  }

  function drawRow(/** @type {HTMLElement} */ line, /** @type {any} */ turn, /** @type {number} */ i) {
    mark(line, "aria-rowindex", String(i + 2));
    mark(line, "aria-current", turn.key === current ? "true" : null);
    classed(line, "nbs-chosen-turn", turn.key === store.chosen);
    classed(line, "nbs-partial", !turn.is_final);
    for (const [at, column] of columns.entries()) {
      const cell = /** @type {HTMLElement} */ (line.children[at]);
      const text = cellText(column, turn);
      if (column.name === "speaker") drawSpeaker(cell, text);
      else say(cell, text);
      if (column.kind === "text") mark(cell, "title", text.length > 40 ? text.slice(0, 500) : null);
    }
  }

  function drawSpeaker(/** @type {HTMLElement} */ cell, /** @type {string} */ name) {
    if (!name) return say(cell, "");
    if (cell.childElementCount !== 2) cell.replaceChildren(element("span", "nbs-badge"), element("span"));
    const [letter, label] = /** @type {HTMLElement[]} */ ([...cell.children]);
    badge(name, store.head.speakers, letter);
    say(label, letter.textContent === name.toUpperCase() ? "" : name);
    mark(letter, "aria-hidden", label.textContent ? "true" : null); // said once
  }

  function go(/** @type {number} */ n) {
    const i = Math.min(Math.max(n, 0), rows.length - 1);
    if (i < 0) return;
    const room_px = area.clientHeight - head.offsetHeight;
    const top_px = i * ROW_PX;
    if (top_px < area.scrollTop) area.scrollTop = top_px;
    else if (top_px + ROW_PX > area.scrollTop + room_px) area.scrollTop = top_px + ROW_PX - room_px;
    here = rows[i].key;
    drawRows();
    drawn.get(here)?.focus({ preventScroll: true });
  }

  function lookAtKey(/** @type {string} */ key) {
    const turn = store.byKey.get(key);
    if (turn) lookAt(store, turn);
  }

  const keyOfRow = (/** @type {any} */ target) => target.closest?.("tbody tr")?.dataset.key ?? "";
  const page = () => Math.max(1, Math.floor(area.clientHeight / ROW_PX) - 2);
  /** @type {Record<string, (n: number) => void>} */
  const keys = {
    ArrowUp: (n) => go(n - 1),
    ArrowDown: (n) => go(n + 1),
    PageUp: (n) => go(n - page()),
    PageDown: (n) => go(n + page()),
    Home: () => go(0),
    End: () => go(rows.length - 1),
    Enter: () => lookAtKey(here),
  };
  area.addEventListener("keydown", (event) => {
    const on_row = keyOfRow(event.target) || event.target === area;
    if (!on_row || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key](rows.findIndex((turn) => turn.key === here));
  });
  area.addEventListener("focusin", ({ target }) => {
    here = keyOfRow(target) || here;
  });
  area.addEventListener("click", ({ target }) => {
    const name = /** @type {HTMLElement} */ (target).dataset.sorts;
    if (name) {
      sort = nextSort(sort, name);
      area.scrollTop = 0;
      if (sort) follow.leave();
      safely();
      return;
    }
    if (document.getSelection()?.toString()) return; // a text that is being selected
    here = keyOfRow(target) || here;
    lookAtKey(keyOfRow(target));
    drawn.get(keyOfRow(target))?.focus({ preventScroll: true });
  });
  area.tabIndex = -1;
  area.addEventListener("scroll", () => {
    wake ||= requestAnimationFrame(() => {
      wake = 0;
      safelyRows();
    });
  });
  field.addEventListener("input", () => {
    safely();
    say(status, field.value ? countText(rows.length, store.turns.length) : "");
  });
  boxes.addEventListener("change", () => {
    const ticked = [...boxes.querySelectorAll("input")].filter((box) => box.checked);
    if (ticked.length) remember((chosen = ticked.map((box) => box.value)));
    head.dataset.shape = "";
    safely();
  });
  menu.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    menu.removeAttribute("open");
    /** @type {HTMLElement} */ (menu.firstElementChild).focus();
  });
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !menu.contains(/** @type {Node} */ (relatedTarget))) menu.removeAttribute("open");
  });
  async function copyAs(/** @type {(rows: any[], columns: any[]) => string} */ write) {
    const copied = [...rows];
    const done = await copy(write(copied, columns), el);
    const n = `${copied.length.toLocaleString("en")} ${copied.length === 1 ? "row" : "rows"}`;
    say(status, done ? `${n} copied` : "Not copied: the page may not write to the clipboard. Use the code on the left.");
  }
  csv.addEventListener("click", () => copyAs(toCsv));
  markdown.addEventListener("click", () => copyAs(toMarkdown));

  const safely = guarded(el, "The table", draw);
  const safelyRows = guarded(el, "The table", drawRows);
  const resized = new ResizeObserver(safelyRows);
  resized.observe(area);
  const off = store.on((changed) => {
    if (changed.has("cursor")) current = store.turns[turnAt(store.turns, store.cursor_s)]?.key ?? "";
    if (changed.has("turns") || changed.has("head")) safely();
    else if (changed.has("cursor") || changed.has("chosen")) safelyRows();
  });
  safely();
  return () => {
    off();
    cancelAnimationFrame(wake);
    resized.disconnect();
    follow.stop();
    el.replaceChildren();
  };
}
