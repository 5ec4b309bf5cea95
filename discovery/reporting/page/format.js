// Numbers, times and sums as people read them.

/** Returns a score in up to nine digits. */
export function score(value, digits = 8) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : String(Number(value.toPrecision(digits)));
}

/** Returns a change with its sign. */
export function signed(value) {
  return `${value >= 0 ? "+" : "−"}${Number(Math.abs(value).toPrecision(4))}`;
}

/** Returns a number in few characters: 1234567 is 1.23M. */
export function compact(value) {
  for (const [limit, per, unit] of [[1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]])
    if (Math.abs(value) >= limit) return `${Number((value / per).toPrecision(3))}${unit}`;
  return String(Number(value.toPrecision(5)));
}

/** Returns a count with separators. */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** Returns seconds as people say them. */
export function duration(seconds) {
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Number((seconds / 3600).toPrecision(3))} h`;
  return `${Number((seconds / 86400).toPrecision(3))} days`;
}

/** Returns an amount of money. */
export function money(usd) {
  return `$${usd >= 100 ? usd.toFixed(0) : Number(usd.toPrecision(3))}`;
}

/** Returns a moment, given as unix time in seconds. */
export function moment(at) {
  return new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
}

/** Returns what calls cost, where a price may be unknown. */
export function cost(calls) {
  if (!calls.unpriced) return money(calls.cost_usd);
  return calls.unpriced === calls.calls ? "unknown" : `≥ ${money(calls.cost_usd)}`;
}

/** Returns a share as a percentage. */
export function percent(share) {
  return `${share >= 0.1 || share === 0 ? Math.round(share * 100) : Number((share * 100).toPrecision(2))} %`;
}

/** Returns round values in [low, high], about so many. */
export function ticks(low, high, about = 5) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / about));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= (span / about) * 0.999) ?? 10 * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}
