"""The page in a real Chromium: from a new run to a report that is opened from the disk, and what attacks come to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from discovery.reporting.report import build_report
from discovery.service.app import make_app
from discovery.service.guard import ServiceConfig
from discovery.service.hosting import Host, HostConfig
from discovery.service.watching import Watch
from tests.discovery.reporting.test_report import entries, evil_run, write_run
from tests.discovery.service.browsing import Browser, needs_chromium, served

pytestmark = [needs_chromium, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    made = Browser(folder)
    yield made
    made.close()


def test_a_run_is_begun_watched_steered_read_and_taken_home(browser: Browser, folder: Path) -> None:
    host = Host(HostConfig(folder / "runs", most_workers=2))
    try:
        with served(make_app(host, ServiceConfig(), lambda: None)) as address:
            browser.open(address)
            browser.wait("document.querySelectorAll('#problems option').length > 5")
            for field, value in {
                "problem": "circle_packing",
                "name": "flow",
                "evals": "100000",
                "workers": "1",
                "seed": "1",
            }.items():
                browser.type(f"#new-{field}", value)
            browser.click("#new button", "Begin")
            figure = "document.querySelector('.tile .figure')?.textContent"
            first = browser.wait(f"/\\d/.test({figure} ?? '') && {figure}")
            assert browser.wait(f"{figure} !== arguments[0] && {figure}", first)
            browser.wait("document.querySelector('.pill')?.textContent === 'running'")

            browser.click("#steer summary", "Give a hint")
            browser.type("#hint", "keep the circles apart")
            browser.click("#steer button", "Send hint")
            browser.wait(
                "document.querySelector('.news').textContent.includes('hint to the models: keep the circles apart')"
            )
            browser.click("#steer button", "Pause")
            browser.wait("document.querySelector('.pill').textContent === 'paused'")
            browser.shoot("run", folder)
            browser.click("#steer button", "Resume")
            browser.wait("document.querySelector('.pill').textContent === 'running'")
            browser.wait(f"Number({figure}) > 1.2")

            browser.click("#best button", "Changes to its parent")
            browser.wait(
                "document.querySelectorAll('.diff .added').length > 0 && document.querySelectorAll('.diff .removed').length > 0"
            )
            assert "Score" in browser.text(".pane")
            browser.shoot("changes", folder, whole=False)
            for tab, shown in (
                ("Text", "def pack"),
                ("Results", "sum_radii"),
                ("Git", "git -C flow.git show"),
                ("Question", "No model was asked"),
            ):
                browser.click(".tabs button", tab)
                browser.wait("document.querySelector('.pane').innerText.includes(arguments[0])", shown)
            browser.click(".close")

            browser.click("#steer button", "Stop")
            browser.click(".confirm button", "Yes")
            browser.wait("document.querySelector('.pill').textContent === 'stopped'")
            browser.click("#report")
            report = folder / "flow.html"
            browser.wait(report.exists)
            evaluations = host.run("flow").facts["evaluations"]
            assert browser.faults() == []
            browser.open(address)
            browser.click("a.run-name", "flow")
            browser.wait("document.querySelector('#programs tbody tr')")
            assert browser.faults() == []
        browser.open(report.as_uri())
        browser.wait("document.querySelectorAll('#programs tbody tr').length > 20")
        assert (
            browser.run("return document.querySelectorAll('.tile .figure')[1].textContent")
            == f"{evaluations:,}"
        )
        browser.click("#best button", "Changes to its parent")
        browser.wait("document.querySelectorAll('.diff .added').length > 0")
        browser.click(".close")
        browser.shoot("report", folder)
        assert browser.faults() == []
        assert browser.run("return performance.getEntriesByType('resource').length") == 0
    finally:
        host.close()


WALK = """
for (const part of document.querySelectorAll("details")) part.open = true;
const rows = document.querySelectorAll("#programs button.link");
let shown = 0;
for (const row of rows) {
  row.click();
  for (let tab = 0; tab < 5; tab++) {
    for (let n = 0; n < 100 && document.querySelectorAll(".tabs button").length < 5; n++) await new Promise((r) => setTimeout(r, 50));
    const button = document.querySelectorAll(".tabs button")[tab];
    if (!button) break;
    button.click();
    await new Promise((r) => setTimeout(r, 100));
    shown += document.querySelector(".pane").textContent.includes("alert(1)");
  }
  document.querySelector(".close").click();
}
for (const canvas of document.querySelectorAll("canvas")) {
  canvas.focus();
  canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  await new Promise((r) => setTimeout(r, 50));
}
return [rows.length, shown];
"""
MARKS = """
const scripts = [...document.scripts].filter((one) => !one.type || one.type === "module");
const actors = "img, iframe, object, embed, [onerror], [onload], [onclick], a[href^='javascript']";
return [scripts.length, document.querySelectorAll(actors).length,
  document.body.textContent.split("alert(1)").length - 1, document.title];
