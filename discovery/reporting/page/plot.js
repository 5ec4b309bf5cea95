// Charts over two axes: the score over evaluations, curves, bars, matrices, shapes.

import { canvas, placeOf } from "./canvas.js";
import { el, point } from "./dom.js";
import { compact, score as shown, ticks } from "./format.js";
import { colour, heat, operatorColour } from "./theme.js";

const FONT = "12px system-ui, sans-serif";
const LEFT = 62, RIGHT = 14, TOP = 12, BOTTOM = 34;

/** Returns a plotting area over ranges of values: pixels of values and back. */
export function frame(width, height, [lowX, highX], [lowY, highY]) {
  const spanX = highX - lowX || 1, spanY = highY - lowY || 1;
  const wide = width - LEFT - RIGHT, tall = height - TOP - BOTTOM;
  return {
    width, height, lowX, highX, lowY, highY, foot: height - BOTTOM, left: LEFT, right: width - RIGHT, top: TOP,
    x: (value) => LEFT + ((value - lowX) / spanX) * wide,
    y: (value) => height - BOTTOM - Math.min(Math.max((value - lowY) / spanY, 0), 1) * tall,
    atX: (pixel) => lowX + ((pixel - LEFT) / wide) * spanX,
  };
}

/** Draws the grid, the values beside it and the names of the axes. */
export function axes(context, area, nameX, nameY, showY = compact, showX = compact) {
  context.font = FONT;
  context.lineWidth = 1;
  context.strokeStyle = colour("line");
  context.fillStyle = colour("muted");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of ticks(area.lowY, area.highY, Math.max(2, Math.min(6, (area.foot - area.top) / 45)))) {
    const y = Math.round(area.y(value)) + 0.5;
    context.beginPath();
    context.moveTo(area.left, y);
    context.lineTo(area.right, y);
    context.stroke();
    context.fillText(showY(value), area.left - 8, y);
  }
  context.textBaseline = "top";
  if (showX) {
    context.textAlign = "center";
    for (const value of ticks(area.lowX, area.highX, Math.max(2, (area.right - area.left) / 110)))
      context.fillText(showX(value), area.x(value), area.foot + 6);
  }
  context.textAlign = "right";
  context.fillText(nameX, area.right, area.foot + 20);
  context.textAlign = "left";
  context.textBaseline = "top";
  if (nameY) {
    context.save();
    context.translate(4, area.foot);
    context.rotate(-Math.PI / 2);
    context.fillText(nameY, 0, 0);
    context.restore();
  }
}

/** Draws values as steps, each held until the next. */
function steps(context, area, points, end) {
  context.beginPath();
  points.forEach(([x, y], at) => {
    if (at) context.lineTo(area.x(x), area.y(points[at - 1][1]));
    context[at ? "lineTo" : "moveTo"](area.x(x), area.y(y));
  });
  if (points.length) context.lineTo(area.x(end), area.y(points.at(-1)[1]));
}

/** Returns the range of scores worth seeing: the better three quarters, all bests, and reference lines that are near. */
export function scoreRange(scores, bests, lines, rising) {
  if (!scores.length) return [0, 1];
  const ranked = Float64Array.from(scores).sort();
  const quarter = Math.floor(ranked.length / 4);
  let low = Math.min(rising ? ranked[quarter] : ranked[0], ...bests);
  let high = Math.max(rising ? ranked.at(-1) : ranked[ranked.length - 1 - quarter], ...bests);
  const span = high - low || Math.abs(high) || 1;
  for (const line of lines) {
    if (line > high && line <= high + span * 0.6) high = line;
    else if (line < low && line >= low - span * 0.6) low = line;
  }
  return [low - 0.04 * span, high + 0.06 * span];
}

