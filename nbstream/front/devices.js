// devices.js: from a wish (device, channels) to chunks of sound, and what is wrong with the device.

import { PCM_RATE_HZ, TAP_NAME, tapModule } from "./pcm.js";

/** What refused the microphone -> state, as the kernel knows them. @param {any} error */
export function failureOf(error) {
  const name = error?.name ?? "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return "unreadable";
}

/** The id of the input whose name has `part` in it; "" is the default, null if there is none. */
export function deviceFor(/** @type {{kind: string, deviceId: string, label: string}[]} */ devices, /** @type {string} */ part) {
  if (!part) return "";
  const inputs = devices.filter(({ kind }) => kind === "audioinput");
  const found = inputs.find(({ label }) => label.toLowerCase().includes(part.toLowerCase()));
  return found ? found.deviceId : null;
}

/**
 * Open the sound that is wished for.
 * @param {{device: string, n_channels: number, native: boolean}} wish
 * @param {{told: (state: string, more?: object) => void, heard: (pcm: ArrayBuffer) => void,
 *   ended: () => void}} listener told how it stands, each chunk, and when no more comes
 * @returns {{end: () => void, close: () => void}} ask for the end, which is told; or drop it all
 */
export function openSound(wish, listener) {
  const { told } = listener;
  const { n_channels } = wish;
  /** @type {(() => void)[]} */ const undo = [];
  /** @type {AudioWorkletNode | null} */ let node = null;
  let isClosed = false;
  const close = () => {
    isClosed = true;
    undo.splice(0).forEach((one) => one());
  };
  const end = () => {
    if (node) node.port.postMessage("end");
    else ended();
  };
  const ended = () => {
    close();
    listener.ended();
  };

  async function tap(/** @type {MediaStream} */ stream) {
    const [track] = stream.getAudioTracks();
    const device = track.label;
    const has = track.getSettings().channelCount ?? n_channels;
    if (has < n_channels) return told("channels", { detail: `${device} has ${has}` });
    const { context, source } = await contextFor(stream, wish.native);
    undo.push(() => context.close());
    node = await tapNode(context, n_channels);
    if (isClosed) return context.close();
    node.port.onmessage = ({ data }) => (data.end ? ended() : listener.heard(data.pcm));
    track.onended = () => { told("ended"); end(); };
    track.onmute = () => told("muted");
    track.onunmute = () => told("heard");
    const look = () => told(document.hidden ? "hidden" : "visible");
    document.addEventListener("visibilitychange", look);
    undo.push(() => document.removeEventListener("visibilitychange", look));
    const wake = () => context.resume();
    addEventListener("pointerdown", wake);
    undo.push(() => removeEventListener("pointerdown", wake));
    const running = () => { if (context.state === "running") told("recording", { device, rate_hz: context.sampleRate }); };
    context.onstatechange = () => {
      if (context.state === "suspended" || context.state === /** @type {any} */ ("interrupted")) told("held");
      else running();
    };
    source.connect(node);
    if (context.state === "suspended") {
      told("held");
      context.resume();
    }
    running();
  }

  async function open() {
    try {
      if (!navigator.mediaDevices?.getUserMedia) return told("insecure", { detail: location.origin });
      told("asking");
      const stream = await microphone(wish);
      const stop = () => stream.getTracks().forEach((track) => track.stop());
      if (isClosed) return stop();
      undo.push(stop);
      await tap(stream);
    } catch (error) {
      told(failureOf(error), { detail: `${error}` });
    }
  }

  open();
  return { end, close };
}

async function microphone(/** @type {{device: string, n_channels: number}} */ { device, n_channels }) {
  const plain = { channelCount: n_channels, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  if (!device) return stream;
  const deviceId = deviceFor(await navigator.mediaDevices.enumerateDevices(), device); // names are known once one was allowed
  stream.getTracks().forEach((track) => track.stop());
  if (!deviceId) throw new DOMException(`no input is called ${device}`, "NotFoundError");
  return navigator.mediaDevices.getUserMedia({ audio: { ...plain, deviceId: { exact: deviceId } } });
}

async function contextFor(/** @type {MediaStream} */ stream, /** @type {boolean} */ isNative) {
  let context;
  try {
    if (isNative) throw new Error("as the device likes it");
    context = new AudioContext({ sampleRate: PCM_RATE_HZ });
    return { context, source: context.createMediaStreamSource(stream) };
  } catch { // Firefox: the context must have the rate of the device.
    await context?.close();
    context = new AudioContext();
    return { context, source: context.createMediaStreamSource(stream) };
  }
}

async function tapNode(/** @type {AudioContext} */ context, /** @type {number} */ nChannels) {
  const url = URL.createObjectURL(new Blob([tapModule()], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  URL.revokeObjectURL(url);
  return new AudioWorkletNode(context, TAP_NAME, {
    numberOfInputs: 1, numberOfOutputs: 0, channelCount: nChannels, channelCountMode: "explicit",
    channelInterpretation: nChannels > 1 ? "discrete" : "speakers",
    processorOptions: { nChannels },
  });
}
