"""The sections of the report: facts of a run as HTML. Whatever is not ours goes through `clean`."""

from __future__ import annotations

import bisect
import difflib
import html
import time
from collections.abc import Sequence
from dataclasses import replace

from discovery.core.records import Record
from discovery.core.texts import SELF_SCORED, one_line, printable
from discovery.programs.line_diff import is_costly
from discovery.reporting import charts
from discovery.reporting.charts import Dot, compact
from discovery.reporting.facts import EliteSeen, Story, Yield, map_of

_DOTS = 4000
_FAILED_TICKS = 1500
_STEPS = 80
_STEPS_AT_ONCE = 12
_DIFF_LINES = 400
_TEXT_CHARS = 4000
_FAILURES = 14
_CONTEXT_LINES = 2


def clean(text: str, limit: int | None = None) -> str:
    """Returns foreign text as one printable line, not yet escaped."""
    return one_line(text, limit)


def header(story: Story) -> str:
    """Returns the head of the page: the problem, its goal, the run."""
    info = story.info
    goal = printable(info.goal.strip(), 600).split("\n\n")[0]
    facts = [
        f"started {_date(info.started_at)}",
        f"seed {info.seed}",
        f"{info.islands} island{'s' if info.islands != 1 else ''}",
        *([f"models: {', '.join(info.models)}"] if info.models else ["no model"]),
        story.reason or "not ended yet, or killed",
    ]
    return (
        f"<header><h1>{_escape(info.problem)}</h1><p class='goal'>{html.escape(goal)}</p>"
        f"<p class='facts'>{' · '.join(_escape(fact) for fact in facts)}</p></header>"
    )


def tiles(story: Story) -> str:
    """Returns the figures at the top."""
    info, best, total = story.info, story.best, story.total
    figures: list[tuple[str, str, str]] = []
    if best is not None and best.score is not None:
        first = story.bests[0].score or 0.0
        gain = info.objective.fitness(best.score) - info.objective.fitness(first)
        held = story.held_out.get(best.program_id, {}).get(info.objective.name)
        more = f"first {first:.6g}, gain {gain:.4g}" + (f", held out {held:.6g}" if held is not None else "")
        if fault := story.exam_faults.get(best.program_id):
            more += f", held out: failed ({fault})"
        mark = ", self-scored" if story.is_self_scored else ""
        figures.append(
            (f"best {info.objective.name} ({info.objective.direction}{mark})", f"{best.score:.7g}", more)
        )
    else:
        figures.append((f"best {info.objective.name}", "none", "no program has a score yet"))
    if (found := story.agreement).correlation is not None:
        figures.append(("visible against held-out rank", f"{found.correlation:.2f}", found.text))
    count = story.count
    share = f"{total.ok / count:.0%} with a score" if count else "none yet"
    figures.append(("evaluations", f"{count:,}", share))
    rate = f"{count / story.worked_s:.3g} evaluations/s" if story.worked_s > 0 else ""
    figures.append(("worked", _duration(story.worked_s), rate))
    cells = sum(len(island) for island in story.islands.values())
    figures.append(("occupied cells", f"{cells:,}", f"on {len(story.islands)} of {info.islands} islands"))
    figures.append(("tokens", compact(total.tokens), f"{total.calls:,} model calls"))
    unpriced = f"at least ${total.cost_usd:.4g}; {total.unpriced:,} calls of unknown price"
    cost = "unknown" if total.unpriced else _cost(total)
    figures.append(("cost", cost, unpriced if total.unpriced else ""))
    return '<div class="tiles">' + "".join(_tile(*figure) for figure in figures) + "</div>"


def trust(story: Story) -> str:
    """Returns what a self-scored run's scores are worth; "" for other runs."""
    if not story.is_self_scored:
        return ""
    note = f"The scores of this run are {_escape(SELF_SCORED)}. Read the best program before believing its score."
    return _section("Self-scored", note, "")


