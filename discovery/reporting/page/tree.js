// The family of a run: every program at the end of its line of descent, round the seed; zoomed and walked through.

import { canvas, placeOf } from "./canvas.js";
import { el, button, point } from "./dom.js";
import { ring } from "./plot.js";
import { colour, operatorColour } from "./theme.js";

const MOST_EDGES = 9000;
const MOST_EDGES_MOVING = 2500;
const REST_MS = 180;
const MOST_DISCS = 1200;

/**
 * Returns where programs stand: {x, y} in [-1, 1], depth, children of each. Generations are rings; each branch has as
 * much of the circle as it has ends, so no lines cross. It takes time in proportion to the programs.
 */
export function layoutOf(parent) {
  const count = parent.length;
  const first = new Int32Array(count).fill(-1), next = new Int32Array(count).fill(-1), last = new Int32Array(count).fill(-1);
  const depth = new Int32Array(count);
  const ends = new Float64Array(count);
  const roots = [];
  for (let at = 0; at < count; at++) {
    const from = parent[at] < at ? parent[at] : -1;
    if (from < 0) {
      roots.push(at);
      continue;
    }
    depth[at] = depth[from] + 1;
    if (last[from] < 0) first[from] = at;
    else next[last[from]] = at;
    last[from] = at;
  }
  let deepest = 1;
  for (let at = count - 1; at >= 0; at--) {
    if (first[at] < 0) ends[at] = 1;
    if (parent[at] >= 0 && parent[at] < at) ends[parent[at]] += ends[at];
    if (depth[at] > deepest) deepest = depth[at];
  }
  const total = roots.reduce((sum, root) => sum + ends[root], 0) || 1;
  const start = new Float64Array(count);
  const x = new Float32Array(count), y = new Float32Array(count);
  let from = 0;
  for (const root of roots) {
    start[root] = from;
    from += ends[root];
  }
  for (let at = 0; at < count; at++) {
    const angle = ((start[at] + ends[at] / 2) / total) * 2 * Math.PI - Math.PI / 2;
    const radius = roots.length === 1 ? depth[at] / deepest : (depth[at] + 1) / (deepest + 1);
    x[at] = Math.cos(angle) * Math.sqrt(radius) * (radius > 0 ? 1 : 0);
    y[at] = Math.sin(angle) * Math.sqrt(radius) * (radius > 0 ? 1 : 0);
    let place = start[at];
    for (let child = first[at]; child >= 0; child = next[child]) {
      start[child] = place;
      place += ends[child];
    }
  }
  const least = (values) => values.reduce((a, b) => Math.min(a, b), 0), most = (values) => values.reduce((a, b) => Math.max(a, b), 0);
  const reach = { left: least(x), right: most(x), top: least(y), foot: most(y) };
  return { x, y, depth, first, next, deepest, reach };
}

