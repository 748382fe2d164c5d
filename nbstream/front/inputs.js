// inputs.js: what the page can record with, told to the kernel, which offers it to the person.

import { mayShareTabs } from "./tab.js";

const ENUMERATE_MS = 3000; // 3 ms of work in Chromium

/** Names of the microphones, each once, as far as the page may know them: after the first permission. */
export function inputNames(/** @type {{kind: string, deviceId: string, label: string}[]} */ devices) {
  const named = devices.filter(({ kind, deviceId, label }) =>
    kind === "audioinput" && label.trim() && deviceId !== "default" && deviceId !== "communications");
  return [...new Set(named.map(({ label }) => label))];
}

/** The id of the input whose name is `wish`, or else has it in it; "" is the default, null if there is none. */
export function deviceFor(/** @type {{kind: string, deviceId: string, label: string}[]} */ devices, /** @type {string} */ wish) {
  if (!wish) return "";
  const inputs = devices.filter(({ kind }) => kind === "audioinput");
  const part = wish.toLowerCase();
  const found = inputs.find(({ label }) => label === wish) ?? inputs.find(({ label }) => label.toLowerCase().includes(part));
  return found ? found.deviceId : null;
}

/**
 * Tell the kernel what there is, whenever that changes.
 * @param {any} model @param {() => boolean} isRecording when nothing is chosen, and browsers that are asked
 *   for their devices may drop sound @returns {{look: () => void, stop: () => void}} look again; no more of it
 */
export function tellInputs(model, isRecording = () => false) {
  const media = navigator.mediaDevices;
  let last = "";
  let isNamed = false;
  const look = async () => {
    const devices = (await media?.enumerateDevices?.().catch(() => [])) ?? [];
    const found = { kind: "devices", names: inputNames(devices), tab: mayShareTabs() };
    isNamed = found.names.length > 0;
    if (JSON.stringify(found) === last) return;
    last = JSON.stringify(found);
    try {
      model.send(found);
    } catch {
      // The kernel was restarted: nobody is there to be told.
    }
  };
  media?.addEventListener?.("devicechange", look);
  // Chromium on Linux hears of sound cards, not of what a sound server alone knows: Bluetooth, the network.
  const timer = setInterval(() => { if (isNamed && !document.hidden && !isRecording()) look(); }, ENUMERATE_MS);
  look();
  const stop = () => {
    clearInterval(timer);
    media?.removeEventListener?.("devicechange", look);
  };
  return { look, stop };
}
