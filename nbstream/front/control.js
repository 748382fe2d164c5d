// control.js: what the kernel is told on its control channel, which is read while a cell runs.

/**
 * A way to tell a widget of ours something past busy cells, over the connection that the page has.
 * @param {any} model with the trait `control` @returns {((content: object, buffers?: ArrayBuffer[]) => void) | null}
 */
export function controlSender(model) {
  const to = model.get("control");
  const kernel = model.widget_manager?.kernel;
  if (!to || typeof kernel?.sendControlMessage !== "function") return null;
  return (content, buffers = []) => {
    const header = {
      msg_id: uniqueId(), msg_type: "nbstream", session: kernel.clientId, username: kernel.username ?? "",
      date: new Date().toISOString(), version: "5.3",
    };
    const parts = { header, parent_header: {}, metadata: {}, content: { to, content }, buffers };
    try {
      kernel.sendControlMessage({ ...parts, channel: "control" });
    } catch {
      // The kernel is dead, or is being restarted: nobody is there to be told.
    }
  };
}

/** Tell the widget of `model`, past busy cells where that can be done. */
export function tellKernel(/** @type {any} */ model, /** @type {object} */ content) {
  (controlSender(model) ?? ((it) => model.send(it)))(content);
}

export function uniqueId() {
  return crypto.randomUUID?.() ?? `${Math.random()}${Math.random()}`;
}
