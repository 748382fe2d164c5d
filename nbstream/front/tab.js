// tab.js: the sound of another tab, which the person chooses by a press in the cell: the browser asks
// them then, and shows no tab to a page that nobody has touched.

import { readsTracks, readTrack } from "./reading.js";

/** What sharing failed with -> state, as the kernel knows them. @param {any} error */
export function sharingFailureOf(error) {
  return error?.name === "NotAllowedError" ? "cancelled" : "unopened";
}

/**
 * Whether the browser gives the sound of a tab: Chrome, Edge and their like. Firefox and Safari share
 * tabs as well, without their sound; they do not know this constraint, which is about sound alone.
 */
export function sharesTabs(/** @type {any} */ media, /** @type {any} */ policy) {
  const known = media?.getDisplayMedia && "CaptureController" in globalThis && media.getSupportedConstraints?.().suppressLocalAudioPlayback;
  return Boolean(known) && policy?.allowsFeature("display-capture") !== false;
}

/** Whether this page can have it. */
export function mayShareTabs() {
  return readsTracks() && sharesTabs(navigator.mediaDevices, /** @type {any} */ (document).featurePolicy);
}

/** Have the person choose a tab; its sound, or null if it is shared without. Only in a press. */
async function sharedSound() {
  const media = /** @type {any} */ (navigator.mediaDevices);
  const controller = new /** @type {any} */ (globalThis).CaptureController();
  controller.setFocusBehavior("no-focus-change"); // the notebook may have to ask for the microphone next
  const stream = await media.getDisplayMedia({
    controller,
    video: { displaySurface: "browser" }, // no tab is offered to those who want its sound only
    audio: {
      echoCancellation: false, noiseSuppression: false, autoGainControl: false,
      suppressLocalAudioPlayback: false, // the person is to hear it as well
    },
    preferCurrentTab: false, selfBrowserSurface: "exclude", surfaceSwitching: "include",
    monitorTypeSurfaces: "exclude", systemAudio: "exclude",
  });
  for (const track of stream.getVideoTracks()) track.stop();
  return stream.getAudioTracks().length ? stream : null;
}

/**
 * Ask for a tab until there is one, and again when it is not shared any more.
 * @param {(state: string, more?: object) => void} told how it stands
 * @param {{ask: (why: string, press: () => void) => void, withdraw: () => void}} person
 */
export function openTab(told, person) {
  /** @type {MediaStream | null} */ let stream = null;
  /** @type {import("./beside.js").Beside | null} */ let place = null; // where it is to be heard
  /** @type {ReturnType<typeof readTrack> | null} */ let reading = null;
  let isAsking = false;
  let isClosed = false;
  let chosen = () => {};
  const ready = new Promise((/** @type {(x?: any) => void} */ done) => { chosen = done; });

  const ask = (/** @type {string} */ why, /** @type {object} */ more = {}) => {
    told(why, more);
    person.ask(why, press);
  };
  const drop = () => {
    stream?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
    reading?.close();
    stream = reading = null;
    place?.leave();
  };
  const connect = () => {
    if (!stream || !place) return;
    const beside = place;
    reading = readTrack(stream.getAudioTracks()[0], 1, {
      heard: ([samples], end_ms) => (beside.follow(samples, end_ms, performance.now()), 0),
      ended: () => beside.leave(),
    });
  };

  async function press() {
    if (isAsking || stream) return;
    isAsking = true;
    try {
      stream = await sharedSound();
      if (isClosed) return drop();
      if (!stream) return ask("soundless");
      stream.getAudioTracks()[0].onended = () => { drop(); ask("unshared"); };
      person.withdraw();
      connect();
      told("tab");
      chosen();
    } catch (error) {
      drop();
      if (!isClosed) ask(sharingFailureOf(error), { detail: `${error}` });
    } finally {
      isAsking = false;
    }
  }

  ask("choosing");
  return {
    ready,
    into(/** @type {import("./beside.js").Beside} */ beside) { place = beside; connect(); },
    close() {
      isClosed = true;
      drop();
      person.withdraw();
      chosen();
    },
  };
}
