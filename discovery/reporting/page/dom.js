// Elements of the page. Every text goes in as a text node, so nothing foreign is ever markup.

/** Returns an element. `props`: attributes; `on` maps events to listeners, `vars` custom properties of the style to values. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "vars") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "open") node[name] = value;
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  return add(node, ...children);
}

/** Appends children: elements, texts, or lists of them; nothing for null. */
export function add(node, ...children) {
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : String(child));
  return node;
}

/** Replaces all children. */
export function fill(node, ...children) {
  node.replaceChildren();
  return add(node, ...children);
}

/** Returns a button that calls `act`; its class says what it looks like. */
export function button(label, act, props = {}) {
  return el("button", { type: "button", ...props, on: { click: act } }, label);
}

/** Returns a card of the page: a section with a heading and a note. */
export function card(id, title, note, ...children) {
  return el("section", { id, class: "card", "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title), note ? el("p", { class: "note" }, note) : null, ...children);
}

/** Returns a table from column heads and rows of cells; a head that begins with ">" is of numbers. */
export function table(heads, rows, props = {}) {
  const numeric = heads.map((head) => String(head).startsWith(">"));
  const cell = (tag) => (content, at) =>
    content instanceof HTMLTableCellElement ? content : el(tag, { class: numeric[at] ? "n" : null, scope: tag === "th" ? "col" : null }, content);
  const head = heads.some(Boolean) ? el("thead", {}, el("tr", {}, heads.map((text) => String(text).replace(/^>/, "")).map((text, at) =>
    text ? cell("th")(text, at) : el("td", {})))) : null;
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": props.label ?? "table" },
    el("table", {}, head, el("tbody", {}, rows.map((row) => row instanceof Node ? row : el("tr", {}, row.map(cell("td")))))));
}

let toasts;

/** Tells something in passing, to screen readers too; `kind` is "good" or "bad". */
export function tell(text, kind = "good") {
  toasts ??= el("div", { class: "toasts", role: "status", "aria-live": "polite", popover: "manual" });
  if (!toasts.isConnected) document.body.append(toasts);
  const toast = el("div", { class: `toast ${kind}` }, text);
  toasts.append(toast);
  if (toasts.matches(":popover-open")) toasts.hidePopover();
  toasts.showPopover(); // above a window that is open, too
  setTimeout(() => toast.remove(), kind === "bad" ? 9000 : 4000);
}

let bubble;

/** Shows lines of text beside a point of the window, or hides what is shown when there are none. */
export function point(lines, x = 0, y = 0) {
  bubble ??= el("div", { class: "bubble", "aria-hidden": "true" });
  if (!bubble.isConnected) document.body.append(bubble);
  bubble.hidden = !lines;
  if (!lines) return;
  fill(bubble, lines.map((line, at) => el("div", { class: at ? null : "strong" }, line)));
  const { offsetWidth: width, offsetHeight: height } = bubble;
  bubble.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  bubble.style.top = `${y + 18 + height > innerHeight ? y - height - 12 : y + 18}px`;
}