def progress(story: Story, ancestors: Sequence[Record]) -> str:
    """Returns the score over evaluations."""
    objective = story.info.objective
    dots = [
        _dot(point.index, point.score, point.operator, point.program_id)
        for point in story.points
        if point.score is not None
    ]
    route = [
        replace(_dot(one.index, one.score, one.operator, one.program_id), style="ancestor")
        for one in ancestors
        if one.score is not None
    ]
    failed = [point.index for point in story.points if point.score is None]
    stride = max(len(failed) // _FAILED_TICKS, 1)
    lines = {"target": objective.target, "proven bound": objective.bound}
    chart = charts.progress_chart(
        charts.thin(dots, _DOTS),
        best=[(point.index, point.score or 0.0) for point in story.bests],
        ancestors=charts.thin(route, 300),
        failed=failed[::stride],
        lines={name: value for name, value in lines.items() if value is not None},
        last_x=story.points[-1].index,
        axis=clean(objective.name, 40),
    )
    keys = "".join(
        f'<button aria-pressed="true" data-style="{charts.operator_style(name)}">'
        f"{_swatch(charts.operator_style(name))}{_escape(name)}</button>"
        for name in _operators(story)
    )
    return _section(
        "Score over evaluations",
        "The line is the best so far; rings are the ancestors of the best; red ticks: no score. "
        "Much worse programs stand at the edge. Click an operator to hide it.",
        f'<div class="legend">{keys}</div><div class="scatter">{chart}</div>',
    )


def _dot(index: int, score: float, operator: str, program_id: str) -> Dot:
    title = f"#{index} {program_id}\n{clean(operator, 40)}: {score:.8g}"
    return Dot(index, score, charts.operator_style(operator), title)


def maps(story: Story) -> str:
    """Returns one map per island, on one scale of scores."""
    info, axes = story.info, story.info.measures
    elites = [elite for island in story.islands.values() for elite in island.values()]
    if not axes or not elites:
        return ""
    fitness = sorted(info.objective.fitness(elite.score) for elite in elites)
    steps = charts.HEAT_STEPS

    def step(elite: EliteSeen) -> int:
        rank = bisect.bisect_right(fitness, info.objective.fitness(elite.score))
        return min(rank * steps // len(fitness), steps - 1)

    drawn = []
    for number, island in sorted(story.islands.items()):
        cells = map_of(island.values(), axes, info)
        best = max(island.values(), key=lambda elite: info.objective.fitness(elite.score))
        heat = charts.heat_map(
            {at: (step(elite), _elite_title(elite, story)) for at, elite in cells.items()},
            columns=axes[0].bins,
            rows=axes[1].bins if len(axes) > 1 else 1,
            x_axis=(clean(axes[0].name, 30), axes[0].low, axes[0].high),
            y_axis=(clean(axes[1].name, 30), axes[1].low, axes[1].high) if len(axes) > 1 else None,
            title=f"archive of island {number}",
        )
        facts = f"{len(island)} elites, best {best.score:.6g}"
        head = f"<h3>Island {number} <span class='none'>· {facts}</span></h3>"
        drawn.append(f"<div>{head}{heat}</div>")
    ramp = "".join(f'<rect class="h{n}" x="{n * 14}" width="13" height="12"/>' for n in range(steps))
    ends = [info.objective.fitness(value) for value in (fitness[0], fitness[-1])]  # its own inverse
    legend = (
        f'<div class="legend"><span>{ends[0]:.5g}</span><svg class="ramp" viewBox="0 0 126 12">{ramp}</svg>'
        f"<span>{ends[1]:.5g}</span></div>"
    )
    more = (
        " Of more than two axes the first two are drawn, with the best over the others."
        if len(axes) > 2
        else ""
    )
    return _section(
        "Archives",
        "Each cell holds the best program with that behaviour; point at one for its name. The shade is "
        f"its rank among all elites.{more}",
        f'{legend}<div class="maps">{"".join(drawn)}</div>',
    )


def ancestry(story: Story, chain: Sequence[Record]) -> str:
    """Returns how the best came about: its first parents back to the seed, each with what it changed."""
    if not chain:
        return ""
    shown = _worth_showing(chain)
    parts = [
        _step(story, chain[at - 1] if at else None, chain[at], is_best=at == len(chain) - 1)
        for at in reversed(shown)
    ]
    if len(parts) > _STEPS_AT_ONCE:
        head = f"<summary>{len(parts) - _STEPS_AT_ONCE} earlier steps</summary>"
        rest = "".join(parts[_STEPS_AT_ONCE:])
        parts[_STEPS_AT_ONCE:] = [f"<details class='plain earlier'>{head}{rest}</details>"]
    left_out = len(chain) - len(shown)
    note = f"{len(chain)} programs from the seed to the best, the best first."
    if left_out:
        note += f" The {left_out} steps with the smallest gains are left out."
    best = chain[-1]
    texts = "".join(
        f"<details class='plain'><summary>The best program, {_escape(path)}</summary>"
        f"<pre>{html.escape(printable(text, 200_000))}</pre></details>"
        for path, text in best.program.files.items()
    )
    button = '<p class="note"><button class="plain" data-open>Open all</button></p>'
    return _section("Ancestry of the best", note, button + "".join(parts) + texts)


def yields(story: Story) -> str:
    """Returns what operators and models were given and gave."""
    by_operator = _yield_table("operator", [(name, story.operators[name]) for name in _operators(story)])
    parts = f"<div class='wide'>{by_operator}</div>"
    if story.models:
        by_model = _yield_table("model", sorted(story.models.items()))
        parts += f"<h3>&nbsp;</h3><div class='wide'>{by_model}</div>"
    return _section(
        "Yield",
        "New best and gain: how often, and by how much, the best score improved. New and better cells: "
        "archive cells that were opened, and elites that were replaced. Unknown prices stay unknown.",
        parts,
    )


def failures(story: Story) -> str:
    """Returns why programs failed."""
    if not story.failures:
        return _section("Failures", "Every program had a score.", "")
    ranked = sorted(story.failures.items(), key=lambda item: (-item[1].count, item[0]))
    total = sum(failure.count for failure in story.failures.values())
    rows = "".join(
        f"<tr><td>{_escape(status)}</td><td class='words'>{_escape(reason)}</td>"
        f"<td class='n'>{failure.count:,}</td>"
        f"<td class='grow'>{charts.bar(failure.count / ranked[0][1].count, 'bar-bad')}</td>"
        f"<td><code>{_escape(failure.example)}</code></td></tr>"
        for (status, reason), failure in ranked[:_FAILURES]
    )
    head = "<tr><th>status</th><th>reason</th><th class='n'>programs</th><th></th><th>newest</th></tr>"
    rest = sum(failure.count for _, failure in ranked[_FAILURES:])
    note = f"{total:,} of {story.count:,} programs have no score."
    if rest:
        note += f" {rest:,} of them failed in rarer ways than those shown."
    return _section("Failures by reason", note + " Numbers in reasons are written #.", _table(head, rows))


def spending(story: Story) -> str:
    """Returns evaluations, tokens and cost over time."""
    end = story.worked_s / 60
    steps = max(len(story.points) // 300, 1)
    done = [(point.worked_s / 60, float(point.index + 1)) for point in story.points]
    drawn = [("evaluations", [*done[::steps], done[-1]], compact)]
    if story.spending:
        stride = max(len(story.spending) // 300, 1)
        spent = [*story.spending[::stride], story.spending[-1]]
        drawn.append(("tokens", [(s / 60, float(tokens)) for s, tokens, _ in spent], compact))
        if story.total.calls > story.total.unpriced:
            costs = [(s / 60, cost) for s, _, cost in spent]
            name = "cost of the calls with a price" if story.total.unpriced else "cost"
            drawn.append((name, costs, lambda value: f"${value:.4g}"))
    figures = "".join(
        f"<div><h3>{name}</h3>{charts.growth_chart(points, label='', end=end, show=show)}</div>"
        for name, points, show in drawn
    )
    return _section(
        "Over time",
        "Minutes of work; pauses between sessions are left out.",
        f'<div class="pair">{figures}</div>',
    )


def layers(story: Story) -> str:
    """Returns the sandbox layers that were in force."""
    counts = {names: count for names, count in story.layers.items() if names}
    bare = story.layers[()]
    if not counts:
        return _section("Sandbox", "No layers are on record.", "")
    every = set.intersection(*(set(names) for names in counts))
    some = {name for names in counts for name in names} - every
    chips = "".join(f'<span class="chip">{_escape(name)}</span>' for name in sorted(every))
    parts = f'<div class="chips">{chips}</div>'
    if some:
        listed = ", ".join(
            f"{_escape(name)} ({sum(count for names, count in counts.items() if name in names):,})"
            for name in sorted(some)
        )
        parts += f"<p class='note'>For a part of the evaluations only: {listed}.</p>"
    note = f"Layers in force in {sum(counts.values()):,} evaluations."
    if bare:
        note += f" {bare:,} programs have no layers on record: they were never run."
    return _section("Sandbox", note, parts)


def _operators(story: Story) -> list[str]:
    order = ("seed", *charts.OPERATOR_COLOURS)
    return sorted(
        story.operators, key=lambda name: (order.index(name) if name in order else len(order), name)
    )


def _worth_showing(chain: Sequence[Record]) -> list[int]:
    """Returns the places of at most `_STEPS` steps: the first, the last and those that changed most."""
    if len(chain) <= _STEPS:
        return list(range(len(chain)))
    scores = [record.evaluation.score or 0.0 for record in chain]
    ranked = sorted(range(1, len(chain) - 1), key=lambda at: -abs(scores[at] - scores[at - 1]))
    return sorted([0, *ranked[: _STEPS - 2], len(chain) - 1])


def _step(story: Story, parent: Record | None, record: Record, *, is_best: bool) -> str:
    score = record.evaluation.score
    gain = ""
    if parent is not None and score is not None and parent.evaluation.score is not None:
        change = score - parent.evaluation.score
        better = story.info.objective.fitness(score) >= story.info.objective.fitness(parent.evaluation.score)
        gain = f'<span class="{"up" if better else "down"}">{change:+.4g}</span>'
    models = ", ".join(dict.fromkeys(clean(call.model, 60) for call in record.calls))
    who = f"{clean(record.operator, 40)}{f' by {models}' if models else ''}, island {record.island}"
    if len(record.parents) > 1:
        who += f", also from {', '.join(record.parents[1:])}"
    summary = (
        f"<summary><span class='score'>{'' if score is None else f'{score:.7g}'}</span><span>{gain}</span>"
        f"<span class='who'>{_escape(who)}</span>"
        f"<code>#{record.index} {_escape(record.program_id)}</code></summary>"
    )
    texts = "".join(
        f'<p class="words-of"><b>{_escape(name, 40)}</b>\n{html.escape(printable(text, _TEXT_CHARS))}</p>'
        for name, text in {**record.texts, **story.notes.get(record.program_id, {})}.items()
    )
    files = record.program.files.items()
    changed = "".join(_file(path, text) for path, text in files) if parent is None else _diff(parent, record)
    return f"<details{' open' if is_best and parent else ''}>{summary}{texts}{changed}</details>"


def _file(path: str, text: str) -> str:
    lines = printable(text).split("\n")
    cut = [f"… {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    body = html.escape("\n".join(lines[:_DIFF_LINES] + cut))
    return f'<pre><span class="m">{_escape(path)}</span>{body}</pre>'


def _diff(parent: Record, child: Record) -> str:
    """Returns the coloured difference of two programs' files."""
    old, new = parent.program.files, child.program.files
    parts: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path):
            continue
        before, after = (printable(files.get(path, "")).split("\n") for files in (old, new))
        if is_costly(before, after):
            parts.append(f'<pre><span class="m">{_escape(path)}</span>too different to compare</pre>')
            continue
        lines = difflib.unified_diff(before, after, lineterm="", n=_CONTEXT_LINES)
        coloured = [_diff_line(line) for line in list(lines)[2 : _DIFF_LINES + 2]]
        cut = '<span class="m">… cut</span>' if len(coloured) == _DIFF_LINES else ""
        parts.append(f'<pre><span class="m">{_escape(path)}</span>{"".join(coloured)}{cut}</pre>')
    return "".join(parts) or '<p class="words-of">The same text.</p>'


def _diff_line(line: str) -> str:
    style = {"+": "a", "-": "d", "@": "m"}.get(line[:1])
    text = html.escape(line) or " "
    return f'<span class="{style}">{text}</span>' if style else f"{text}\n"


def _yield_table(name: str, rows: Sequence[tuple[str, Yield]]) -> str:
    top = max((each.gain for _, each in rows), default=0.0)
    heads = ("tried", "no child", "screened out", "ok", "new best", "new cells", "better cells", "gain")
    head = f"<tr><th>{name}</th>" + "".join(f"<th class='n'>{text}</th>" for text in heads)
    head += "<th></th><th class='n'>tokens</th><th class='n'>cost</th></tr>"
    body = []
    for label, each in rows:
        swatch = _swatch(charts.operator_style(label)) if name == "operator" else ""
        evaluated = each.tried - each.childless
        figures = (
            f"{each.tried:,}",
            f"{each.childless - each.screened:,}" if each.childless > each.screened else "",
            f"{each.screened:,}" if each.screened else "",
            f"{each.ok / evaluated:.0%}" if evaluated else "",
            f"{each.bests:,}" if each.bests else "",
            f"{each.new_cells:,}" if each.new_cells else "",
            f"{each.better_cells:,}" if each.better_cells else "",
            f"{each.gain:.4g}" if each.gain else "",
        )
        body.append(
            f"<tr><td class='name'>{swatch}{_escape(label, 60)}</td>"
            + "".join(f"<td class='n'>{figure}</td>" for figure in figures)
            + f"<td class='grow'>{charts.bar(each.gain / top if top else 0.0)}</td>"
            + f"<td class='n'>{compact(each.tokens) if each.calls else ''}</td>"
            + f"<td class='n'>{_cost(each) if each.calls else ''}</td></tr>"
        )
    return _table(head, "".join(body))


def _elite_title(elite: EliteSeen, story: Story) -> str:
    places = ", ".join(
        f"{clean(axis.name, 30)} {value:.4g}"
        for axis, value in zip(story.info.measures, elite.measures, strict=False)
    )
    return f"{elite.program_id}\n{elite.score:.8g}\n{places}"


def _section(title: str, note: str, body: str) -> str:
    return f"<section><h2>{title}</h2><p class='note'>{note}</p>{body}</section>"


def _table(head: str, rows: str) -> str:
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _tile(name: str, figure: str, more: str) -> str:
    return (
        f'<div class="tile"><div class="name">{_escape(name)}</div>'
        f'<div class="figure">{_escape(figure)}</div><div class="more">{_escape(more)}</div></div>'
    )


def _swatch(style: str) -> str:
    square = f'<rect class="{style}" width="10" height="10" rx="2"/>'
    return f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">{square}</svg>'


def _escape(text: str, limit: int | None = None) -> str:
    return html.escape(clean(text, limit))


def _cost(each: Yield) -> str:
    if not each.unpriced:
        return f"${each.cost_usd:.4g}"
    return "unknown" if each.unpriced == each.calls else f"unknown, ≥ ${each.cost_usd:.4g}"


def _date(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at_s))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"
