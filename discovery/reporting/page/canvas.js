// A canvas that keeps to its place's width, the screen's density and the theme.

import { el } from "./dom.js";
import { onTheme } from "./theme.js";

/**
 * Returns {node, redraw}: a canvas that calls `draw(context, width, height)` when it must, once a frame at most.
 * `height` is a number or a function of the width.
 */
export function canvas(label, height, draw, props = {}) {
  const node = el("canvas", { role: "img", "aria-label": label, tabindex: "0", ...props });
  let width = 0;
  let asked = false;
  let seen = false;
  const paint = () => {
    asked = false;
    if (!node.isConnected || width < 2) return;
    const tall = typeof height === "function" ? height(width) : height;
    const density = Math.min(devicePixelRatio || 1, 2);
    if (node.width !== Math.round(width * density) || node.height !== Math.round(tall * density)) {
      node.width = Math.round(width * density);
      node.height = Math.round(tall * density);
      node.style.height = `${tall}px`;
    }
    const context = node.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, tall);
    draw(context, width, tall);
  };
  const redraw = () => {
    if (asked || !seen) return;
    asked = true;
    requestAnimationFrame(paint);
  };
  new ResizeObserver((entries) => {
    width = entries[0].contentRect.width;
    if (!node.style.height) node.style.height = `${typeof height === "function" ? height(width) : height}px`;
    redraw();
  }).observe(node);
  new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    redraw();
  }, { rootMargin: "300px" }).observe(node);
  onTheme(redraw);
  return { node, redraw };
}

/** Returns where a pointer is on a canvas, in its own units. */
export function placeOf(event, node) {
  const box = node.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
