// One program, in a window of its own over the page: text, changes, results, question and reply, git.

import { listing, differences } from "./code.js";
import { el, button, fill, table, tell } from "./dom.js";
import { pictured } from "./figures.js";
import { compact, count, duration, moment, money, score, signed } from "./format.js";

/**
 * Returns what opens the window of a program: open(place). `source.program(id)` gives a program, or throws with the reason;
 * `source.purge` takes one out, where that can be asked; `source.commands(program)` gives commands to get there.
 */
export function programWindow(data, source) {
  const title = el("h2", { id: "program-title" });
  const summary = el("p", { class: "note" });
  const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "what to show of the program" });
  const body = el("div", { class: "pane", role: "tabpanel", tabindex: "0" });
  const dialog = el("dialog", { class: "program", "aria-labelledby": "program-title" },
    el("header", {}, el("div", {}, title, summary), button("×", () => dialog.close(), { class: "close", "aria-label": "close" })), tabs, body);
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  let current = -1;
  let shown = "text";
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // it was opened again before this was told
    current = -1;
    if (location.hash.includes("/program/")) history.replaceState(null, "", location.hash.replace(/\/program\/.*/, ""));
  });

  const panes = {
    text: ["Text", (program) => Object.entries(program.files).map(([path, text]) =>
      el("div", { class: "file" }, el("p", { class: "path" }, path, copier(text)), listing(text, `text of ${path}`)))],
    changes: ["Changes", changes],
    results: ["Results", results],
    talk: ["Question & reply", talk],
    git: ["Git", (program) => git(program)],
  };

  function copier(text) {
    return button("copy", () => navigator.clipboard?.writeText(text).then(() => tell("copied"), () => tell("the browser does not let pages copy", "bad")), { class: "quiet" });
  }

  function changes(program) {
    const others = [...program.parents.map((id, at) => [at ? `also from ${id.slice(0, 8)}` : `parent ${id.slice(0, 8)}`, id]),
      ...(data.best >= 0 && data.id[data.best] !== program.program_id ? [["the best", data.id[data.best]]] : []),
      ...(data.count ? [["the seed", data.id[0]]] : [])].filter(([, id]) => id !== program.program_id);
    const place = el("div", {});
    const wanted = el("input", { type: "text", placeholder: "or another id", "aria-label": "id of another program", size: "14" });
    const choice = el("select", { "aria-label": "compare with" }, others.map(([label, id]) => el("option", { value: id }, label)));
    const compare = async (id) => {
      try {
        const other = await source.program(id);
        const gain = program.score !== null && other.score !== null ? ` Score ${score(other.score)} → ${score(program.score)} (${signed(program.score - other.score)}).` : "";
        fill(place, el("p", { class: "note" }, `From ${other.program_id} to ${program.program_id}.${gain}`), differences(other.files, program.files));
      } catch (error) {
        fill(place, el("p", { class: "bad" }, error.message));
      }
    };
    choice.addEventListener("change", () => compare(choice.value));
    wanted.addEventListener("keydown", (event) => event.key === "Enter" && compare(wanted.value.trim()));
    if (others.length) compare(others[0][1]);
    else fill(place, el("p", { class: "note" }, "It is the first program: it comes from nothing."));
    return [el("p", { class: "row" }, others.length ? [el("label", {}, "Compare with ", choice)] : null, wanted), place];
  }

  function results(program) {
    const { run } = data.facts;
    const rows = Object.entries(program.metrics).map(([name, value]) =>
      [name === run.objective ? el("strong", {}, name) : name, score(value, 10), name in program.held_out ? score(program.held_out[name], 10) : ""]);
    for (const [name, value] of Object.entries(program.held_out)) if (!(name in program.metrics)) rows.push([name, "", score(value, 10)]);
    const held = Object.keys(program.held_out).length > 0;
    const facts = [
      ["status", program.status], ["score", program.score === null ? "" : String(program.score)],
      ["trust", program.self_scored ? data.facts.trust : ""],
      ["reason", program.reason],
      ["cases", program.cases_total ? `${program.cases_done} of ${program.cases_total}` : ""],
      ["measurements", program.scores.map((one) => score(one, 6)).join(", ")],
      ["place", program.measures.map((value, axis) => `${run.measures[axis]?.name ?? axis} ${score(value, 6)}`).join(", ")],
      ["took", `${duration(program.wall_s)}, ${duration(program.cpu_s)} of a processor`],
      ["when", moment(program.at_s)],
      ["sandbox", program.layers.join(", ")],
    ].filter(([, value]) => value);
    return [
      el("dl", { class: "facts" }, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      rows.length ? table(held ? ["metric", ">visible cases", ">held out"] : ["metric", ">value"], held ? rows : rows.map((row) => row.slice(0, 2)), { label: "metrics" }) : null,
      pictured(program),
      program.feedback ? [el("h3", {}, "What it printed"), el("pre", { class: "said", tabindex: "0" }, program.feedback)] : null,
    ];
  }

  function talk(program) {
    const calls = program.calls.map((call) => [call.model, count(call.prompt_tokens), count(call.completion_tokens),
      call.cost_usd === null ? "unknown" : money(call.cost_usd), duration(call.seconds)]);
    const texts = Object.entries(program.texts);
    if (!calls.length && !texts.length) return el("p", { class: "note" }, `No model was asked: ${program.operator} makes programs without one.`);
    return [
      calls.length ? table(["model", ">tokens asked", ">tokens replied", ">cost", ">took"], calls, { label: "calls of models" }) : null,
      program.variant ? el("p", { class: "note" }, `Prompt variant: ${program.variant}`) : null,
      texts.map(([name, text]) => [el("h3", {}, name), el("pre", { class: "said", tabindex: "0" }, text)]),
    ];
  }

  function git(program) {
    const commands = source.commands(program);
    return [
      el("p", { class: "note" }, program.commit ? `Every program is a commit; this one is ${program.commit}.` : "Git has this program in a moment."),
      commands.map(([what, command]) => el("div", { class: "command" }, el("span", {}, what), el("code", { tabindex: "0" }, command), copier(command))),
      source.purge ? el("details", { class: "danger" }, el("summary", {}, "Take this program out of the run"), purge(program)) : null,
    ];
  }

  function purge(program) {
    const why = el("input", { type: "text", maxlength: "200", placeholder: "why, for example: it reads the clock", "aria-label": "reason" });
    return el("form", { class: "row", on: { submit: async (event) => {
      event.preventDefault();
      try {
        const gone = await source.purge(program.program_id, why.value.trim());
        tell(`${gone.length} program${gone.length === 1 ? "" : "s"} purged`);
        dialog.close();
      } catch (error) {
        tell(error.message, "bad");
      }
    } } }, el("p", { class: "note" }, "It counts as rejected from then on, with all that descends from it and was learned from it. The run must not be under way."),
    why, el("button", { type: "submit", class: "bad" }, "Purge"));
  }

  const select = (name, program) => {
    shown = name;
    fill(tabs, Object.entries(panes).map(([key, [label]]) => el("button", {
      type: "button", role: "tab", "aria-selected": String(key === name), tabindex: key === name ? "0" : "-1", on: { click: () => select(key, program) },
    }, label)));
    fill(body, panes[name][1](program));
    body.scrollTop = 0;
  };
  tabs.addEventListener("keydown", (event) => {
    const all = [...tabs.children];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = (all.indexOf(document.activeElement) + step + all.length) % all.length;
    all[at].click();
    tabs.children[at].focus();
  });

  return async (place, pane = "") => {
    if (place < 0 || place >= data.count) return;
    current = place;
    const id = data.id[place];
    fill(title, data.score[place] === null ? data.statusOf(place) : `${data.facts.run.objective} ${score(data.score[place], 10)}`);
    fill(summary, `#${place} ${id} · ${data.operatorOf(place)}${data.modelOf(place) ? ` by ${data.modelOf(place)}` : ""} · island ${data.island[place]}`);
    fill(tabs);
    fill(body, el("p", { class: "note" }, "Reading …"));
    if (!dialog.open) dialog.showModal();
    if (!location.hash.includes("/program/")) history.replaceState(null, "", `${location.hash || "#"}/program/${id}`);
    try {
      const program = await source.program(id);
      if (current === place) select(pane || shown, program);
    } catch (error) {
      if (current === place) fill(body, el("p", { class: "bad" }, error.message));
    }
  };
}

/** Returns how much a program is worth more than its first parent, as an element; "" where either has no score. */
export function gainOf(data, at) {
  const from = data.parent[at];
  if (from < 0 || data.score[at] === null || data.score[from] === null) return "";
  const change = data.score[at] - data.score[from];
  return el("span", { class: data.fitness(change) >= 0 ? "up" : "down" }, signed(change));
}

/** Returns tokens of a number of calls in few characters. */
export function tokens(calls) {
  return calls.calls ? compact(calls.tokens) : "";
}
