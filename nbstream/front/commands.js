// commands.js: what this page tells the kernel's widgets goes by a line of its own, past busy cells.
// Nothing to see. Until there is such a line, all goes by the widgets' comms.

import { tellKernel, uniqueId } from "./control.js";
import { Detour } from "./detour.js";
import { lastingLine } from "./dial.js";
import { Outbox } from "./outbox.js";

const ASK_ANEW_MS = 2000;
const LOOK_MS = 1000;
const UNHEARD_MS = 5000; // so long without an answer: there may be a better line
const BETTER_MS = 30_000; // by the widget, messages wait for cells: now and then look for another

/** Carry what is told to the widgets in the trait `models`. @returns {() => void} the end of that */
function carryCommands(/** @type {any} */ { model }) {
  const page = uniqueId();
  const outbox = new Outbox();
  const detour = new Detour((content, arrived) => {
    const message = outbox.add(content, performance.now(), arrived);
    if (line?.isOpen) line.say(message);
  });
  /** @type {Map<string, any>} */ const carried = new Map(); // id -> its model; comm.send is ours
  /** @type {ReturnType<typeof lastingLine> | null} */ let line = null;
  /** @type {any} */ let later;
  let route = "";
  let routed_ms = 0;
  let isOver = false;

  const ask = () => tellKernel(model, { kind: "ask", page, origin: location.origin });
  const dial = (/** @type {any} */ offer) => {
    line?.close();
    line = lastingLine(model, page, offer, {
      hello: () => ({ first: outbox.first }),
      takes: (name) => name !== "comm" || detour.isOpen, // else there is nothing to be gained
      heard: (message, name) => {
        if (message.kind === "go") {
          [route, routed_ms] = [name, performance.now()];
          outbox.acknowledge(message.next);
          for (const kept of outbox.again(performance.now())) line?.say(kept);
          detour.isOpen = true;
        } else if (message.kind === "have") outbox.acknowledge(message.next);
      },
      over: () => {
        line?.close();
        line = null;
        later = setTimeout(ask, ASK_ANEW_MS);
      },
    });
  };
  const hear = (/** @type {any} */ message) => {
    if (message.kind === "offer" && message.to === page && !isOver) dial(message);
  };
  const carry = () => {
    const { widget_manager: manager } = model;
    for (const id of model.get("models")) {
      if (carried.has(id) || !manager.has_model(id)) continue;
      carried.set(id, null);
      manager.get_model(id).then((/** @type {any} */ target) => {
        if (isOver || !target.comm) return;
        carried.set(id, target);
        detour.lead(id, target);
      }).catch(() => {}); // It could not be made: nobody can press it.
    }
  };
  const isDead = () => {
    const made = [...carried.values()].filter(Boolean);
    return made.length > 0 && made.every((target) => !target.comm_live);
  };
  const look = () => {
    carry(); // a model that came later
    if (isDead()) return stop(); // The kernel is another one now.
    const now_ms = performance.now();
    const isLate = outbox.waits_ms(now_ms) > UNHEARD_MS;
    const isPoor = route === "comm" && now_ms - routed_ms > BETTER_MS;
    if (line?.isOpen && (isLate || isPoor)) line.again();
  };
  const timer = setInterval(look, LOOK_MS);
  const bye = () => { if (line?.isOpen) line.say({ kind: "bye" }); };
  const stop = () => {
    isOver = true;
    clearInterval(timer);
    clearTimeout(later);
    removeEventListener("pagehide", bye);
    model.off("msg:custom", hear);
    model.off("change:models", carry);
    line?.close();
  };
  addEventListener("pagehide", bye);
  model.on("msg:custom", hear);
  model.on("change:models", carry);
  carry();
  ask();
  return stop;
}

export default { initialize: carryCommands, render: () => {} };
