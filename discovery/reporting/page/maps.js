// The archives: a map for each island, a cell for each behaviour, shaded by how good its elite is.

import { canvas, placeOf } from "./canvas.js";
import { el, fill, point } from "./dom.js";
import { compact, score } from "./format.js";
import { ring } from "./plot.js";
import { colour, heat } from "./theme.js";

/** Returns the bin of a value on an axis; values outside go to the edge. */
function binOf(value, { low, high, bins }) {
  return Math.min(Math.max(Math.floor(((value - low) / (high - low)) * bins), 0), bins - 1);
}

/** Returns {node, refresh}: the maps of all islands, on one scale. */
export function maps(data, open) {
  const node = el("div", { class: "maps" });
  const drawn = new Map();
  const scale = el("div", { class: "legend" });
  const rest = el("p", { class: "note" });
  let ranks = new Map();
  const refresh = () => {
    const places = [...data.elites.values()].flatMap((cells) => [...cells.values()]);
    const sorted = [...new Set(places)].sort((a, b) => data.fitness(data.score[a]) - data.fitness(data.score[b]));
    ranks = new Map(sorted.map((at, rank) => [at, sorted.length > 1 ? rank / (sorted.length - 1) : 1]));
    const bare = [];
    for (const island of [...data.elites.keys()].sort((a, b) => a - b)) {
      if ([...data.elites.get(island).values()].every((at) => data.parent[at] < 0 && at === 0) && !drawn.has(island)) {
        bare.push(island);
        continue;
      }
      if (!drawn.has(island)) drawn.set(island, mapOf(data, island, () => ranks, open));
      drawn.get(island).refresh();
    }
    if (node.childElementCount !== drawn.size) fill(node, [...drawn].sort((a, b) => a[0] - b[0]).map(([, one]) => one.node));
    fill(rest, bare.length ? `Island${bare.length > 1 ? "s" : ""} ${bare.join(", ")}: the seed only, so far.` : null);
    fill(scale, sorted.length ? [score(data.score[sorted[0]], 5), el("span", { class: "ramp", "aria-hidden": "true" },
      [0, 1, 2, 3, 4, 5, 6, 7, 8].map((at) => el("i", { vars: { "--swatch": `var(--heat-${at})` } }))), score(data.score[sorted.at(-1)], 5),
      el("span", { class: "muted" }, "shaded by rank among all elites")] : null);
  };
  return { node: el("div", {}, scale, node, rest), refresh };
}

function mapOf(data, island, ranks, open) {
  const title = el("p", { class: "map-title" });
  let cells = new Map();
  let side = [1, 1];
  let chosen = null;
  const axes = () => data.facts.run.measures.slice(0, 2);
  const gather = () => {
    cells = new Map();
    const [x, y] = axes();
    for (const at of data.elites.get(island)?.values() ?? []) {
      const key = `${binOf(data.measures[0][at], x)},${y ? binOf(data.measures[1][at], y) : 0}`;
      const other = cells.get(key);
      if (other === undefined || data.fitness(data.score[at]) > data.fitness(data.score[other])) cells.set(key, at);
    }
  };
  const LEFT = 20, FOOT = 20;
  const draw = (context, width, height) => {
    const [x, y] = axes();
    const columns = x.bins, rows = y?.bins ?? 1;
    side = [(width - LEFT) / columns, (height - FOOT) / rows];
    context.fillStyle = colour("sunken");
    context.fillRect(LEFT, 0, width - LEFT, height - FOOT);
    const gap = Math.min(...side) > 5 ? 1 : 0;
    for (const [key, at] of cells) {
      const [column, row] = key.split(",").map(Number);
      context.fillStyle = heat(ranks().get(at) ?? 0);
      context.fillRect(LEFT + column * side[0], (rows - 1 - row) * side[1], side[0] - gap, side[1] - gap);
      if (at === data.best) {
        context.strokeStyle = colour("best");
        context.lineWidth = 2.5;
        context.strokeRect(LEFT + column * side[0], (rows - 1 - row) * side[1], side[0] - gap, side[1] - gap);
      }
    }
    if (chosen && cells.has(chosen)) {
      const [column, row] = chosen.split(",").map(Number);
      ring(context, LEFT + (column + 0.5) * side[0], (rows - row - 0.5) * side[1], Math.max(4, Math.min(...side) / 2));
    }
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = colour("muted");
    context.textBaseline = "bottom";
    context.textAlign = "left";
    context.fillText(compact(x.low), LEFT, height);
    context.textAlign = "right";
    context.fillText(compact(x.high), width, height);
    context.textAlign = "center";
    context.fillText(x.name, (width + LEFT) / 2, height, width * 0.7);
    if (!y) return;
    context.save();
    context.translate(14, (height - FOOT) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(`${y.name}  ${compact(y.low)} … ${compact(y.high)}`, 0, 0, height - FOOT);
    context.restore();
  };
  const made = canvas(`Archive of island ${island}: arrow keys go through its elites, Enter opens one`,
    (width) => (axes().length > 1 ? Math.min(width, 300) * 0.8 : 56), draw);
  const keyAt = (event) => {
    const [px, py] = placeOf(event, made.node);
    const rows = axes()[1]?.bins ?? 1;
    return `${Math.floor((px - LEFT) / side[0])},${rows - 1 - Math.floor(py / side[1])}`;
  };
  made.node.addEventListener("pointermove", (event) => {
    const key = keyAt(event);
    const at = cells.get(key);
    point(at === undefined ? null : data.lines(at), event.clientX, event.clientY);
    made.node.classList.toggle("hand", at !== undefined);
    if (key !== chosen) {
      chosen = key;
      made.redraw();
    }
  });
  made.node.addEventListener("pointerleave", () => {
    chosen = null;
    point(null);
    made.redraw();
  });
  made.node.addEventListener("click", (event) => {
    const at = cells.get(keyAt(event));
    if (at !== undefined) open(at);
  });
  made.node.addEventListener("keydown", (event) => {
    const keys = [...cells.keys()].sort((a, b) => data.fitness(data.score[cells.get(b)]) - data.fitness(data.score[cells.get(a)]));
    if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key) && keys.length) {
      event.preventDefault();
      const step = event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1;
      chosen = keys[(keys.indexOf(chosen) + step + keys.length) % keys.length];
      const box = made.node.getBoundingClientRect();
      point(data.lines(cells.get(chosen)), box.left + box.width / 2, box.top + box.height / 2);
      made.redraw();
    } else if (event.key === "Enter" && cells.has(chosen)) open(cells.get(chosen));
    else if (event.key === "Escape") point(null);
  });
  made.node.addEventListener("blur", () => point(null));
  const refresh = () => {
    gather();
    const best = [...cells.values()].reduce((a, b) => (a < 0 || data.fitness(data.score[b]) > data.fitness(data.score[a]) ? b : a), -1);
    const held = data.elites.get(island)?.size ?? 0;
    fill(title, el("strong", {}, `Island ${island}`), ` · ${held} elite${held === 1 ? "" : "s"}${best >= 0 ? `, best ${score(data.score[best], 6)}` : ""}`);
    made.redraw();
  };
  return { node: el("div", { class: "map" }, title, made.node), refresh };
}
