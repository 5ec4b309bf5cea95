// The page of one run: everything that is drawn of it, live or from a report.

import { listing } from "./code.js";
import { el, add, button, card, fill, table } from "./dom.js";
import { drawing, pictured } from "./figures.js";
import { compact, cost, count, duration, moment, money, percent, score, signed } from "./format.js";
import { maps } from "./maps.js";
import { curves, progress } from "./plot.js";
import { gainOf, programWindow } from "./program.js";
import { operatorName } from "./theme.js";
import { family } from "./tree.js";

const STEPS = 60;
const ROWS = 30;

/**
 * Returns {node, refresh(status), open(place)}: the page of a run. `source` gives programs (see programWindow); `head` are
 * elements beside the title, `aside` a card beside what goes on.
 */
export function runPage(data, source, { head = [], aside = null } = {}) {
  const open = programWindow(data, source);
  const parts = [title, tiles, chart, now, best, tree, archives, drawn, programs, yields, failures, spending, heldOut, sandbox]
    .map((make) => make(data, { open, source, head, aside }));
  const main = el("main", {}, parts.map((part) => part.node));
  const nav = el("nav", { class: "sections", "aria-label": "sections of the page" }, [...main.querySelectorAll("section.card[id]")].map((one) =>
    el("button", { type: "button", "data-for": one.id, on: { click: () => one.scrollIntoView({ behavior: "smooth", block: "start" }) } }, one.querySelector("h2").textContent)));
  main.querySelector("header").after(nav);
  const refresh = (status) => {
    for (const part of parts) part.refresh?.(status);
    for (const link of nav.children) link.hidden = main.querySelector(`#${link.dataset.for}`).hidden;
  };
  return { node: main, refresh, open };
}

function title(data, { head }) {
  const state = el("span", {});
  const facts = el("p", { class: "muted" });
  const goal = el("p", { class: "goal" });
  const name = el("h1", {});
  const refresh = (status) => {
    const { run, ended } = data.facts;
    fill(name, status.name ?? run.problem);
    fill(state, el("span", { class: `pill ${status.state}` }, status.state));
    const [first, ...rest] = paragraphs(run.goal);
    if (goal.dataset.text !== run.goal) {
      goal.dataset.text = run.goal;
      fill(goal, first, rest.length ? el("details", { class: "more" }, el("summary", {}, "more"), rest.map((text) => el("p", {}, text))) : null);
    }
    fill(facts, [run.problem, `begun ${moment(run.started_at)}`, `seed ${run.seed}`, `${run.islands} island${run.islands === 1 ? "" : "s"}`,
      run.models.length ? run.models.join(", ") : "no model", status.message || ended].filter(Boolean).join(" · "));
  };
  return { node: el("header", { class: "run" }, el("div", { class: "title" }, name, state, el("div", { class: "row push" }, head)), goal, facts), refresh };
}

/** Returns the paragraphs of a text whose lines are broken for a terminal; a long first one is cut after a sentence. */
function paragraphs(text) {
  const found = text.split(/\n\s*\n/).map((part) => part.replace(/\n(?=\S)/g, " ").trim());
  const end = found[0].length > 260 ? found[0].search(/[.;:] /) + 1 : 0;
  return end > 0 ? [found[0].slice(0, end), found[0].slice(end).trim(), ...found.slice(1)] : found;
}

