// Colours of drawings: those of the style sheet, for light and dark alike.

const OPERATORS = ["tune", "diff", "rewrite", "crossover", "repair", "splice", "prune", "cherry_pick", "perturb", "plan"];
const listeners = new Set();
let cache = new Map();

/** Returns the value of a colour of the style sheet. */
export function colour(name) {
  if (!cache.has(name)) cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return cache.get(name);
}

/** Returns an operator's colour: always the same for the same operator. */
export function operatorColour(name) {
  return colour(operatorName(name));
}

/** Returns the name of an operator's colour in the style sheet. */
export function operatorName(name) {
  if (name === "seed") return "ink";
  const at = OPERATORS.indexOf(name);
  if (at >= 0) return `op-${at}`;
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.charCodeAt(0)) % 997;
  return `op-${sum % OPERATORS.length}`;
}

/** Returns the colour of a share in [0, 1] on the map's scale. */
export function heat(share) {
  return colour(`heat-${Math.min(8, Math.max(0, Math.floor(share * 9)))}`);
}

/** Calls `redraw` whenever the colours change; returns what ends that. */
export function onTheme(redraw) {
  listeners.add(redraw);
  return () => listeners.delete(redraw);
}

function changed() {
  cache = new Map();
  for (const redraw of listeners) redraw();
}

/** Switches between light and dark, and keeps the choice where the browser lets it. */
export function switchTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("discovery-theme", document.documentElement.dataset.theme);
  } catch { /* a page from a file may have no store */ }
  changed();
}

/** Takes up the choice made earlier. */
export function startTheme() {
  try {
    const kept = localStorage.getItem("discovery-theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch { /* as above */ }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
