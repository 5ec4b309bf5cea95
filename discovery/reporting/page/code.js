// Texts of programs: colours for reading, and differences line by line.

import { el } from "./dom.js";

const WORDS = new Set(("and as assert async await break case class continue def del elif else except finally for from global if import in is "
  + "lambda match nonlocal not or pass raise return try while with yield True False None self auto bool char const double enum extern float fn "
  + "func function impl inline int let long loop mut namespace new null nullptr private public pub short signed sizeof static struct switch "
  + "template this throw typedef typename union unsigned use using var virtual void volatile where do goto default true false").split(" "));
const TOKENS = /(#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/|"""[^]*?"""|'''[^]*?''')|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(\b\d[\w.]*)|([A-Za-z_]\w*)/g;
const MOST_COLOURED = 60000;
const MOST_STEPS = 2000;

/** Returns the pieces of a text: texts, and spans for what is coloured. */
export function coloured(text) {
  if (text.length > MOST_COLOURED) return [text];
  const pieces = [];
  let at = 0;
  for (const found of text.matchAll(TOKENS)) {
    const kind = found[1] ? "comment" : found[2] ? "string" : found[3] ? "number" : WORDS.has(found[4]) ? "word" : "";
    if (!kind) continue;
    if (found.index > at) pieces.push(text.slice(at, found.index));
    pieces.push(el("span", { class: `t-${kind}` }, found[0]));
    at = found.index + found[0].length;
  }
  pieces.push(text.slice(at));
  return pieces;
}

/** Returns a text with its lines numbered. */
export function listing(text, label) {
  const lines = text.split("\n").length;
  return el("div", { class: "code", tabindex: "0", role: "region", "aria-label": label },
    el("pre", { class: "numbers", "aria-hidden": "true" }, Array.from({ length: lines }, (_, at) => at + 1).join("\n")),
    el("pre", { class: "text" }, coloured(text)));
}

/**
 * Returns how one list of lines becomes another: [[" " | "-" | "+", line], ...] (Myers 1986, the greedy algorithm). Lists
 * that are too different are given whole, all removed and all added.
 */
export function difference(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const a = before.slice(head, before.length - tail), b = after.slice(head, after.length - tail);
  const same = (lines) => lines.map((line) => [" ", line]);
  return [...same(before.slice(0, head)), ...middle(a, b), ...same(tail ? before.slice(-tail) : [])];
}

function middle(a, b) {
  const whole = [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
  const trail = [];
  let front = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, MOST_STEPS); d++) {
    const here = new Map();
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (front.get(k - 1) ?? -1) < (front.get(k + 1) ?? -1));
      let x = down ? front.get(k + 1) ?? 0 : (front.get(k - 1) ?? 0) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      here.set(k, x);
      if (x >= a.length && y >= b.length) return backtrack(a, b, [...trail, front]);
    }
    trail.push(front);
    front = here;
  }
  return whole;
}

function backtrack(a, b, trail) {
  const steps = [];
  let x = a.length, y = b.length;
  for (let d = trail.length - 1; d >= 0; d--) {
    const front = trail[d], k = x - y;
    const down = k === -d || (k !== d && (front.get(k - 1) ?? -1) < (front.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const px = d === 0 ? 0 : front.get(from) ?? 0, py = d === 0 ? 0 : px - from;
    while (x > px && y > py && (d === 0 || x > px + (down ? 0 : 1) || y > py + (down ? 1 : 0))) {
      if (a[x - 1] !== b[y - 1]) break;
      steps.push([" ", a[--x]]);
      y--;
    }
    if (d === 0) break;
    if (down) steps.push(["+", b[--y]]);
    else steps.push(["-", a[--x]]);
  }
  return steps.reverse();
}

/** Returns the differences of two programs' files, unchanged stretches folded; `context` lines stay round each change. */
export function differences(before, after, context = 3) {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const shown = paths.filter((path) => before[path] !== after[path]);
  if (!shown.length) return el("p", { class: "note" }, "The two texts are the same.");
  return el("div", {}, shown.map((path) => {
    const split = (text) => (text === undefined ? [] : text.split("\n"));
    const lines = difference(split(before[path]), split(after[path]));
    const added = lines.filter(([kind]) => kind === "+").length, removed = lines.filter(([kind]) => kind === "-").length;
    return el("div", { class: "file" },
      el("p", { class: "path" }, path, el("span", { class: "up" }, ` +${added}`), el("span", { class: "down" }, ` −${removed}`)),
      el("div", { class: "code diff", tabindex: "0", role: "region", "aria-label": `changes of ${path}` }, el("pre", {}, hunks(lines, context))));
  }));
}

function hunks(lines, context) {
  const near = new Uint8Array(lines.length);
  lines.forEach(([kind], at) => {
    if (kind !== " ") near.fill(1, Math.max(0, at - context), Math.min(lines.length, at + context + 1));
  });
  const rows = [];
  let folded = 0;
  const fold = () => {
    if (folded) rows.push(el("span", { class: "fold" }, `⋯ ${folded} unchanged line${folded === 1 ? "" : "s"}`));
    folded = 0;
  };
  lines.forEach(([kind, line], at) => {
    if (!near[at]) {
      folded++;
      return;
    }
    fold();
    rows.push(el("span", { class: kind === "+" ? "added" : kind === "-" ? "removed" : null }, `${kind} `, kind === " " ? line : coloured(line)));
  });
  fold();
  return rows;
}