function tiles(data) {
  const node = el("div", { class: "tiles" });
  const tile = (label, figure, more, share) => el("div", { class: "tile" }, el("div", { class: "label" }, label), el("div", { class: "figure" }, figure),
    el("div", { class: "muted" }, more), share === undefined ? null : el("progress", { max: 1, value: Math.min(share, 1), "aria-label": `share of ${label}` }));
  const refresh = (status) => {
    const { run, bests, total, worked_s: worked, budget = {}, trust } = data.facts;
    const limits = status.budget ?? budget;
    const best = data.best >= 0 ? data.score[data.best] : null;
    const gain = best === null ? "no program has a score yet" : bests.length > 1 ? `${signed(best - data.score[bests[0]])} over the first ${score(data.score[bests[0]], 6)}` : "the first program";
    const rate = worked > 0 ? data.count / worked : 0;
    const known = run.lines["best known"];
    const beside = best !== null && known !== undefined ? `, ${data.fitness(best - known) > 0 ? "better than" : "still behind"} the best known` : "";
    const waits = [[limits.evaluations && rate ? (limits.evaluations - data.count) / rate : Infinity], [limits.minutes ? limits.minutes * 60 - worked : Infinity]];
    const left = Math.min(...waits.flat());
    const going = status.state === "running";
    const spent = cost(total);
    fill(node,
      tile(`best ${run.objective}${trust ? ", self-scored" : ""}`, score(best, 7), gain + beside),
      tile("evaluations", count(data.count), `${limits.evaluations ? `of ${count(limits.evaluations)}, ` : ""}${data.count ? percent(total.ok / data.count) : "none"} with a score`,
        limits.evaluations ? data.count / limits.evaluations : undefined),
      tile("time worked", duration(worked), `${Number(rate.toPrecision(3))} evaluations/s${going && Number.isFinite(left) && left > 0 ? `, about ${duration(left)} left` : ""}`,
        limits.minutes ? worked / 60 / limits.minutes : undefined),
      tile("cells filled", count([...data.elites.values()].reduce((sum, cells) => sum + cells.size, 0)), `on ${data.elites.size} of ${run.islands} island${run.islands === 1 ? "" : "s"}`),
      tile("cost", total.calls ? spent : "none", total.calls ? `${compact(total.tokens)} tokens in ${count(total.calls)} calls${limits.cost_usd ? `, of ${money(limits.cost_usd)}` : ""}` : "no model was asked",
        limits.cost_usd ? total.cost_usd / limits.cost_usd : undefined));
  };
  return { node, refresh };
}

function chart(data, { open }) {
  const hidden = new Set();
  const made = progress(data, hidden, open);
  const legend = el("div", { class: "legend" });
  const refresh = () => {
    if (legend.childElementCount !== data.words.operator.length)
      fill(legend, data.words.operator.map((name) => el("button", { type: "button", class: "key", "aria-pressed": String(!hidden.has(name)), on: { click: (event) => {
        if (!hidden.delete(name)) hidden.add(name);
        event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(name)));
        made.redraw();
      } } }, swatch(name), name)));
    made.redraw();
  };
  return { node: card("progress", "Score over evaluations", "The line is the best so far, rings are the ancestors of the best, red ticks at the foot programs without a score. "
    + "Much worse programs stand at the edge. An operator is hidden by its name.", legend, made.node), refresh };
}

function swatch(operator) {
  return el("i", { class: "swatch", vars: { "--swatch": `var(--${operatorName(operator)})` } });
}

function now(data, { aside }) {
  const going = el("div", {});
  const news = el("ol", { class: "news" });
  const node = card("now", "What goes on", "", going, el("h3", {}, "News"), news);
  const meter = (label, value, of) => [el("dt", {}, label), el("dd", {}, String(value), of ? el("progress", { max: of, value, "aria-label": label }) : null)];
  const refresh = (status) => {
    const live = ["running", "paused", "stopping"].includes(status.state);
    const most = Math.max(status.in_flight ?? 0, 1);
    fill(going, live ? [el("dl", { class: "facts" },
      meter("at a model", status.open_calls ?? 0, most), meter("being evaluated", status.evaluating ?? 0, most), meter("decisions under way", status.in_flight ?? 0)),
    (status.waits ?? []).map((text) => el("p", { class: "wait" }, text)), status.state === "paused" ? el("p", { class: "wait" }, status.message || "paused") : null]
      : el("p", {}, status.message || data.facts.ended || "The run is not under way."));
    const { bests, asked } = data.facts;
    const gained = (n) => (n ? el("span", { class: "up" }, signed(data.score[bests[n]] - data.score[bests[n - 1]])) : "");
    const first = Math.max(0, bests.length - 6);
    const lines = bests.slice(first).map((at, n) => [data.worked_s[at], el("li", {}, el("strong", {}, score(data.score[at], 8)), " ", gained(first + n),
      ` by ${data.operatorOf(at)}, after ${count(at + 1)} evaluations, ${duration(data.worked_s[at])}`)]);
    const told = asked.slice(-6).map(([, text]) => el("li", { class: "asked" }, text));
    fill(news, lines.length || told.length ? [lines.map(([, line]) => line).reverse(), told.reverse()] : el("li", { class: "muted" }, "Nothing yet."));
  };
  return { node: aside ? el("div", { class: "columns" }, node, aside.node) : node, refresh: (status) => {
    refresh(status);
    aside?.refresh(status);
  } };
}

