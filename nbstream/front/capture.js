// capture.js: the page's microphone, lent to the kernel while a recording wants it. Nothing to see:
// what goes on is told to the kernel, which shows it.

import { Taking } from "./taking.js";

const ASK_MS = 2000; // while another page may still be there

/** Wait for recordings that want the microphone. @returns {() => void} the end of that */
function lendMicrophone(/** @type {any} */ { model }) {
  const page = crypto.randomUUID?.() ?? `${Math.random()}${Math.random()}`;
  /** @type {Taking | null} */ let taking = null;
  /** @type {any} */ let later;
  const ask = () => model.send({ kind: "ask", page, origin: location.origin });
  const hear = (/** @type {any} */ message) => {
    if ((message.to ?? page) !== page) return;
    if (message.kind === "offer" && taking?.offer.secret !== message.secret) {
      taking?.finish();
      taking = new Taking(model, page, message, () => { taking = null; });
    } else if (message.kind === "busy") {
      clearTimeout(later);
      later = setTimeout(ask, ASK_MS);
    } else if (message.kind === "over") {
      clearTimeout(later);
      taking?.finish();
    }
  };
  model.on("msg:custom", hear);
  ask();
  return () => {
    clearTimeout(later);
    taking?.finish();
    model.off("msg:custom", hear);
  };
}

export default { initialize: lendMicrophone, render: () => {} };
