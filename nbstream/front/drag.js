// drag.js: a button that goes down, moves and goes up.

const LEAST_PX = 3; // less is a click

/** Where an event is in an element. @param {Element} at @param {MouseEvent} event */
export function placeIn(at, event) {
  const { left, top } = at.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

/**
 * Call `begin` where the button goes down, and what it gives with each move until it goes up.
 * While it moves, the element has `data-drags`.
 * @param {HTMLElement} at @param {(x: number) => (x: number) => void} begin
 */
export function onDrag(at, begin) {
  at.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const from = placeIn(at, event).x;
    const go = begin(from);
    const move = (/** @type {PointerEvent} */ later) => {
      const { x } = placeIn(at, later);
      if (!at.dataset.drags) {
        if (Math.abs(x - from) < LEAST_PX) return;
        at.setPointerCapture(event.pointerId);
        at.dataset.drags = "true";
      }
      go(x);
    };
    const end = () => {
      delete at.dataset.drags;
      at.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) at.removeEventListener(name, end);
    };
    at.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) at.addEventListener(name, end);
  });
}
