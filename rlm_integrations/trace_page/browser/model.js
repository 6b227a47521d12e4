// The trace as a tree of nodes, each with an id that a link can name: "i3.s12" is sub-call 12 of iteration 3, and
// "i3.s12.i1" the first iteration of the child RLM that it called.

const { trace, passages } = JSON.parse(document.getElementById("trace").textContent);
const nodes = new Map();
const order = [];
const SINGLES = 20;

function node(kind, id, up, rlm, record, start, seconds, error) {
  const made = { kind, id, up, rlm, record, start, end: start + (seconds || 0), error, children: [], failed: 0 };
  made.level = up ? up.level + 1 : 1;
  nodes.set(id, made);
  order.push(made);
  up?.children.push(made);
  return made;
}

/** An RLM of the tree: that of a run, or a child's. Its steps are shown together. */
function readRlm(record, prefix, call, title = "") {
  const rlm = { record, prefix, call, title, iterations: [] };
  for (const iteration of record.iterations ?? []) rlm.iterations.push(readIteration(iteration, rlm));
  return rlm;
}

function readIteration(record, rlm) {
  const { call, execution } = record;
  const id = `${rlm.prefix}i${record.number}`;
  const broken = (record.checks ?? []).find((check) => check.error != null);
  const error = call.error ?? execution?.lost ?? execution?.error ?? broken?.error;
  const made = node("iteration", id, rlm.call, rlm, record, call.start, call.seconds, error);
  for (const fold of record.folds ?? []) made.end = Math.max(made.end, fold.call.start + fold.call.seconds);
  for (const check of record.checks ?? []) made.end = Math.max(made.end, check.start + check.seconds);
  if (!execution) return made;
  made.end = Math.max(made.end, execution.start + execution.seconds);
  for (const [name, calls] of groups(execution.sub_calls ?? [])) {
    const group = calls.length > 1 ? readGroup(`${id}.${name}`, made, calls) : made;
    for (const each of calls) readCall(each, `${id}.s${each.number}`, group, rlm);
    if (group !== made) group.end = group.children.reduce((latest, each) => Math.max(latest, each.end), group.start);
  }
  (execution.host_calls ?? []).forEach((each, index) => {
    node("tool", `${id}.t${index + 1}`, made, rlm, each, each.start, each.seconds, each.error);
  });
  made.children.sort((one, other) => one.start - other.start);
  return made;
}

/** Sub-calls by their batch; those without one together where they are many. */
function groups(calls) {
  const found = new Map();
  for (const each of [...calls].sort((one, other) => one.number - other.number)) {
    const name = each.batch === null || each.batch === undefined ? "singles" : `b${each.batch}`;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(each);
  }
  const singles = found.get("singles") ?? [];
  if (singles.length > SINGLES) return [...found];
  found.delete("singles");
  return [...found, ...singles.map((each) => [`s${each.number}`, [each]])];
}

function readGroup(id, up, calls) {
  const start = calls.reduce((first, each) => Math.min(first, each.start), Infinity);
  return node("group", id, up, up.rlm, { calls, batch: calls[0].batch }, start, 0, null);
}

function readCall(record, id, up, rlm) {
  const made = node("call", id, up, rlm, record, record.start, record.seconds, record.error);
  (record.tool_calls ?? []).forEach((each, index) => {
    node("tool", `${id}.t${index + 1}`, made, rlm, each, each.start, each.seconds, each.error);
  });
  if (record.child) made.child = readRlm(record.child, `${id}.`, made);
}

const run = readRlm(trace, "", null);
// Other runs of the same question, each in seconds of its own.
const others = (trace.beside ?? []).map((record, index) => {
  const name = `Other run${trace.beside.length > 1 ? ` ${index + 1}` : ""}`;
  return readRlm(record, `r${index + 1}.`, null, name);
});
const runs = [run, ...others];
const runSeconds = order.reduce((latest, each) => Math.max(latest, each.end), trace.seconds || 0) || 0.001;

// What went wrong, and what was asked again in the same words: both are told of a node, and counted above it.
const problems = order.filter((each) => each.error !== null && each.error !== undefined);
for (const each of problems) for (let at = each; at; at = at.up) at.failed += 1;

/** What it sent or ran. A child RLM is asked the same of each part of a corpus: what it saw of that belongs to it. */
function saidBy({ kind, record }) {
  if (kind === "iteration") return record.execution?.blocks ?? [];
  if (kind !== "call") return [];
  return [record.prompt, ...(record.child?.opening ?? []).map((message) => message.content)];
}

const firstOf = new Map();
const repeated = [];
for (const each of order) {
  const said = saidBy(each);
  if (!said.length) continue;
  const where = each.kind === "iteration" ? each.rlm.prefix : ""; // children of one batch often run the same code
  const key = `${each.kind} ${where} ${said.map(keyOf).join(" ")}`;
  const first = firstOf.get(key);
  if (!first) firstOf.set(key, each);
  else {
    each.sameAs = first;
    first.again = (first.again ?? 1) + 1;
    repeated.push(each);
  }
}

/** Each text of a node, with what it is: for the search. */
function* textsOf({ kind, record, rlm }) {
  if (kind === "iteration") {
    yield ["thoughts", record.call.thoughts];
    yield ["reply", record.reply];
    yield ["error", record.call.error];
    const { execution } = record;
    for (const block of execution?.blocks ?? []) yield ["code", block];
    yield ["output", execution?.output];
    yield ["error", execution?.error];
    yield ["the REPL was lost", execution?.lost];
    yield ["what it was shown", record.observation];
    yield ["model", record.call.model];
    for (const fold of record.folds ?? []) yield ["summary of older steps", fold.reply];
    for (const check of record.checks ?? []) {
      yield ["check", check.name];
      yield ["objection", check.objection];
      yield ["error", check.error];
    }
  } else if (kind === "call") {
    yield ["prompt", record.prompt];
    for (const image of record.images ?? []) yield ["picture", image.name];
    yield ["thoughts", record.thoughts];
    yield ["reply", record.reply];
    yield ["error", record.error];
    yield ["model", record.model];
  } else if (kind === "tool") {
    yield ["name", record.name];
    yield ["arguments", record.arguments];
    yield ["result", record.result];
    yield ["error", record.error];
  }
}
