// A run as the page holds it: what the service told so far, programs by column.

const COLUMNS = ["id", "score", "status", "operator", "model", "island", "parent", "worked_s"];
const WORDS = ["status", "operator", "model"];

export class RunData {
  constructor() {
    this.forget();
  }

  /** Forgets everything. */
  forget() {
    for (const name of COLUMNS) this[name] = [];
    this.others = new Map();
    this.measures = [];
    this.words = { status: [], operator: [], model: [] };
    this.elites = new Map();
    this.drawings = [];
    this.facts = null;
    this.places = new Map();
    this.edition = 0;
    this.layout = null;
  }

  get count() {
    return this.id.length;
  }

  /** Takes in what the service told; returns whether programs came. */
  take(view) {
    if (view.after !== this.count || view.edition !== this.edition) this.forget();
    if (view.after !== this.count) throw new Error("the service left out programs; reload the page");
    const before = this.count;
    const { programs } = view;
    const codes = Object.fromEntries(WORDS.map((kind) => [kind, view.words[kind].map((word) => this.#code(kind, word))]));
    for (let at = 0; at < programs.id.length; at++) {
      this.places.set(programs.id[at], before + at);
      for (const name of COLUMNS) this[name].push(codes[name] ? codes[name][programs[name][at]] : programs[name][at]);
    }
    for (const [at, others] of Object.entries(programs.others)) this.others.set(before + Number(at), others);
    programs.measures.forEach((column, axis) => {
      this.measures[axis] ??= [];
      for (const value of column) this.measures[axis].push(value);
    });
    for (const [island, cell, place] of view.moves) {
      if (!this.elites.has(island)) this.elites.set(island, new Map());
      this.elites.get(island).set(cell, place);
    }
    this.edition = view.edition;
    this.drawings = view.drawings ?? this.drawings;
    this.facts = view;
    if (this.count > before) this.layout = null;
    return this.count > before;
  }

  /** Returns a score turned so that larger is better. */
  fitness(score) {
    return this.facts.run.direction === "maximize" ? score : -score;
  }

  /** Returns the place of the best program, -1 for none. */
  get best() {
    return this.facts.bests.at(-1) ?? -1;
  }

  operatorOf(at) {
    return this.words.operator[this.operator[at]];
  }

  modelOf(at) {
    return this.words.model[this.model[at]];
  }

  statusOf(at) {
    return this.words.status[this.status[at]];
  }

  /** Returns the places from the seed to a program, along first parents. */
  lineageOf(at) {
    const chain = [];
    for (let here = at; here >= 0 && chain.at(-1) !== here; here = this.parent[here]) chain.push(here);
    return chain.reverse();
  }

  /** Returns what a program is, in lines, the first its score. */
  lines(at) {
    const { run } = this.facts;
    const score = this.score[at];
    const lines = [
      score === null ? this.statusOf(at) : `${run.objective} ${Number(score.toPrecision(9))}`,
      `#${at} ${this.id[at]}`,
      `${this.operatorOf(at)}${this.modelOf(at) ? ` by ${this.modelOf(at)}` : ""}, island ${this.island[at]}`,
    ];
    run.measures.forEach((measure, axis) => {
      const value = this.measures[axis]?.[at];
      if (value !== null && value !== undefined) lines.push(`${measure.name} ${value}`);
    });
    return lines;
  }

  #code(kind, word) {
    const words = this.words[kind];
    const found = words.indexOf(word);
    return found >= 0 ? found : words.push(word) - 1;
  }
}
