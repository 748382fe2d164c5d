// turns.js: the transcript, and the table of turns under it. Rows come down in two traits:
// `finals` (many, rarely changing) and `partials` (what is being said now).

const COLUMNS = [
  ["turn", "Turn", "number"],
  ["start_s", "Start (s)", "number"],
  ["end_s", "End (s)", "number less"],
  ["text", "Text", "text"],
  ["words", "Words", "number extra"],
  ["confidence", "Confidence", "number extra"],
  ["arrived_s", "Arrived (s)", "number extra"],
];
const NEAR_PX = 24; // so close to the end counts as being there

/** What identifies a turn. @param {{connection: number, turn: number}} row */
export function keyOf(row) {
  return `${row.connection}.${row.turn}`;
}

/** Final turns, then those open turns that have no final yet. */
export function merge(finals, partials) {
  const known = new Set(finals.map(keyOf));
  const open = partials.filter((row) => !known.has(keyOf(row)));
  return [
    ...finals.map((row) => ({ ...row, is_final: true })),
    ...open.map((row) => ({ ...row, is_final: false })),
  ];
}

/** Text of a cell. @param {string} column @param {any} row @param {boolean} several connections */
export function cellText(column, row, several) {
  const value = row[column];
  if (column === "turn") return several ? `${row.connection}/${value}` : String(value);
  if (column === "text") return row.speaker ? `${row.speaker}: ${value}` : value;
  if (value === null || value === undefined) return "";
  return column === "words" ? String(value) : value.toFixed(2);
}

/** Whether the reader is at the end, and so wants to stay there. */
export function isAtEnd({ scrollTop, clientHeight, scrollHeight }) {
  return scrollHeight - clientHeight - scrollTop <= NEAR_PX;
}

/** Seconds as m:ss; nothing for null. @param {number | null} s */
export function clock(s) {
  if (s === null) return "";
  return `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
}

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** A place that scrolls, can be reached by keyboard and has a name. */
function scroller(className, name) {
  const element = make("div", className);
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", name);
  return element;
}

/**
 * Keep `area` at its end while its content grows or is laid out anew, until the reader scrolls up.
 * @returns {() => void} the end of that
 */
function follow(area, content) {
  let follows = true;
  let laid_out = "";
  const layout = () => `${area.clientWidth} ${area.clientHeight} ${area.scrollHeight}`;
  area.addEventListener("scroll", () => {
    // A new layout scrolls too; only a reader scrolls while it stays.
    if (layout() === laid_out) follows = isAtEnd(area);
  });
  const resized = new ResizeObserver(() => {
    laid_out = layout();
    if (follows) area.scrollTop = area.scrollHeight;
  });
  resized.observe(area);
  resized.observe(content);
  return () => resized.disconnect();
}

/**
 * Keep the children of `parent` in step with `rows`: what did not change is not touched.
 * @param {(row: any, old: HTMLElement | undefined) => HTMLElement} draw makes or changes an element
 */
function reconcile(parent, rows, draw) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const row of rows) {
    const key = keyOf(row);
    const said = JSON.stringify(row);
    let element = old.get(key);
    old.delete(key);
    if (!element || element.dataset.said !== said) {
      element = draw(row, element);
      Object.assign(element.dataset, { key, said });
      element.classList.toggle("nbs-partial", !row.is_final);
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of old.values()) gone.remove();
}

function render({ model, el }) {
  el.classList.add("nbs-turns");
  const transcript = scroller("nbs-transcript", "Transcript");
  const placeholder = make("p", "nbs-placeholder", "What is said appears here.");
  const spoken = make("div");
  transcript.append(spoken, placeholder);
  const area = scroller("nbs-table", "Turns");
  const table = make("table");
  const head = make("tr");
  for (const [, title, kind] of COLUMNS) {
    const cell = make("th", kind, title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  table.append(make("thead"), body);
  table.tHead.append(head);
  area.append(table);
  const problem = make("div");
  problem.setAttribute("role", "alert");
  el.append(transcript, area, problem);
  const unfollow = [follow(transcript, spoken), follow(area, table)];

  function paragraph(row, old) {
    const element = old ?? make("p");
    element.replaceChildren(
      make("span", "nbs-at", clock(row.start_s)),
      make("span", "", cellText("text", row, false)),
    );
    return element;
  }

  function draw() {
    const rows = merge(model.get("finals"), model.get("partials"));
    const several = rows.some((row) => row.connection > 0);
    placeholder.hidden = rows.length > 0;
    reconcile(spoken, rows.filter((row) => row.text), paragraph);
    reconcile(body, rows, (row, old) => {
      const element = old ?? make("tr");
      element.replaceChildren(
        ...COLUMNS.map(([name, , kind]) => make("td", kind, cellText(name, row, several))),
      );
      return element;
    });
  }

  let frame = 0;
  function safely() {
    frame = 0;
    try {
      draw();
      problem.textContent = "";
    } catch (error) {
      problem.textContent = `The turns can't be drawn: ${error}. Display the recorder again.`;
    }
  }
  const soon = () => {
    frame ||= requestAnimationFrame(safely); // both traits change at once: drawn once
  };
  model.on("change:finals", soon);
  model.on("change:partials", soon);
  safely();
  return () => {
    cancelAnimationFrame(frame);
    for (const stop of unfollow) stop();
    model.off("change:finals", soon);
    model.off("change:partials", soon);
  };
}

export default { render };