function best(data, { open, source }) {
  const body = el("div", {});
  const steps = el("div", {});
  let shown = "";
  const node = card("best", "The best program", "", body, el("h3", {}, "How it came about"), steps);
  const refresh = () => {
    node.hidden = data.best < 0;
    const id = data.id[data.best];
    if (node.hidden || shown === id) return;
    shown = id;
    const { lineage } = data.facts;
    const gains = lineage.map((at, n) => (n && data.score[at] !== null && data.score[lineage[n - 1]] !== null ? Math.abs(data.score[at] - data.score[lineage[n - 1]]) : Infinity));
    const least = lineage.length > STEPS ? gains.toSorted((a, b) => b - a)[STEPS - 1] : -1;
    const kept = lineage.filter((_, n) => gains[n] >= least).slice(-STEPS).reverse();
    const rows = kept.map((at) => el("tr", { class: "pick", on: { click: () => open(at, "changes") } },
      el("td", { class: "n" }, score(data.score[at], 8)), el("td", { class: "n" }, gainOf(data, at)), el("td", {}, swatch(data.operatorOf(at)), data.operatorOf(at)),
      asksModels(data) ? el("td", {}, data.modelOf(at)) : null, el("td", {}, button(`#${at}`, (event) => {
        event.stopPropagation();
        open(at, "changes");
      }, { class: "link", "aria-label": `changes of program ${at}` }))));
    fill(steps, el("p", { class: "note" }, `${count(lineage.length)} program${lineage.length === 1 ? "" : "s"} from the seed to the best, the best first`
      + (kept.length < lineage.length ? `; ${count(lineage.length - kept.length)} with the smallest gains are left out.` : ".")),
    table([">score", ">gain", "operator", ...(asksModels(data) ? ["model"] : []), "program"], rows, { label: "ancestry of the best" }));
    source.program(id).then((program) => {
      if (shown !== id) return;
      const pictures = pictured(program);
      body.className = pictures.length ? "pictured" : "";
      fill(body, pictures.length ? el("div", {}, pictures) : null, el("div", {}, el("p", { class: "row" }, button("Open", () => open(data.best), { class: "main" }), button("Changes to its parent", () => open(data.best, "changes"))),
        Object.entries(program.files).map(([path, text]) => el("details", { class: "fold-out", open: text.split("\n").length < 60 }, el("summary", {}, path), listing(text, `text of ${path}`)))));
    }).catch((error) => fill(body, el("p", { class: "bad" }, error.message)));
  };
  return { node, refresh };
}

function asksModels(data) {
  return data.words.model.some(Boolean);
}

function tree(data, { open }) {
  const made = family(data, open);
  const node = card("family", "Family tree", "The seed stands in the middle, each ring is a generation, colours are operators; the golden line leads to the best. Drag to move; "
    + "zoom with the buttons, two fingers, or the wheel once the tree is clicked (or with Ctrl).", made.node);
  return { node, refresh: () => {
    node.hidden = data.count < 2;
    made.redraw();
  } };
}

function archives(data, { open }) {
  const made = maps(data, open);
  const node = card("archives", "Archives", "", made.node);
  const note = el("p", { class: "note" });
  node.querySelector("h2").after(note);
  return { node, refresh: () => {
    const { measures } = data.facts.run;
    node.hidden = !measures.length || !data.elites.size;
    if (node.hidden) return;
    fill(note, "Each cell holds the best program with that behaviour; point at one, or open it.",
      measures.length > 2 ? ` Of ${measures.length} axes the first two are drawn, with the best over the others.` : null);
    made.refresh();
  } };
}

function drawn(data) {
  const node = el("div", { class: "stack" });
  let shown = null;
  return { node, refresh: () => {
    if (shown === data.drawings) return;
    shown = data.drawings;
    node.hidden = !shown.length;
    fill(node, data.drawings.map((one, at) => card(`drawing-${at}`, one.title, one.note, drawing(one))));
  } };
}

