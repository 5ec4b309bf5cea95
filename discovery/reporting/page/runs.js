// The list of runs, and a new one.

import { el, button, card, fill, table, tell } from "./dom.js";
import { count, money, moment, score } from "./format.js";
import { ask, read } from "./live.js";

/** Returns the state of a run as a coloured word. */
export function pill(state) {
  return el("span", { class: `pill ${state}` }, state);
}

/** Returns {node, stop}: the list, read again every two seconds. */
export function runList(failed) {
  const list = el("div", {}, el("p", { class: "note" }, "Reading …"));
  const note = el("p", { class: "note" });
  let timer = 0;
  let drawn = "";
  const refresh = async () => {
    try {
      const { runs } = await read("runs");
      const key = JSON.stringify(runs);
      if (key !== drawn) {
        drawn = key;
        fill(note, `${runs.length} run${runs.length === 1 ? "" : "s"}, ${runs.filter((run) => run.state === "running").length} under way.`);
        fill(list, runs.length ? table(["run", "state", "problem", ">evaluations", ">best", ">cost", "begun"], runs.toReversed().map(row), { label: "runs" })
          : el("p", { class: "empty" }, "No run yet. Begin one below, or with: discovery submit PROBLEM"));
      }
      timer = setTimeout(refresh, 2000);
    } catch (error) {
      failed(error);
      if (error.status !== 401) timer = setTimeout(refresh, 4000);
    }
  };
  const row = (run) => {
    const limit = run.budget?.evaluations;
    return [el("a", { href: `#/run/${encodeURIComponent(run.name)}`, class: "run-name" }, run.name), pill(run.state), run.problem,
      el("div", {}, count(run.evaluations), limit ? el("span", { class: "muted" }, ` / ${count(limit)}`) : null,
        limit ? el("progress", { max: limit, value: Math.min(run.evaluations, limit), "aria-label": "share of the evaluations" }) : null),
      score(run.best_score), run.model_calls ? (run.unpriced_calls ? `≥ ${money(run.cost_usd)}` : money(run.cost_usd)) : "", moment(run.created_at)];
  };
  refresh();
  return { node: el("div", { class: "stack" }, card("runs", "Runs", null, note, list), beginning()), stop: () => clearTimeout(timer) };
}

function beginning() {
  const problems = el("datalist", { id: "problems" });
  read("problems").then((found) => fill(problems, found.problems.map((name) => el("option", { value: name })))).catch(() => null);
  const inputs = [
    ["problem", "Problem", { type: "text", required: true, list: "problems", placeholder: "circle_packing" }],
    ["name", "Name", { type: "text", placeholder: "the problem's, with a number", pattern: "[A-Za-z0-9_\\-]{1,64}" }],
    ["evals", "Evaluations", { type: "number", min: "1", step: "1", placeholder: "no limit" }],
    ["minutes", "Minutes", { type: "number", min: "0", step: "any", placeholder: "5, if nothing else is limited" }],
    ["cost_usd", "USD at most", { type: "number", min: "0", step: "any", placeholder: "no limit" }],
    ["model", "Models", { type: "text", placeholder: "none: operators without a model" }],
    ["seed", "Seed", { type: "number", min: "0", step: "1", placeholder: "0" }],
    ["workers", "Workers", { type: "number", min: "1", step: "1", placeholder: "as many as fit" }],
  ].map(([key, label, props]) => [key, label, el("input", { id: `new-${key}`, autocomplete: "off", ...props })]);
  const send = el("button", { type: "submit", class: "main" }, "Begin");
  return card("new", "New run", "One of the service's own problems; for a problem of yours: discovery submit FILE.",
    el("form", { on: { submit: async (event) => {
      event.preventDefault();
      const body = Object.fromEntries(inputs.filter(([, , input]) => input.value.trim() !== "").map(([key, , input]) =>
        [key, input.type === "number" ? Number(input.value) : input.value.trim()]));
      send.disabled = true;
      try {
        const run = await ask("runs", body);
        location.hash = `#/run/${encodeURIComponent(run.name)}`;
      } catch (error) {
        tell(error.message, "bad");
      }
      send.disabled = false;
    } } }, el("div", { class: "fields" }, inputs.map(([key, label, input]) => el("label", { for: `new-${key}` }, label, input))), problems, el("div", { class: "row" }, send)));
}

/** Returns the question for the service's secret; `given` is called with it. */
export function tokenQuestion(message, given) {
  const input = el("input", { type: "password", id: "token", autocomplete: "off", required: true });
  return card("token-card", "This service wants its token", message, el("form", { class: "row", on: { submit: (event) => {
    event.preventDefault();
    given(input.value.trim());
  } } }, el("label", { for: "token" }, "Token ", input), el("button", { type: "submit", class: "main" }, "Open")));
}

/** Returns a way back to the list. */
export function backToList() {
  return button("← all runs", () => (location.hash = "#/"), { class: "quiet" });
}
