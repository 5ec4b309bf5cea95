// The service: what is read from it, what it is asked, and its stream of events.

let token = "";

/** What the service refused, in its own words; `status` is that of HTTP, 0 where it did not answer. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Sets the secret that the service is presented; it is kept for this tab alone. */
export function present(secret) {
  token = secret;
  try {
    sessionStorage.setItem("discovery-token", secret);
  } catch { /* then it is asked for again */ }
}

try {
  token = sessionStorage.getItem("discovery-token") ?? "";
} catch { /* a page from a file needs none */ }

async function answer(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let found;
  try {
    found = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("the service does not answer", 0);
  }
  if (found.ok) return found;
  let message = `the service answers with status ${found.status}`;
  try {
    message = (await found.json()).error ?? message;
  } catch { /* not JSON: the status has to do */ }
  throw new Refused(message, found.status);
}

/** Returns the JSON at a path. */
export async function read(path) {
  return (await answer(path)).json();
}

/** Returns the JSON answer to what is asked. */
export async function ask(path, body = {}) {
  return (await answer(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();
}

/** Saves what is at a path as a file. */
export async function save(path, name) {
  const address = URL.createObjectURL(await (await answer(path)).blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

/** Returns the address of a run, or of something of it. */
export function pathOf(name, rest = "") {
  return `runs/${encodeURIComponent(name)}${rest}`;
}

/**
 * Calls `told(event)` for what happens to a run, and `linked(isConnected)`, until the returned function is called.
 * It connects again when the stream breaks, and takes up where it was.
 */
export function follow(name, told, linked) {
  const control = new AbortController();
  let last = "";
  const once = async () => {
    const found = await answer(pathOf(name, "/events"), { signal: control.signal, headers: last ? { "Last-Event-ID": last } : {} });
    linked(true);
    const reader = found.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      held += value;
      const parts = held.split("\n\n");
      held = parts.pop();
      for (const part of parts) {
        const fields = Object.fromEntries(part.split("\n").filter((line) => !line.startsWith(":")).map((line) => {
          const at = line.indexOf(": ");
          return [line.slice(0, at), line.slice(at + 2)];
        }));
        if (fields.id) last = fields.id;
        if (fields.data) told(fields.event, JSON.parse(fields.data));
      }
    }
  };
  (async () => {
    let wait = 500;
    while (!control.signal.aborted) {
      const began = Date.now();
      try {
        await once();
      } catch (error) {
        if (control.signal.aborted) return;
        linked(false, error);
        if (error.status === 404) return;
      }
      wait = Date.now() - began > 5000 ? 500 : Math.min(wait * 1.7, 8000);
      await new Promise((resume) => setTimeout(resume, wait));
    }
  })();
  return () => control.abort();
}