"""


def test_texts_that_attack_run_no_script_in_page_or_report(browser: Browser, folder: Path) -> None:
    run = write_run(folder / "evil", *evil_run())
    build_report(run, folder / "evil.html")
    with served(make_app(Watch([run]), ServiceConfig(), lambda: None)) as address:
        for place in (f"{address}#/run/evil", (folder / "evil.html").as_uri()):
            browser.open(place)
            browser.wait("document.querySelectorAll('#programs button.link').length === 3")
            rows, shown = browser.run(WALK)
            assert rows == 3
            assert shown >= 6  # texts, changes, results, replies: they are there, as texts
            scripts, actors, times, title = browser.run(MARKS)
            assert (scripts, actors) == (1 if place.startswith("http") else 0, 0)
            assert times >= 6
            assert "Code Discovery" in title
            blocked = [fault for fault in browser.faults() if "Content Security Policy" in fault]
            assert blocked == []  # nothing even tried


def test_the_policy_of_the_page_stops_a_script_that_got_in(browser: Browser, folder: Path) -> None:
    """Shows that the check above can fail: markup that a mistake would let in is stopped by the policy."""
    run = write_run(folder / "plain", entries())
    with served(make_app(Watch([run]), ServiceConfig(), lambda: None)) as address:
        browser.open(f"{address}#/run/plain")
        browser.wait("document.querySelector('#programs tbody tr')")
        browser.run(
            "document.querySelector('h1').innerHTML = '<img src=x onerror=\"window.ran = 1\"><script>window.ran = 1</' + 'script>';"
            "await new Promise((r) => setTimeout(r, 500))"
        )
        assert browser.run("return window.ran ?? 0") == 0
        assert any("Content Security Policy" in fault for fault in browser.faults())


def test_differences_make_one_text_of_the_other(browser: Browser, folder: Path) -> None:
    with served(
        make_app(Watch([write_run(folder / "modules", entries())]), ServiceConfig(), lambda: None)
    ) as address:
        browser.open(address)
        wrong = browser.run("""
            const { difference } = await import("/page/code.js");
            let seed = 7;
            const next = (n) => (seed = (seed * 48271) % 2147483647) % n;
            let wrong = 0, changed = 0;
            for (let n = 0; n < 400; n++) {
              const lines = () => Array.from({ length: next(14) }, () => "abcd"[next(4)]);
              const a = lines(), b = lines();
              const found = difference(a, b);
              const left = found.filter(([k]) => k !== "+").map(([, l]) => l), right = found.filter(([k]) => k !== "-").map(([, l]) => l);
              wrong += left.join() !== a.join() || right.join() !== b.join();
              changed += found.filter(([k]) => k !== " ").length;
            }
            const far = difference(Array.from({ length: 5000 }, (_, n) => `a${n}`), Array.from({ length: 5000 }, (_, n) => `b${n}`));
            const one = difference(["x", "y", "z"], ["x", "w", "z"]).map(([k]) => k).join("");
            return [wrong, far.length, one];
        """)
        assert wrong == [0, 10_000, " -+ "]


def test_no_lines_of_the_family_tree_are_out_of_place(browser: Browser, folder: Path) -> None:
    with served(
        make_app(Watch([write_run(folder / "tree", entries())]), ServiceConfig(), lambda: None)
    ) as address:
        browser.open(address)
        found = browser.run("""
            const { layoutOf } = await import("/page/tree.js");
            const parent = [-1];
            for (let at = 1; at < 3000; at++) parent.push(Math.floor(((at * 7919) % 997) / 997 * at));
            const { x, y, depth, first, next } = layoutOf(parent);
            let far = 0, inward = 0, children = 0;
            for (let at = 0; at < 3000; at++) {
              far = Math.max(far, Math.hypot(x[at], y[at]));
              if (at) inward += Math.hypot(x[at], y[at]) <= Math.hypot(x[parent[at]], y[parent[at]]);
              for (let child = first[at]; child >= 0; child = next[child])
                children += parent[child] === at && depth[child] === depth[at] + 1;
            }
            return [Math.round(far * 1000), inward, children];
        """)
        assert found == [1000, 0, 2999]


@pytest.mark.skipif(
    "DISCOVERY_AXE" not in os.environ, reason="DISCOVERY_AXE names no axe.min.js (npm package axe-core)"
)
def test_axe_finds_nothing_serious(browser: Browser, folder: Path) -> None:
    axe = Path(os.environ.get("DISCOVERY_AXE", "")).read_text(encoding="utf-8")
    run = write_run(folder / "axe", entries())
    with served(make_app(Watch([run]), ServiceConfig(), lambda: None)) as address:
        for theme in ("light", "dark"):
            for place, ready in (
                ("", "a.run-name"),
                ("#/run/axe", "#programs tbody tr"),
                ("#/run/axe/program", "#programs tbody tr"),
            ):
                browser.open(f"{address}{place}")
                browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
                browser.wait(f"!!document.querySelector({ready!r})")
                if place.endswith("program"):
                    browser.click("#best button", "Changes")
                    browser.wait("document.querySelector('.diff')")
                browser.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
                found = browser.run(
                    "const told = (node) => node.target.join(' ') + ': ' + node.failureSummary;"
                    "return (await axe.run()).violations.map((v) => [v.impact, v.id, v.nodes.map(told).slice(0, 3)])"
                )
                assert [one for one in found if one[0] in ("serious", "critical")] == [], f"{theme} {place}"
