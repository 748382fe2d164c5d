// palette.js: speakers by colour and by letter. The hues are Okabe and Ito's, brought to one
// lightness: white on each of them, and each of them on white, has a contrast of 4.5 or more, and
// on a dark page more than 3, so that one set serves both themes.

export const SPEAKER_COLOURS = [
  "#0072b2", // blue
  "#b85000", // vermilion
  "#007f5f", // green
  "#b04a86", // reddish purple
  "#7d6b00", // yellow, as dark as the others
  "#6f5bc4", // violet
  "#187e94", // sky
  "#6b6b6b", // grey
];

/** Colour of the speaker of that number in `head.speakers`; of an unknown one, -1, it is grey. */
export function speakerColour(/** @type {number} */ index) {
  const n = SPEAKER_COLOURS.length;
  return index < 0 ? SPEAKER_COLOURS[n - 1] : SPEAKER_COLOURS[index % n];
}

/** Ways to shorten a name, best first. @type {((name: string, index: number) => string)[]} */
const SHORTENED = [
  (name) => [...name][0] ?? "",
  (name) => /\d{1,2}$/.exec(name)?.[0] ?? "",
  (name) => name.split(/\s+/).slice(0, 2).map((part) => [...part][0] ?? "").join(""),
  (name) => [...name].slice(0, 2).join(""),
  (_, index) => String(index + 1),
];

/**
 * One or two characters that tell a speaker from the others, all shortened in the same way.
 * @param {string} name @param {string[]} speakers
 */
export function speakerLetter(name, speakers) {
  const names = speakers.includes(name) ? speakers : [...speakers, name];
  for (const shorten of SHORTENED) {
    const short = names.map((one, index) => shorten(one.trim(), index).toUpperCase());
    if (short.every(Boolean) && new Set(short).size === names.length) return short[names.indexOf(name)];
  }
  return "?"; // only if two have the same name
}