/** Returns the chart of scores over evaluations. `hidden` holds the operators that are not shown; `open(place)` opens a program. */
export function progress(data, hidden, open) {
  let area = null;
  let chosen = -1;
  let base = null;
  let basis = "";
  const dots = (width, height) => {
    // the dots stand on a layer of their own: a hover redraws the rest alone
    const key = [width, height, data.count, [...hidden].join(), colour("surface")].join("|");
    if (basis === key) return base;
    basis = key;
    base = document.createElement("canvas");
    const density = Math.min(devicePixelRatio || 1, 2);
    base.width = width * density;
    base.height = height * density;
    const context = base.getContext("2d");
    context.scale(density, density);
    const radius = data.count > 20000 ? 1 : data.count > 3000 ? 1.5 : 2.4;
    const seen = new Uint8Array(Math.ceil(width) * Math.ceil(height));
    const failed = colour("bad");
    context.globalAlpha = data.count > 3000 ? 0.55 : 0.7;
    for (let code = 0; code < data.words.operator.length; code++) {
      const name = data.words.operator[code];
      if (hidden.has(name)) continue;
      context.fillStyle = operatorColour(name);
      seen.fill(0);
      for (let at = 0; at < data.count; at++) {
        if (data.operator[at] !== code || data.score[at] === null) continue;
        const x = area.x(at), y = area.y(data.score[at]);
        const cell = (y | 0) * Math.ceil(width) + (x | 0);
        if (seen[cell]) continue;
        seen[cell] = 1;
        if (radius < 2) context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
        else {
          context.beginPath();
          context.arc(x, y, radius, 0, 7);
          context.fill();
        }
      }
    }
    context.fillStyle = failed;
    context.globalAlpha = 0.5;
    let last = -1;
    for (let at = 0; at < data.count; at++) {
      const x = Math.round(area.x(at));
      if (data.score[at] !== null || x === last) continue;
      last = x;
      context.fillRect(x, area.foot - 5, 1, 5);
    }
    return base;
  };
  const draw = (context, width, height) => {
    const { run, bests, lineage } = data.facts;
    const scores = data.score.filter((one) => one !== null);
    const best = bests.map((at) => data.score[at]);
    const range = scoreRange(scores, best, Object.values(run.lines), run.direction === "maximize");
    area = frame(width, height, [0, Math.max(data.count - 1, 1)], range);
    axes(context, area, "evaluations", `${run.objective} (${run.direction})`);
    references(context, area, run.lines);
    context.drawImage(dots(width, height), 0, 0, width, height);
    context.strokeStyle = colour("best");
    context.lineWidth = 2.2;
    context.lineJoin = "round";
    steps(context, area, bests.map((at) => [at, data.score[at]]), data.count - 1);
    context.stroke();
    context.strokeStyle = colour("ink");
    context.lineWidth = 1;
    context.globalAlpha = 0.45;
    context.beginPath();
    lineage.forEach((at, n) => data.score[at] !== null && context[n ? "lineTo" : "moveTo"](area.x(at), area.y(data.score[at])));
    context.stroke();
    context.globalAlpha = 1;
    for (const at of lineage.length > 400 ? lineage.filter((_, n) => n % Math.ceil(lineage.length / 400) === 0) : lineage) {
      if (data.score[at] === null) continue;
      context.beginPath();
      context.arc(area.x(at), area.y(data.score[at]), 3.2, 0, 7);
      context.fillStyle = colour("surface");
      context.fill();
      context.strokeStyle = colour("best");
      context.lineWidth = 1.6;
      context.stroke();
    }
    if (chosen >= 0 && chosen < data.count) ring(context, area.x(chosen), data.score[chosen] === null ? area.foot - 3 : area.y(data.score[chosen]));
  };
  const made = canvas("Score over evaluations; arrow keys go through the programs that were the best, Enter opens one",
    (width) => Math.max(240, Math.min(400, width * 0.42)), draw);
  const { node } = made;
  const nearest = (x, y) => {
    let found = -1, least = 400;
    for (let at = 0; at < data.count; at++) {
      if (hidden.has(data.operatorOf(at))) continue;
      const dx = area.x(at) - x;
      if (dx * dx > least) continue;
      const dy = (data.score[at] === null ? area.foot - 3 : area.y(data.score[at])) - y;
      if (dx * dx + dy * dy < least) {
        least = dx * dx + dy * dy;
        found = at;
      }
    }
    return found;
  };
  node.addEventListener("pointermove", (event) => {
    if (!area) return;
    const found = nearest(...placeOf(event, node));
    point(found >= 0 ? data.lines(found) : null, event.clientX, event.clientY);
    if (found !== chosen) {
      chosen = found;
      made.redraw();
    }
    node.classList.toggle("hand", found >= 0);
  });
  node.addEventListener("pointerleave", () => {
    point(null);
    chosen = -1;
    made.redraw();
  });
  node.addEventListener("click", (event) => {
    const found = nearest(...placeOf(event, node));
    if (found >= 0) open(found);
  });
  node.addEventListener("keydown", (event) => {
    const { bests } = data.facts;
    const at = bests.indexOf(chosen);
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      const step = event.key === "ArrowRight" ? 1 : -1;
      chosen = bests[at < 0 ? bests.length - 1 : Math.min(Math.max(at + step, 0), bests.length - 1)] ?? -1;
      if (chosen >= 0) {
        const box = node.getBoundingClientRect();
        point(data.lines(chosen), box.left + area.x(chosen), box.top + area.y(data.score[chosen]));
      }
      made.redraw();
    } else if (event.key === "Enter" && chosen >= 0) open(chosen);
    else if (event.key === "Escape") point(null);
  });
  return made;
}

