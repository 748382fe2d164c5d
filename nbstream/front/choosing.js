// choosing.js: a question to the person, and the button that answers it, wherever the page shows it.

import { element, keepKeys, say } from "./elements.js";

const WHAT_COMES = "The browser asks which tab; tick “Also share tab audio”. Only its sound is taken, no picture.";
/** What has happened before, by state. */
const BEFORE = /** @type {Record<string, string>} */ ({
  cancelled: "No tab was chosen. ",
  soundless: "The tab was shared without its sound. ",
  unopened: "The browser could not share the tab. ",
  unshared: "The tab is not shared any more: its channel is silent. ",
});

/** One question at a time. */
export class Question {
  constructor() {
    /** @type {Set<HTMLElement>} */ this.places = new Set();
    this.before = "";
    this.isAsked = false;
    this.press = () => {};
  }

  /** @param {string} why @param {() => void} press the answer, within the person's press */
  ask(why, press) {
    this.before = BEFORE[why] ?? "";
    this.isAsked = true;
    this.press = press;
    this.places.forEach((el) => this.draw(el));
  }

  withdraw() {
    this.isAsked = false;
    this.places.forEach((el) => this.draw(el));
  }

  /** Be shown in `el`, which has no room of its own while there is nothing to ask. */
  show(/** @type {HTMLElement} */ el) {
    el.classList.add("nbs-choosing", "nbs-part");
    keepKeys(el);
    this.places.add(el);
    this.draw(el);
    return () => this.places.delete(el);
  }

  draw(/** @type {HTMLElement} */ el) {
    if (!this.isAsked) return el.replaceChildren();
    if (!el.firstChild) {
      const button = element("button", "nbs-tool", { type: "button" }, "Choose the tab to record");
      button.addEventListener("click", () => this.press());
      const why = element("span", "nbs-choosing-why", { role: "status" });
      why.append(element("span", "nbs-choosing-before"), WHAT_COMES);
      el.append(button, why);
    }
    say(/** @type {Node} */ (el.querySelector(".nbs-choosing-before")), this.before);
  }
}
