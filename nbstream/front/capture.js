// capture.js: the page's microphone, lent to the kernel while a recording wants it. What goes on is told
// to the kernel, which says in words what the person should know; to see is that, and what is asked here.

import { Question } from "./choosing.js";
import { tellKernel } from "./control.js";
import { element, say } from "./elements.js";
import { tellInputs } from "./inputs.js";
import { Shelf } from "./shelf.js";
import { Taking } from "./taking.js";

const ASK_MS = 2000; // while another page may still be there

/** Wait for recordings that want the microphone. @returns {() => void} the end of that */
function lendMicrophone(/** @type {any} */ model, /** @type {Question} */ question) {
  const shelf = new Shelf(model.get("place"));
  /** @type {Taking | null} */ let taking = null;
  /** @type {any} */ let later;
  let offered = ""; // the secret of an offer that was left to others
  /** @type {ReturnType<typeof tellInputs>} */ let inputs;
  const person = {
    ask: (/** @type {string} */ why, /** @type {() => void} */ press) => question.ask(why, press),
    withdraw: () => question.withdraw(),
    allowed: () => inputs.look(),
  };
  const ask = () => tellKernel(model, { kind: "ask", page: shelf.page, origin: location.origin });
  const begin = (/** @type {any} */ offer) => {
    if (taking?.offer.secret === offer.secret) return;
    taking?.finish();
    taking = new Taking(model, shelf, offer, () => { taking = null; }, person);
  };
  const hear = (/** @type {any} */ message) => {
    if ((message.to ?? shelf.page) !== shelf.page) return;
    if (message.kind === "offer") {
      // The window that the person is in comes first; it is said again if nobody has come.
      if (message.to || document.hasFocus() || offered === message.secret) begin(message);
      else offered = message.secret;
    } else if (message.kind === "busy") {
      clearTimeout(later);
      later = setTimeout(ask, ASK_MS);
    } else if (message.kind === "over") {
      clearTimeout(later);
      taking?.finish();
    }
  };
  let isOver = false;
  shelf.comeBack().then(() => {
    if (isOver) return;
    model.on("msg:custom", hear);
    ask();
  });
  inputs = tellInputs(model, () => taking !== null);
  return () => {
    isOver = true;
    shelf.release();
    inputs.stop();
    clearTimeout(later);
    taking?.finish();
    model.off("msg:custom", hear);
  };
}

/** What the kernel has the person know, in `el`. @returns {() => void} the end of that */
function showSaid(/** @type {any} */ model, /** @type {HTMLElement} */ el) {
  const place = element("div", "nbs-part nbs-notice", { role: "status" });
  const lines = [element("div", "nbs-message"), element("div", "nbs-hint")];
  const draw = () => {
    const [message, hint] = model.get("said");
    say(lines[0], message);
    say(lines[1], hint);
    // Put in and taken out: what appears inside a status is spoken.
    if (!message) place.replaceChildren();
    else if (!lines[0].isConnected) place.append(...lines);
  };
  el.append(place);
  model.on("change:said", draw);
  draw();
  return () => model.off("change:said", draw);
}

export default () => {
  const question = new Question(); // of the widget, in each of its places
  return {
    initialize: (/** @type {any} */ { model }) => lendMicrophone(model, question),
    render: (/** @type {any} */ { model, el }) => {
      el.classList.add("nbs-lent");
      const asked = element("div");
      const ends = [showSaid(model, el), question.show(asked)];
      el.append(asked);
      return () => ends.forEach((end) => end());
    },
  };
};