function programs(data, { open }) {
  const body = el("div", {});
  const find = el("input", { type: "search", placeholder: "id, operator, model or status", "aria-label": "find programs" });
  const order = el("select", { "aria-label": "order" }, [["new", "newest first"], ["best", "best first"]].map(([value, label]) => el("option", { value }, label)));
  let most = ROWS;
  const draw = () => {
    const wanted = find.value.trim().toLowerCase();
    const places = [];
    for (let at = data.count - 1; at >= 0; at--)
      if (!wanted || data.id[at].startsWith(wanted) || [data.operatorOf(at), data.modelOf(at), data.statusOf(at), `#${at}`].some((text) => text.toLowerCase().includes(wanted))) places.push(at);
    if (order.value === "best") places.sort((a, b) => (data.score[a] === null) - (data.score[b] === null) || data.fitness(data.score[b]) - data.fitness(data.score[a]));
    fill(body, table([">#", "program", ">score", ">gain", "operator", ...(asksModels(data) ? ["model"] : []), ">island", ">at"], places.slice(0, most).map((at) => el("tr", { class: "pick", on: { click: () => open(at) } },
      el("td", { class: "n" }, String(at)), el("td", {}, button(data.id[at].slice(0, 8), (event) => {
        event.stopPropagation();
        open(at);
      }, { class: "link mono" })), el("td", { class: data.score[at] === null ? "n bad" : "n" }, data.score[at] === null ? data.statusOf(at) : score(data.score[at])),
      el("td", { class: "n" }, gainOf(data, at)), el("td", {}, swatch(data.operatorOf(at)), data.operatorOf(at)), asksModels(data) ? el("td", {}, data.modelOf(at)) : null,
      el("td", { class: "n" }, String(data.island[at])), el("td", { class: "n" }, duration(data.worked_s[at])))), { label: "programs" }),
    el("p", { class: "row" }, el("span", { class: "note" }, `${count(places.length)} program${places.length === 1 ? "" : "s"}`),
      places.length > most ? button("show more", () => {
        most += 5 * ROWS;
        draw();
      }, { class: "quiet" }) : null));
  };
  find.addEventListener("input", draw);
  order.addEventListener("change", draw);
  let seen = -1;
  return { node: card("programs", "Programs", "", el("div", { class: "row" }, find, order), body), refresh: () => {
    if (seen !== data.count && !body.contains(document.activeElement)) draw();
    seen = data.count;
  } };
}

function yields(data) {
  const body = el("div", {});
  const node = card("yields", "Yield", "New best and gain: how often, and by how much, the best score improved. New and better cells: archive cells opened, elites replaced. Unknown prices stay unknown.", body);
  const rows = (all, named) => {
    const top = Math.max(...all.map((one) => one.gain), 0);
    return all.toSorted((a, b) => b.gain - a.gain || b.tried - a.tried).map((one) => {
      const evaluated = one.tried - one.childless;
      const some = (value) => (value ? count(value) : "");
      return [el("span", { class: "nowrap" }, named ? swatch(one.name) : null, one.name), some(one.tried), some(one.childless - one.screened), some(one.screened), evaluated > 0 ? percent(one.ok / evaluated) : "",
        some(one.bests), some(one.new_cells), some(one.better_cells), el("span", { class: "bar", vars: { "--share": String(top ? one.gain / top : 0) } }, one.gain ? String(Number(one.gain.toPrecision(4))) : ""),
        one.calls ? compact(one.tokens) : "", one.calls ? cost(one) : ""];
    });
  };
  const heads = (name) => [name, ">tried", ">no child", ">screened out", ">ok", ">new best", ">new cells", ">better cells", ">gain", ">tokens", ">cost"];
  return { node, refresh: () => {
    const { operators, models } = data.facts;
    node.hidden = !operators.length;
    fill(body, table(heads("operator"), rows(operators, true), { label: "yield of operators" }), models.length ? table(heads("model"), rows(models, false), { label: "yield of models" }) : null);
  } };
}

function failures(data, { open }) {
  const body = el("div", {});
  const node = card("failures", "Failures by reason", "", body);
  return { node, refresh: () => {
    const { rows, rest } = data.facts.failures;
    const all = rows.reduce((sum, row) => sum + row[2], rest);
    const most = rows[0]?.[2] ?? 1;
    fill(body, el("p", { class: "note" }, all ? `${count(all)} of ${count(data.count)} programs ${all === 1 ? "has" : "have"} no score. Numbers in reasons are written #.${rest ? ` ${count(rest)} failed in rarer ways than these.` : ""}`
      : data.count ? "Every program has a score." : "No program was evaluated yet."),
    rows.length ? table(["status", "reason", ">programs", "newest"], rows.map(([status, reason, number, example]) => [status, reason,
      el("span", { class: "bar bad", vars: { "--share": String(number / most) } }, count(number)),
      data.places.has(example) ? button(example.slice(0, 8), () => open(data.places.get(example), "results"), { class: "link mono" }) : example.slice(0, 8)]), { label: "failures" }) : null);
  } };
}