/** Returns the drawing of a run's family; `open(place)` opens a program. */
export function family(data, open) {
  let view = null;
  let chosen = -1;
  let size = [1, 1];
  let moving = 0;
  let moved = -REST_MS, rest = 0;
  const stir = () => {
    moved = performance.now();
    clearTimeout(rest);
    rest = setTimeout(() => made.redraw(), REST_MS + 20);
    made.redraw();
  };
  const layout = () => (data.layout ??= layoutOf(data.parent));
  const whole = () => {
    const { left, right, top, foot } = layout().reach;
    return { x: (left + right) / 2, y: (top + foot) / 2, scale: Math.min((size[0] - 30) / (right - left || 1), (size[1] - 30) / (foot - top || 1)), home: true };
  };
  const unit = () => view.scale;
  const place = (at) => {
    const { x, y } = layout();
    return [size[0] / 2 + (x[at] - view.x) * unit(), size[1] / 2 + (y[at] - view.y) * unit()];
  };

  const draw = (context, width, height) => {
    size = [width, height];
    if (!data.count) return;
    const { x, y } = layout();
    if (!view || view.home) view = whole();
    const scale = unit(), midX = width / 2 - view.x * scale, midY = height / 2 - view.y * scale;
    // what is in sight, one program for each spot of the screen: the work of a frame does not grow with the run
    const grain = data.count > 30000 ? 3 : 2;
    const across = Math.ceil(width / grain) + 2;
    const seen = new Uint8Array(across * (Math.ceil(height / grain) + 2));
    const shown = [];
    for (let at = data.count - 1; at >= 0; at--) {
      const px = midX + x[at] * scale, py = midY + y[at] * scale;
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      const spot = ((py / grain) | 0) * across + ((px / grain) | 0);
      if (seen[spot]) continue;
      seen[spot] = 1;
      shown.push(at);
    }
    const moves = performance.now() - moved < REST_MS; // all edges are drawn once it stands still
    const step = Math.max(1, Math.ceil(shown.length / (moves ? MOST_EDGES_MOVING : MOST_EDGES)));
    context.strokeStyle = colour("edge");
    context.lineWidth = shown.length > 2500 ? 0.6 : 1;
    context.beginPath();
    for (let n = 0; n < shown.length; n += step) {
      const at = shown[n], from = data.parent[at];
      if (from < 0) continue;
      context.moveTo(midX + x[from] * scale, midY + y[from] * scale);
      context.lineTo(midX + x[at] * scale, midY + y[at] * scale);
    }
    context.stroke();
    const discs = shown.length <= MOST_DISCS;
    const radius = discs ? Math.min(6, 2.4 + 30 / Math.sqrt(shown.length)) : shown.length > 8000 ? 0.8 : 1.4;
    const colours = data.words.operator.map(operatorColour);
    const failed = colour("failed");
    const groups = new Map();
    for (const at of shown) {
      const ink = data.score[at] === null ? failed : colours[data.operator[at]];
      if (!groups.has(ink)) groups.set(ink, []);
      groups.get(ink).push(at);
    }
    for (const [ink, group] of groups) {
      context.fillStyle = ink;
      context.beginPath();
      for (const at of group) {
        const px = midX + x[at] * scale, py = midY + y[at] * scale;
        if (discs) {
          context.moveTo(px + radius, py);
          context.arc(px, py, radius, 0, 7);
        } else context.rect(px - radius, py - radius, 2 * radius, 2 * radius);
      }
      context.fill();
    }
    route(context, data.facts.lineage, colour("best"), 2.4);
    if (chosen >= 0 && chosen < data.count) {
      route(context, data.lineageOf(chosen), colour("ink"), 1.4);
      ring(context, ...place(chosen), 7);
    }
    if (data.best >= 0) {
      const [px, py] = place(data.best);
      context.beginPath();
      context.arc(px, py, 5.5, 0, 7);
      context.fillStyle = colour("best");
      context.fill();
      context.strokeStyle = colour("surface");
      context.lineWidth = 1.5;
      context.stroke();
    }
  };
  const route = (context, chain, ink, wide) => {
    context.strokeStyle = ink;
    context.lineWidth = wide;
    context.lineJoin = "round";
    context.beginPath();
    chain.forEach((at, n) => context[n ? "lineTo" : "moveTo"](...place(at)));
    context.stroke();
  };

  const made = canvas("Family tree: arrow keys go to parent, child and siblings, plus and minus zoom, Enter opens",
    (width) => Math.max(300, Math.min(560, width * 0.62)), draw, { class: "tree" });
  const { node } = made;
  const zoom = (factor, px = size[0] / 2, py = size[1] / 2) => {
    const before = unit();
    const least = whole().scale * 0.8;
    view.scale = Math.min(Math.max(view.scale * factor, least), least * 20000);
    view.home = false;
    const after = unit();
    view.x += (px - size[0] / 2) * (1 / before - 1 / after);
    view.y += (py - size[1] / 2) * (1 / before - 1 / after);
    stir();
  };
  const nearest = (px, py) => {
    const { x, y } = layout();
    const scale = unit(), midX = size[0] / 2 - view.x * scale, midY = size[1] / 2 - view.y * scale;
    let found = -1, least = 144;
    for (let at = 0; at < data.count; at++) {
      const dx = midX + x[at] * scale - px, dy = midY + y[at] * scale - py;
      const far = dx * dx + dy * dy;
      if (far < least) {
        least = far;
        found = at;
      }
    }
    return found;
  };
  node.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey && document.activeElement !== node) return; // the page scrolls, until the tree is entered
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0022), ...placeOf(event, node));
  }, { passive: false });
  const held = new Map();
  node.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, placeOf(event, node));
    moving = 0;
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    const here = placeOf(event, node);
    const before = held.get(event.pointerId);
    if (before) {
      const others = [...held].filter(([id]) => id !== event.pointerId);
      if (others.length) {
        const [, other] = others[0];
        const far = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]) || 1;
        zoom(far(here) / far(before), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      } else {
        view.home = false;
        view.x -= (here[0] - before[0]) / unit();
        view.y -= (here[1] - before[1]) / unit();
      }
      moving += Math.hypot(here[0] - before[0], here[1] - before[1]);
      held.set(event.pointerId, here);
      point(null);
      stir();
      return;
    }
    const found = nearest(...here);
    point(found >= 0 ? data.lines(found) : null, event.clientX, event.clientY);
    node.classList.toggle("hand", found >= 0);
    if (found !== chosen) {
      chosen = found;
      made.redraw();
    }
  });
  const release = (event) => held.delete(event.pointerId);
  node.addEventListener("pointerup", release);
  node.addEventListener("pointercancel", release);
  node.addEventListener("pointerleave", () => point(null));
  node.addEventListener("click", (event) => {
    const found = moving < 6 ? nearest(...placeOf(event, node)) : -1;
    if (found >= 0) open(found);
  });
  const step = (key) => {
    const { first, next } = layout();
    if (chosen < 0) return data.best >= 0 ? data.best : 0;
    if (key === "ArrowUp") return data.parent[chosen] >= 0 ? data.parent[chosen] : chosen;
    if (key === "ArrowDown") return first[chosen] >= 0 ? first[chosen] : chosen;
    if (key === "ArrowRight") return next[chosen] >= 0 ? next[chosen] : chosen;
    let before = data.parent[chosen] >= 0 ? first[data.parent[chosen]] : chosen;
    while (before !== chosen && next[before] !== chosen && before >= 0) before = next[before];
    return before < 0 ? chosen : before;
  };
  node.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow") && data.count) {
      event.preventDefault();
      chosen = step(event.key);
      const [px, py] = place(chosen);
      if (px < 20 || py < 20 || px > size[0] - 20 || py > size[1] - 20) {
        [view.x, view.y] = [layout().x[chosen], layout().y[chosen]];
        view.home = false;
      }
      made.redraw();
      const box = node.getBoundingClientRect(), [sx, sy] = place(chosen);
      point(data.lines(chosen), box.left + sx, box.top + sy);
    } else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") reset();
    else if (event.key === "Enter" && chosen >= 0) open(chosen);
    else if (event.key === "Escape") point(null);
  });
  node.addEventListener("blur", () => point(null));
  const reset = () => {
    view = null;
    made.redraw();
  };
  const toBest = () => {
    if (data.best < 0) return;
    view = { x: layout().x[data.best], y: layout().y[data.best], scale: Math.max(view?.scale ?? 0, whole().scale * 6) };
    made.redraw();
  };
  const tools = el("div", { class: "tools" },
    button("+", () => zoom(1.6), { class: "quiet", "aria-label": "zoom in" }),
    button("−", () => zoom(1 / 1.6), { class: "quiet", "aria-label": "zoom out" }),
    button("whole", reset, { class: "quiet" }), button("to the best", toBest, { class: "quiet" }));
  return { node: el("div", { class: "stage" }, node, tools), redraw: made.redraw, zoom, draw: () => draw(node.getContext("2d"), ...size) };
}
