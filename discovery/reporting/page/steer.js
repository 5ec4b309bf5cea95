// A hand on a run: pause, stop, other limits, hints, programs of one's own.

import { el, button, card, fill, tell } from "./dom.js";
import { ask, pathOf } from "./live.js";

const LIMITS = [["evals", "evaluations", "1"], ["minutes", "minutes", "any"], ["cost_usd", "USD", "any"], ["tokens", "tokens", "1"],
  ["calls", "calls of models", "1"], ["patience", "without a better program", "1"]];

/** Returns {node, refresh(status)}: what a run may be asked. `changed` is called after it took something. */
export function steering(name, entry, changed) {
  const buttons = el("div", { class: "row" });
  const send = async (rest, body, said) => {
    try {
      await ask(pathOf(name, rest), body);
      tell(said);
      changed();
      return true;
    } catch (error) {
      tell(error.message, "bad");
      return false;
    }
  };
  const request = (kind, more, said) => send("/requests", { kind, ...more }, said);

  const hint = el("textarea", { rows: "2", maxlength: "2000", id: "hint", placeholder: "What the models should consider" });
  const hints = form("Give a hint", [el("label", { for: "hint" }, "Hint to the models"), hint], "Send hint", async () => {
    if (await request("hint", { text: hint.value.trim() }, "The models are told with the next questions.")) hint.value = "";
  }, button("Forget all hints", () => request("forget-hints", {}, "All hints are forgotten."), { class: "quiet" }));

  const fields = LIMITS.map(([key, label, step]) => [key, el("input", { type: "number", min: "0", step, id: `limit-${key}`, inputmode: "decimal" }), label]);
  let ended = false, watched = false;
  const limitsNote = el("p", { class: "note" });
  const limits = form("Change limits", [limitsNote, el("div", { class: "fields" }, fields.map(([key, input, label]) => el("label", { for: `limit-${key}` }, label, input)))],
    "Set limits", async () => {
      const given = Object.fromEntries(fields.filter(([, input]) => input.value !== "").map(([key, input]) => [key, Number(input.value)]));
      const done = ended && !watched ? await send("/resume", given, "The run goes on.") : await request("budget", { budget: given }, "Limits changed.");
      if (done) for (const [, input] of fields) input.value = "";
    });

  const text = el("textarea", { rows: "6", id: "inject", spellcheck: "false", class: "mono", placeholder: "The whole text of the program" });
  const note = el("input", { type: "text", id: "inject-note", placeholder: "A note that stays with it", maxlength: "2000", "aria-label": "note" });
  const file = el("input", { type: "file", "aria-label": "program file", on: { change: async () => file.files[0] && (text.value = await file.files[0].text()) } });
  const inject = form("Put in a program of your own", [el("label", { for: "inject" }, "Program"), text, el("div", { class: "row" }, file, note)], "Inject program", async () => {
    const named = entry();
    if (await request("inject", { program: { files: { [named]: text.value }, entry: named }, text: note.value }, "It is evaluated next.")) text.value = note.value = "";
  });

  const refresh = (status) => {
    ended = !["running", "paused", "stopping"].includes(status.state);
    watched = status.watched;
    const paused = status.state === "paused";
    const signature = `${status.state}|${status.watched}`;
    if (buttons.dataset.state !== signature) {
      buttons.dataset.state = signature;
      fill(buttons, status.watched && ended ? el("p", { class: "note" }, "Nobody works on this run. What is asked here waits until it goes on: discovery resume")
        : ended ? [button("Go on", () => send("/resume", {}, "The run goes on."), { class: "main" })] : [
          paused ? button("Resume", () => request("resume", {}, "The run goes on."), { class: "main" })
            : button("Pause", () => request("pause", {}, "Nothing new is begun; what runs is recorded."), { disabled: status.state === "stopping" }),
          status.watched ? null : button("Stop", () => confirmed(buttons, "Stop the run? What is finished is kept.", () => send("/stop", {}, "The run ends.")), { class: "bad", disabled: status.state === "stopping" }),
        ]);
    }
    fill(limitsNote, ended && !watched ? "The run has ended: new limits let it go on from where it was." : "What is left empty stays as it is.");
    for (const [key, input] of fields) input.placeholder = String(status.budget?.[key === "evals" ? "evaluations" : key] ?? "no limit");
  };
  return { node: card("steer", "Steer", "", buttons, hints, limits, inject), refresh };
}

function form(summary, children, label, submit, ...more) {
  const send = el("button", { type: "submit" }, label);
  return el("details", { class: "fold-out" }, el("summary", {}, summary), el("form", { on: { submit: async (event) => {
    event.preventDefault();
    send.disabled = true;
    await submit();
    send.disabled = false;
  } } }, children, el("div", { class: "row" }, send, more)));
}

function confirmed(place, question, act) {
  place.querySelector(".confirm")?.remove();
  const box = el("div", { class: "confirm row", role: "alertdialog", "aria-label": question }, question,
    button("Yes", () => {
      box.remove();
      act();
    }, { class: "bad" }), button("No", () => box.remove()));
  place.append(box);
  box.querySelector("button").focus();
}