function spending(data) {
  const body = el("div", { class: "pair" });
  const node = card("spending", "Over time", "Minutes of work; pauses between sessions are left out.", body);
  let drawnAt = -1;
  return { node, refresh: () => {
    node.hidden = data.count < 2;
    const stale = data.count - drawnAt > Math.max(20, drawnAt * 0.02) || drawnAt > data.count;
    if (node.hidden || !(stale || (drawnAt < data.count && data.facts.ended))) return;
    drawnAt = data.count;
    const end = data.facts.worked_s / 60;
    const step = Math.max(1, Math.floor(data.count / 300));
    const done = [];
    for (let at = 0; at < data.count; at += step) done.push([data.worked_s[at] / 60, at + 1]);
    const curve = (label, points, show) => el("figure", {}, curves(`${label} over minutes`, [{ name: "", points: [[0, 0], ...points, [end, points.at(-1)[1]]] }], { x: "minutes", y: "", held: true, show }).node,
      el("figcaption", {}, label));
    const { spending: spent, total } = data.facts;
    fill(body, curve("evaluations", [...done, [end, data.count]], compact),
      spent.length ? curve("tokens", spent.map(([s, one]) => [s / 60, one]), compact) : null,
      spent.length && total.calls > total.unpriced ? curve(total.unpriced ? "cost of the calls with a price" : "cost", spent.map(([s, , usd]) => [s / 60, usd]), money) : null,
      fullness(data));
  } };
}

function fullness(data) {
  const points = data.facts.bests.map((at) => [at, data.score[at]]);
  if (points.length < 3) return null;
  return el("figure", {}, curves("best score by minutes", [{ name: "", points: points.map(([at, value]) => [data.worked_s[at] / 60, value]).concat([[data.facts.worked_s / 60, points.at(-1)[1]]]) }],
    { x: "minutes", y: "", show: (value) => score(value, 5) }).node, el("figcaption", {}, "best score"));
}

function heldOut(data) {
  const body = el("div", {});
  const node = card("held-out", "Held out against visible", "Elites judged on cases that no program and no selection has seen. Close to the diagonal, what was found holds; far below it, it was fitted to the visible cases.", body);
  let shown = -1;
  return { node, refresh: () => {
    const pairs = data.facts.held_out.filter(([at]) => data.score[at] !== null);
    node.hidden = !pairs.length && !data.facts.exam_fault;
    if (node.hidden || shown === pairs.length) return;
    shown = pairs.length;
    const dots = pairs.map(([at, held]) => [data.score[at], held]).sort((a, b) => a[0] - b[0]);
    const low = dots.flat().reduce((a, b) => Math.min(a, b), Infinity), high = dots.flat().reduce((a, b) => Math.max(a, b), -Infinity);
    const of = pairs.find(([at]) => at === data.best);
    fill(body, data.facts.agreement ? el("p", {}, data.facts.agreement) : null, data.facts.exam_fault ? el("p", { class: "wait" }, `The best failed on the held-out cases: ${data.facts.exam_fault}`) : null,
      of ? el("p", {}, `The best: ${score(data.score[data.best])} on visible cases, ${score(of[1])} held out.`) : null,
      dots.length > 1 ? curves("held out against visible", [{ name: "held out", points: dots, dots: true }, { name: "equal", points: [[low, low], [high, high]] }], { x: "visible", y: "held out" }).node : null);
  } };
}

function sandbox(data) {
  const body = el("div", {});
  const node = card("sandbox", "Sandbox", "", body);
  return { node, refresh: () => {
    const known = data.facts.layers.filter(([names]) => names.length);
    const bare = data.facts.layers.filter(([names]) => !names.length).reduce((sum, [, number]) => sum + number, 0);
    const all = [...new Set(known.flatMap(([names]) => names))].sort();
    const total = known.reduce((sum, [, number]) => sum + number, 0);
    node.hidden = !data.count;
    fill(body, el("p", { class: "note" }, total ? `Layers in force in ${count(total)} evaluations.${bare ? ` ${count(bare)} programs have none on record: they were never run.` : ""}` : "No layers are on record."),
      add(el("p", { class: "chips" }), all.map((name) => {
        const times = known.filter(([names]) => names.includes(name)).reduce((sum, [, number]) => sum + number, 0);
        return el("span", { class: "chip" }, times === total ? name : `${name} (${count(times)})`);
      })), data.facts.trust ? el("p", { class: "wait" }, `The scores of this run are ${data.facts.trust}. Read the best program before believing its score.`) : null);
  } };
}
