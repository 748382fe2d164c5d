// detour.js: another way to the kernel for what widgets' models tell their comms. It overtakes nothing.

import { uniqueId } from "./control.js";

const LONGEST = 250_000; // characters of a message; the kernel takes a MB

/** Leads messages of models past their comms once it is open, and what went by a comm was answered. */
export class Detour {
  #tell;
  #unanswered = 0; // messages of all models: a press must not come before a choice
  isOpen = false;

  /** @param {(content: {model_id: string, data: any}, arrived: () => void) => void} tell by the other way */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Lead what this model tells its comm from now on. */
  lead(/** @type {string} */ id, /** @type {any} */ target) {
    const { comm } = target;
    const plain = comm.send;
    comm.send = (/** @type {any} */ data, /** @type {any} */ callbacks, /** @type {any} */ metadata, /** @type {any} */ buffers) => {
      const isLong = () => buffers?.length || JSON.stringify(data).length > LONGEST;
      if (!this.isOpen || this.#unanswered > 0 || isLong()) {
        const sent = plain.call(comm, data, this.#counting(callbacks), metadata, buffers);
        this.#unanswered++; // Not of what a kernel that is gone does not take: it is never answered.
        return sent;
      }
      const told = uniqueId();
      this.#tell({ model_id: id, data }, () => settle(target, callbacks, told));
      return told;
    };
  }

  /** The same callbacks, which also count what was answered. */
  #counting(/** @type {any} */ callbacks) {
    const status = (/** @type {any} */ message) => {
      if (message.content.execution_state === "idle") this.#unanswered--;
      callbacks?.iopub?.status?.(message);
    };
    return { ...callbacks, iopub: { ...callbacks?.iopub, status } };
  }
}

/** Tell a model that a message has arrived, as its comm would: it sends the next one only then. */
function settle(/** @type {any} */ target, /** @type {any} */ callbacks, /** @type {string} */ told) {
  // It waits for an echo that answers this message by its number, which ours does not have.
  for (const [name, id] of target._expectedEchoMsgIds ?? []) {
    if (id === told) target._expectedEchoMsgIds.delete(name);
  }
  callbacks?.iopub?.status?.({ content: { execution_state: "idle" } });
}
