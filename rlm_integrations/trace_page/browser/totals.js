// Sums over a trace, as RLMTrace has them.

const USAGE = ["input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "estimated_tokens"];

/** An array, never arguments: there may be more calls than a function takes. */
function added(usages) {
  const sum = { cost_usd: null };
  for (const name of USAGE) sum[name] = usages.reduce((total, usage) => total + (usage?.[name] ?? 0), 0);
  const costs = usages.map((usage) => usage?.cost_usd).filter((cost) => cost !== null && cost !== undefined);
  if (costs.length) sum.cost_usd = costs.reduce((total, cost) => total + cost, 0);
  return sum;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const executionsOf = (rlm) => rlm.iterations.map((each) => each.execution).filter(Boolean);
const subCallsOf = (rlm) => executionsOf(rlm).flatMap((each) => each.sub_calls);
const foldsOf = (rlm) => rlm.iterations.flatMap((each) => each.folds ?? []); // calls for a summary of older iterations
const foldCount = (rlm) => foldsOf(rlm).length + (rlm.omitted_iterations?.folds ?? 0);
const besides = (rlm, count) => sum((rlm.beside ?? []).map(count));
const iterationCount = (rlm) =>
  rlm.iterations.length + (rlm.omitted_iterations?.count ?? 0) + besides(rlm, iterationCount);

const callCount = (rlm) => iterationCount(rlm) + foldCount(rlm) + subCallCount(rlm);

function subCallCount(rlm) {
  const left = sum(executionsOf(rlm).map((each) => each.omitted_sub_calls?.count ?? 0));
  const of = (call) => (call.child ? callCount(call.child) : (call.requests ?? 1));
  return left + (rlm.omitted_iterations?.sub_calls ?? 0) + sum(subCallsOf(rlm).map(of)) + besides(rlm, subCallCount);
}

function failedCount(rlm) {
  const left = sum(executionsOf(rlm).map((each) => each.omitted_sub_calls?.failed ?? 0));
  const of = (call) => (call.error == null ? 0 : 1) + (call.child ? failedCount(call.child) : 0);
  const own = left + (rlm.omitted_iterations?.failed_sub_calls ?? 0) + sum(subCallsOf(rlm).map(of));
  return own + besides(rlm, failedCount);
}

/** What was paid for before, and came from a journal. */
function replayedOf(rlm) {
  const calls = [...rlm.iterations.map((each) => each.call), ...foldsOf(rlm).map((fold) => fold.call)];
  const of = (call) => added([call.replayed_usage, call.child && replayedOf(call.child)]);
  return added([
    ...calls.filter((call) => call.replayed).map((call) => call.usage),
    ...subCallsOf(rlm).map(of),
    ...executionsOf(rlm).map((each) => each.omitted_sub_calls?.replayed_usage),
    rlm.omitted_iterations?.replayed_usage,
    ...(rlm.beside ?? []).map(replayedOf),
  ]);
}

/** Calls, failures, seconds and usage by the model's name; what a summary left out has a row of its own. */
function byModel(rlm, rows = new Map()) {
  const add = (name, count, failed, seconds, usage) => {
    const row = rows.get(name) ?? { name, calls: 0, failed: 0, seconds: 0, usage: added([]) };
    row.calls += count;
    row.failed += failed;
    row.seconds += seconds;
    row.usage = added([row.usage, usage]);
    rows.set(name, row);
  };
  const name = (model) => model ?? "(no name was given)";
  for (const { call, execution } of rlm.iterations) {
    add(name(call.model), 1, call.error == null ? 0 : 1, call.seconds, call.usage);
    for (const each of execution?.sub_calls ?? []) {
      if (!each.child) add(name(each.model), each.requests ?? 1, each.error == null ? 0 : 1, each.seconds, each.usage);
      else {
        if (added([each.usage]).input_tokens) add(name(each.model), 0, 0, 0, each.usage);
        byModel(each.child, rows);
      }
    }
    const omitted = execution?.omitted_sub_calls;
    if (omitted) add("(left out of this summary)", omitted.count, omitted.failed, 0, omitted.usage);
  }
  for (const { call } of foldsOf(rlm)) {
    add(name(call.model), 1, call.error == null ? 0 : 1, call.seconds, call.usage);
  }
  const omitted = rlm.omitted_iterations;
  if (omitted) {
    const count = omitted.count + (omitted.folds ?? 0) + omitted.sub_calls;
    add("(left out of this summary)", count, omitted.failed_sub_calls, 0, added([omitted.root_usage, omitted.sub_usage]));
  }
  for (const other of rlm.beside ?? []) byModel(other, rows);
  return rows;
}

const usageOf = (rlm) => added([...byModel(rlm).values()].map((row) => row.usage));

function depthOf(rlm) {
  const below = subCallsOf(rlm).map((call) => (call.child ? 1 + depthOf(call.child) : 0));
  return [...below, ...(rlm.beside ?? []).map(depthOf)].reduce((deepest, depth) => Math.max(deepest, depth), 0);
}