function references(context, area, lines) {
  const inside = Object.entries(lines).filter(([, value]) => value >= area.lowY && value <= area.highY);
  let left = true;
  const taken = [];
  for (const [name, value] of inside.sort((a, b) => b[1] - a[1])) {
    const y = Math.round(area.y(value)) + 0.5;
    context.strokeStyle = colour("reference");
    context.lineWidth = 1.2;
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(area.left, y);
    context.lineTo(area.right, y);
    context.stroke();
    context.setLineDash([]);
    context.font = FONT;
    context.fillStyle = colour("reference");
    context.textBaseline = "bottom";
    if (taken.some((other) => Math.abs(other - y) < 15)) left = !left;
    taken.push(y);
    context.textAlign = left ? "left" : "right";
    context.fillText(`${name} ${shown(value, 6)}`, left ? area.left + 6 : area.right - 2, y < 26 ? y + 16 : y - 2);
  }
}

/** Draws the mark of what is pointed at. */
export function ring(context, x, y, radius = 6) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.strokeStyle = colour("ink");
  context.lineWidth = 2;
  context.stroke();
}

/** Returns a chart of curves: [{name, points, dots}]; `held` draws steps, filled below; `dots` of a series draws no line. */
export function curves(label, series, { x, y, held = false, height = 220, show = compact }) {
  const colours = ["accent", "best", "op-2", "op-4", "op-6", "muted"];
  let area = null;
  const all = series.flatMap((one) => one.points);
  const draw = (context, width, tall) => {
    const xs = all.map((one) => one[0]), ys = all.map((one) => one[1]);
    const low = held ? 0 : Math.min(...ys), high = Math.max(...ys);
    const margin = 0.06 * (high - low || Math.abs(high) || 1);
    area = frame(width, tall, [Math.min(...xs), Math.max(...xs)], [held ? 0 : low - margin, high + margin]);
    axes(context, area, x, y, show);
    if (area.lowY < 0 && area.highY > 0) rule(context, area, 0);
    series.forEach(({ points, dots }, place) => {
      const ink = colour(colours[place % colours.length]);
      context.strokeStyle = ink;
      context.lineWidth = 1.8;
      if (held) {
        steps(context, area, points, area.highX);
        context.stroke();
        context.lineTo(area.right, area.foot);
        context.lineTo(area.x(points[0][0]), area.foot);
        context.globalAlpha = 0.14;
        context.fillStyle = ink;
        context.fill();
        context.globalAlpha = 1;
        return;
      }
      context.fillStyle = ink;
      context.beginPath();
      points.forEach(([px, py], at) => {
        if (dots) {
          context.moveTo(area.x(px) + 3, area.y(py));
          context.arc(area.x(px), area.y(py), 3, 0, 7);
        } else context[at ? "lineTo" : "moveTo"](area.x(px), area.y(py));
      });
      context[dots ? "fill" : "stroke"]();
    });
  };
  const made = canvas(label, height, draw);
  made.node.addEventListener("pointermove", (event) => {
    if (!area || !all.length) return;
    const at = area.atX(placeOf(event, made.node)[0]);
    const lines = series.map(({ name, points }) => {
      const near = points.reduce((best, one) => (Math.abs(one[0] - at) < Math.abs(best[0] - at) ? one : best));
      return `${name ? `${name}: ` : ""}${show(near[1])} at ${x} ${compact(near[0])}`;
    });
    point(lines, event.clientX, event.clientY);
  });
  made.node.addEventListener("pointerleave", () => point(null));
  const legend = series.length > 1 ? el("div", { class: "legend" }, series.map(({ name }, place) =>
    el("span", { class: "key" }, el("i", { class: "swatch", vars: { "--swatch": `var(--${colours[place % colours.length]})` } }), name))) : null;
  return { node: el("div", {}, legend, made.node), redraw: made.redraw };
}

