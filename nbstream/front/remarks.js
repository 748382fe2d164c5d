// remarks.js: what people say about a session, sorted by what it is about. Pure.

/**
 * @typedef {{id: string, kind: string, value: string, key?: string, start_s?: number,
 *   end_s?: number, channel?: number | null}} Annotation about the turn `key`, else about a span
 * @typedef {{id: string, text: string}} Said
 * @typedef {{id: string, text: string, colour: string}} Label
 * @typedef {{labels: Label[], notes: Said[], corrected: Said | null, speaker: Said | null}} Remarks
 * @typedef {Remarks & {key: string, start_s: number, end_s: number, channel: number | null}}
 *   NotedSpan its key is that of no turn
 */

export const UNKNOWN_COLOUR = "#6b6b6b"; // of a label whose colour has not come

/** What is said about most turns. @type {Remarks} */
export const NOTHING_SAID = Object.freeze({ labels: [], notes: [], corrected: null, speaker: null });

/** Put an annotation where it belongs. @param {Remarks} to @param {Annotation} said */
function addTo(to, { id, kind, value }, /** @type {Map<string, string>} */ colours) {
  if (kind === "label") to.labels.push({ id, text: value, colour: colours.get(value) ?? UNKNOWN_COLOUR });
  else if (kind === "note") to.notes.push({ id, text: value });
  else if (kind === "transcript") to.corrected = { id, text: value };
  else if (kind === "speaker") to.speaker = { id, text: value };
}

/** @template {Remarks} T @param {Map<string, T>} groups @returns {Map<string, T>} */
function withLabelsInOrder(groups, /** @type {[string, string][]} */ labels) {
  const place = new Map(labels.map(([name], i) => [name, i]));
  const at = (/** @type {Label} */ { text }) => place.get(text) ?? labels.length;
  for (const one of groups.values()) one.labels.sort((a, b) => at(a) - at(b));
  return groups;
}

/**
 * What is said about turns, by their key; of corrections, the last holds.
 * @param {Annotation[]} annotations in the order they were made
 * @param {[string, string][]} labels name, colour @returns {Map<string, Remarks>}
 */
export function remarksOf(annotations, labels) {
  const colours = new Map(labels);
  /** @type {Map<string, Remarks>} */
  const found = new Map();
  for (const said of annotations) {
    if (!said.key) continue;
    let to = found.get(said.key);
    if (!to) found.set(said.key, (to = { labels: [], notes: [], corrected: null, speaker: null }));
    addTo(to, said, colours);
  }
  return withLabelsInOrder(found, labels);
}

/** What identifies a span. */
export function spanKey(/** @type {number} */ start_s, /** @type {number} */ end_s, /** @type {number | null} */ channel) {
  return `span ${start_s} ${end_s} ${channel ?? ""}`.trim();
}

/**
 * Spans that something is said about, in order of their start.
 * @param {Annotation[]} annotations @param {[string, string][]} labels @returns {NotedSpan[]}
 */
export function spansOf(annotations, labels) {
  const colours = new Map(labels);
  /** @type {Map<string, NotedSpan>} */
  const found = new Map();
  for (const said of annotations) {
    const { key: turn, start_s, end_s, channel = null } = said;
    if (turn || start_s === undefined || end_s === undefined) continue;
    const key = spanKey(start_s, end_s, channel);
    let to = found.get(key);
    if (!to) {
      to = { key, start_s, end_s, channel, labels: [], notes: [], corrected: null, speaker: null };
      found.set(key, to);
    }
    addTo(to, said, colours);
  }
  return [...withLabelsInOrder(found, labels).values()].sort((a, b) => a.start_s - b.start_s);
}

/** Ids of all that is said in one place. @param {Remarks} remarks */
export function idsOf({ labels, notes, corrected, speaker }) {
  return [...labels, ...notes, corrected, speaker].flatMap((one) => (one ? [one.id] : []));
}

/** Remarks in words, as they are read out; empty for none. @param {Remarks} remarks */
export function remarksText({ labels, notes, corrected }) {
  const parts = [];
  if (labels.length) parts.push(labels.map(({ text }) => text).join(", "));
  if (corrected) parts.push(`corrected: ${corrected.text || "nothing was said"}`);
  for (const { text } of notes) parts.push(`note: ${text}`);
  return parts.join("; ");
}
