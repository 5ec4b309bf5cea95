// The page: the list of runs, or one run, live; or a report with its data inside.

import { el, add, button, fill, tell } from "./dom.js";
import { ask, follow, pathOf, present, read, save } from "./live.js";
import { runPage } from "./run.js";
import { RunData } from "./run_data.js";
import { backToList, runList, tokenQuestion } from "./runs.js";
import { steering } from "./steer.js";
import { startTheme, switchTheme } from "./theme.js";

const PAUSE_MS = 1200;

function frame(...children) {
  const link = el("p", { class: "link-state", role: "status" });
  const place = el("div", { class: "place" });
  fill(document.body, el("a", { class: "skip", href: "#main", on: { click: (event) => {
    event.preventDefault();
    place.querySelector("h1, h2")?.scrollIntoView();
    place.querySelector("button, a, input")?.focus();
  } } }, "to the content"),
  el("div", { class: "bar-top" }, el("strong", { class: "brand" }, "Code Discovery"), children, link, button("◐", switchTheme, { class: "quiet push", "aria-label": "light or dark" })), place);
  return { place, link };
}

/** Shows a report: its data stands in the page. */
async function showReport(packed) {
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const { name, view, programs } = JSON.parse(text);
  const data = new RunData();
  data.take(view);
  const { place } = frame();
  const source = {
    program: async (id) => {
      const found = programs[id] ?? Object.values(programs).find((one) => one.program_id.startsWith(id) && id);
      if (!found) throw new Error("The text of this program is not in the report, which keeps those of the best's ancestors and of elites. "
        + `Read it with: discovery show RUN ${id}`);
      return found;
    },
    commands: (program) => [["show it", `discovery show ${name} ${program.program_id}`],
      ["in git", `git -C ${name}/lineage show ${program.commit || `":/${program.program_id}"`}`]],
  };
  const page = runPage(data, source);
  add(place, page.node, el("footer", {}, "Written by Code Discovery. This file is complete in itself and loads nothing."));
  page.refresh({ state: view.ended ? "ended" : "open", message: "", name });
}

/** Shows a run of the service, until the returned function is called. */
function showRun(name, wanted, shell) {
  const data = new RunData();
  let page = null, status = null;
  let over = false, busy = false, again = false, timer = 0;
  const source = {
    program: (id) => read(pathOf(name, `/programs/${encodeURIComponent(id)}`)),
    purge: async (id, reason) => {
      const { program_ids: gone } = await ask(pathOf(name, "/purge"), { program: id, reason });
      refresh();
      return gone;
    },
    commands: (program) => program.commands ?? [],
  };
  const refresh = async () => {
    if (over) return;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const view = await read(pathOf(name, `/view?after=${data.count}&edition=${data.edition}`));
      if (over) return;
      data.take(view);
      status = view.status;
      if (!page) {
        const aside = steering(name, () => "program.py", () => setTimeout(refresh, 300));
        const head = [button("Report", () => save(pathOf(name, "/report"), `${name}.html`).then(() => tell("report saved"), (error) => tell(error.message, "bad")), { id: "report" })];
        page = runPage(data, source, { head, aside });
        fill(shell.place, page.node);
      }
      page.refresh(status);
      if (wanted && data.places.has(wanted)) page.open(data.places.get(wanted));
      wanted = "";
    } catch (error) {
      failed(error);
    } finally {
      busy = false;
      if (again) {
        again = false;
        schedule();
      }
    }
  };
  const schedule = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      refresh();
    }, PAUSE_MS);
  };
  const failed = (error) => {
    if (error.status === 401) askToken(error);
    else if (error.status === 404) fill(shell.place, el("main", {}, el("p", { class: "empty" }, error.message)));
    else shell.link.textContent = error.message;
  };
  const unfollow = follow(name, (event, facts) => {
    if (event === "warned" || event === "informed") tell(facts.text, event === "warned" ? "bad" : "good");
    schedule();
  }, (connected, error) => {
    shell.link.textContent = connected ? "" : "no connection; trying again";
    if (error?.status === 401) askToken(error);
  });
  const beat = setInterval(() => status && ["running", "paused", "stopping"].includes(status.state) && schedule(), 3000);
  fill(shell.place, el("main", { class: "skeleton", "aria-busy": "true" }, el("h1", {}, name), el("div", { class: "tiles" }, [1, 2, 3, 4, 5].map(() => el("div", { class: "tile ghost" }))), el("div", { class: "card ghost tall" })));
  refresh();
  return () => {
    over = true;
    unfollow();
    clearTimeout(timer);
    clearInterval(beat);
    document.querySelector("dialog.program")?.remove();
  };
}

function askToken(error) {
  leave();
  const { place } = frame();
  fill(place, el("main", {}, tokenQuestion(error.message, (secret) => {
    present(secret);
    route();
  })));
  document.querySelector("#token").focus();
}

let leave = () => null;
let shown = null;

function route() {
  const [, run, program] = location.hash.match(/^#\/run\/([^/]+)(?:\/program\/([0-9a-f]+))?/) ?? [];
  const key = run ?? "";
  leave();
  shown = key;
  const shell = frame(run ? backToList() : null);
  document.title = run ? `${decodeURIComponent(run)} · Code Discovery` : "Code Discovery";
  if (run) leave = showRun(decodeURIComponent(run), program, shell);
  else {
    const list = runList((error) => (error.status === 401 ? askToken(error) : (shell.link.textContent = error.message)));
    fill(shell.place, el("main", {}, el("h1", { class: "hidden" }, "Runs"), list.node));
    leave = list.stop;
  }
}

startTheme();
const packed = document.getElementById("data");
if (packed) showReport(packed.textContent);
else {
  addEventListener("hashchange", () => {
    const run = location.hash.match(/^#\/run\/([^/]+)/)?.[1] ?? "";
    if (run !== shown || !run) route();
  });
  route();
}
