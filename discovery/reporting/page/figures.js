// Drawings that came as plain data, from a problem or a family of problems.

import { el, table } from "./dom.js";
import { bars, curves, matrix, shapes } from "./plot.js";

/** Returns a drawing that came as plain data. */
export function drawing(one) {
  const label = `${one.title}. ${one.note}`;
  switch (one.kind) {
    case "lines": return curves(label, one.series, { x: one.x, y: one.y, height: 240 }).node;
    case "bars": return bars(label, one.names, one.values, one.y).node;
    case "shapes": return shapes(label, one.items).node;
    case "matrix": return el("div", {}, matrix(label, one.names, one.values).node,
      table(["", ...one.names.map((name) => `>${name}`)], one.values.map((row, at) => [one.names[at], ...row.map((value) => value.toFixed(2))]), { label: one.title }));
    default: return el("div", {}, one.texts.map((text) => el("p", {}, text)), table(one.columns, one.rows, { label: one.title }));
  }
}

/** Returns how a program's output looks, where the problem says. */
export function pictured(program) {
  return (program.drawings ?? []).map((one) => el("figure", {}, drawing(one), one.title ? el("figcaption", {}, one.title) : null));
}