function rule(context, area, value) {
  context.strokeStyle = colour("muted");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(area.left, area.y(value));
  context.lineTo(area.right, area.y(value));
  context.stroke();
}

/** Returns a chart of bars from zero. */
export function bars(label, names, values, y) {
  let area = null;
  const draw = (context, width, tall) => {
    const low = Math.min(0, ...values), high = Math.max(0, ...values), margin = 0.06 * (high - low || 1);
    area = frame(width, tall, [0, Math.max(names.length, 1)], [low < 0 ? low - margin : 0, high + margin]);
    axes(context, area, "", y, compact, null);
    context.textAlign = "center";
    context.textBaseline = "top";
    values.forEach((value, at) => {
      const left = area.x(at + 0.18), right = area.x(at + 0.82);
      context.fillStyle = colour(value < 0 ? "bad" : "accent");
      context.fillRect(left, Math.min(area.y(value), area.y(0)), right - left, Math.max(Math.abs(area.y(value) - area.y(0)), 1));
      context.fillStyle = colour("muted");
      context.fillText(names[at], (left + right) / 2, area.foot + 6, (area.right - area.left) / names.length);
    });
    rule(context, area, 0);
  };
  const made = canvas(label, 220, draw);
  made.node.addEventListener("pointermove", (event) => {
    const at = area ? Math.floor(area.atX(placeOf(event, made.node)[0])) : -1;
    point(names[at] === undefined ? null : [names[at], String(values[at])], event.clientX, event.clientY);
  });
  made.node.addEventListener("pointerleave", () => point(null));
  return made;
}

/** Returns a square of numbers in [-1, 1], darker where they are larger. */
export function matrix(label, names, values) {
  let side = 0;
  const draw = (context, width) => {
    side = Math.min(width, 360) / names.length;
    values.forEach((row, y) => row.forEach((value, x) => {
      context.fillStyle = heat(Math.min(Math.abs(value), 1));
      context.fillRect(x * side, y * side, side - 1, side - 1);
    }));
  };
  const made = canvas(label, (width) => Math.min(width, 360), draw);
  made.node.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(event, made.node).map((one) => Math.floor(one / side));
    const value = values[y]?.[x];
    point(value === undefined ? null : [`${names[y]}, ${names[x]}`, value.toFixed(3)], event.clientX, event.clientY);
  });
  made.node.addEventListener("pointerleave", () => point(null));
  return made;
}

/** Returns shapes in the plane, as large as they fit: circles, paths, points. */
export function shapes(label, items) {
  const spots = items.flatMap(({ circle, path, points }) => circle
    ? [[circle[0] - circle[2], circle[1] - circle[2]], [circle[0] + circle[2], circle[1] + circle[2]]] : path ?? points);
  const xs = spots.map((one) => one[0]), ys = spots.map((one) => one[1]);
  const low = [Math.min(...xs), Math.min(...ys)], high = [Math.max(...xs), Math.max(...ys)];
  const ratio = Math.min(1.6, Math.max(0.3, (high[1] - low[1]) / (high[0] - low[0] || 1)));
  const draw = (context, width, tall) => {
    const scale = Math.min((width - 8) / (high[0] - low[0] || 1), (tall - 8) / (high[1] - low[1] || 1));
    const left = (width - (high[0] - low[0]) * scale) / 2, foot = (tall - (high[1] - low[1]) * scale) / 2;
    const x = (value) => left + (value - low[0]) * scale, y = (value) => tall - foot - (value - low[1]) * scale;
    context.lineJoin = "round";
    for (const item of items) {
      const ink = colour(["accent", "best", "op-2", "op-4", "op-6", "muted"][item.style ?? 0]);
      context.strokeStyle = context.fillStyle = ink;
      context.lineWidth = 1.4;
      context.beginPath();
      if (item.circle) context.arc(x(item.circle[0]), y(item.circle[1]), item.circle[2] * scale, 0, 7);
      else if (item.path) item.path.forEach(([px, py], at) => context[at ? "lineTo" : "moveTo"](x(px), y(py)));
      else {
        for (const [px, py] of item.points) context.fillRect(x(px) - 1.8, y(py) - 1.8, 3.6, 3.6);
        continue;
      }
      if (item.closed) context.closePath();
      context.stroke();
      if (item.circle || item.closed) {
        context.globalAlpha = 0.16;
        context.fill();
        context.globalAlpha = 1;
      }
    }
  };
  return canvas(label, (width) => Math.min(width, 420) * ratio, draw);
}
