import assert from "node:assert/strict";
import { test } from "node:test";

import { SPEAKER_COLOURS, speakerColour, speakerLetter } from "../../nbstream/front/palette.js";

/** Contrast of WCAG 2. */
function contrast(a, b) {
  const luminance = (hex) => {
    const [r, g, b] = [1, 3, 5].map((i) => {
      const part = parseInt(hex.slice(i, i + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

test("a letter on a speaker's colour is readable, and the colour stands out in both themes", () => {
  for (const colour of SPEAKER_COLOURS) {
    assert.ok(contrast(colour, "#ffffff") >= 4.5, colour);
    assert.ok(contrast(colour, "#111111") >= 3, colour);
  }
});

test("the ninth speaker has the colour of the first, an unknown one is grey", () => {
  assert.equal(speakerColour(0), speakerColour(SPEAKER_COLOURS.length));
  assert.equal("#6b6b6b", speakerColour(-1));
});

test("labels of the service are their own letter", () => {
  assert.equal("B", speakerLetter("B", ["A", "B"]));
});

test("names are shortened until they differ, all in the same way", () => {
  assert.equal("B", speakerLetter("Ben", ["Anna", "Ben"]));
  assert.equal("2", speakerLetter("speaker 2", ["speaker 1", "speaker 2"]));
  assert.equal("AC", speakerLetter("Anna Cox", ["Anna Berg", "Anna Cox"]));
  assert.equal("AD", speakerLetter("Adam", ["Anna", "Adam"]));
  assert.equal("2", speakerLetter("Annika", ["Anna", "Annika"]));
});

test("a name may be in any script, and a speaker not in the list yet", () => {
  assert.equal("Ж", speakerLetter("жанна", ["Anna"]));
  assert.equal("😀", speakerLetter("😀", []));
  assert.equal("1", speakerLetter("", []));
});
