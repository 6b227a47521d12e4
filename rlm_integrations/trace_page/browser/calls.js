// Records of calls: of sub-LMs, child RLMs and tools, folded until somebody asks for them.

const KNOWN = {
  trace:
    "version question context shown_whole route route_why session question_number journal limits sandbox " +
    "isolation opening iterations omitted_iterations citations answer stop_reason error agreement attempt beside " +
    "warnings seconds detail contents",
  iteration: "number call reply execution checks observation last_call folds",
  root: "prompt_chars shortened error model usage thoughts finish cached replayed start seconds",
  execution: "blocks output error lost variables sub_calls omitted_sub_calls host_calls start seconds",
  call:
    "number batch index prompt images reply error model usage thoughts finish cached replayed replayed_usage start " +
    "seconds requests tool_calls child",
  tool: "name arguments result error replayed start seconds",
};
for (const [kind, names] of Object.entries(KNOWN)) KNOWN[kind] = new Set(names.split(" "));

const isEmpty = (value) =>
  value == null ||
  value === false ||
  value === "" ||
  value === 0 ||
  (typeof value === "object" && !Object.keys(value).length);

/** What a record holds that this page has no place for, as a newer version may. */
function unknownOf(record, kind) {
  return Object.entries(record ?? {}).filter(([name, value]) => !KNOWN[kind].has(name) && !isEmpty(value));
}

function factOf(value) {
  if (isText(value)) return whole(value);
  if (typeof value === "number") return number(value);
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, each) => (isText(each) ? whole(each) : asNamed(each)), 1);
}

/** Names and values in two columns; what is empty is left out. */
function facts(pairs) {
  const rows = pairs.filter(([, value]) => !isEmpty(value));
  return el(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, value]) => [
      el("dt", {}, words(name.replaceAll("_", " "))),
      el("dd", {}, words(factOf(value))),
    ]),
  );
}

function usageFacts(usage) {
  if (!usage) return [];
  const known = {
    cached_tokens: "of them cached",
    reasoning_tokens: "of them reasoning",
    estimated_tokens: "estimated",
  };
  const parts = [`${number(usage.input_tokens)} in`, `${number(usage.output_tokens)} out`];
  for (const [name, wording] of Object.entries(known)) if (usage[name]) parts.push(`${number(usage[name])} ${wording}`);
  return [
    ["tokens", parts.join(", ")],
    ["cost", usage.cost_usd == null ? null : money(usage.cost_usd)],
  ];
}

const tokensOf = (usage) =>
  usage && usage.input_tokens + usage.output_tokens ? `${number(usage.input_tokens + usage.output_tokens)} tokens` : "";
const anchor = (id) => el("a", { class: "anchor", href: `#${id}`, "aria-label": `Link to ${id}` }, "#");

function repeatOf(each) {
  if (!each.sameAs) return null;
  return el(
    "p",
    { class: "notice" },
    "In the same words as ",
    el("a", { href: `#${each.sameAs.id}` }, each.sameAs.id),
    ".",
  );
}

const errorOf = (label, error) => (error == null ? null : box(error, { label, kind: "error" }));
const thoughtsOf = (thoughts) =>
  isBlank(thoughts)
    ? null
    : disclosure(
        ["Thoughts ", el("span", { class: "about" }, line(thoughts, 100))],
        () => box(thoughts, { label: "Thoughts", kind: "prose" }),
        { kind: "thoughts" },
      );

function rowSummary(each, ...more) {
  const [name, about] = titleOf(each);
  return [
    el("b", {}, words(name)),
    ...flagsOf(each),
    el("span", { class: "about" }, line(about, 140)),
    el("span", { class: "meta" }, [...more, duration(each.end - each.start)].filter(Boolean).join(" · ")),
  ];
}

function toolRow(each) {
  const { record } = each;
  const build = () =>
    [
      errorOf("Error", record.error),
      box(record.arguments, { label: "Arguments", draw: highlighted }),
      record.result == null ? null : box(record.result, { label: "Result", kind: "output" }),
      facts([["began at", duration(record.start)], ...unknownOf(record, "tool")]),
    ].filter(Boolean);
  const made = disclosure(rowSummary(each), build, { kind: `call tool${each.error == null ? "" : " bad"}` });
  made.id = each.id;
  each.element = made;
  return el("li", {}, made);
}

function childCard(each) {
  const { record } = each.child;
  const counts = `${plural(iterationCount(record), "iteration")}, ${plural(subCallCount(record), "sub-call")}`;
  const open = el("a", { class: "open", href: `#${each.id}.i1` }, "Open its steps");
  return el(
    "div",
    { class: "child-card" },
    el("p", {}, el("b", {}, "A child RLM"), ` over ${head(record.context)}: ${counts} `),
    each.child.iterations.length > 0 && open,
  );
}

/** What is known of the pictures that went with a call, a line for each. */
function picturesOf({ images }) {
  const lineOf = ({ name, mime_type, bytes, document_id }) => {
    const of = document_id == null ? "" : ` of ${head(document_id)}`;
    return `${head(name)}${of} (${mime_type}, ${plural(bytes, "byte")})`;
  };
  return (images ?? []).map(lineOf).join("\n");
}

function callRow(each) {
  const { record } = each;
  const usage = each.child ? added([record.usage, usageOf(record.child)]) : record.usage;
  const build = () =>
    [
      repeatOf(each),
      errorOf("Error", record.error),
      each.child && childCard(each),
      box(record.prompt, { label: each.child ? "Question" : "Prompt", kind: "prose" }),
      thoughtsOf(record.thoughts),
      each.children.some((below) => below.kind === "tool") &&
        el(
          "div",
          {},
          el("h5", {}, "Its tools"),
          paged(
            each.children.filter((below) => below.kind === "tool"),
            toolRow,
          ).element,
        ),
      record.reply == null ? null : box(record.reply, { label: each.child ? "Answer" : "Reply", kind: "prose" }),
      facts([
        ["pictures", picturesOf(record)],
        ["model", record.model],
        ...usageFacts(usage),
        ["requests", record.requests > 1 ? record.requests : null],
        ["finish", record.finish],
        ["began at", duration(record.start)],
        ...unknownOf(record, "call"),
      ]),
    ].filter(Boolean);
  const summary = [...rowSummary(each, tokensOf(usage)), anchor(each.id)];
  const made = disclosure(summary, build, {
    kind: `call${each.error == null ? "" : " bad"}${each.child ? " rlm" : ""}`,
  });
  made.id = each.id;
  each.element = made;
  return el("li", {}, made);
}

const OPEN_AT_ONCE = 12;

function groupPart(each) {
  const usage = added(each.children.map((call) => (call.child ? usageOf(call.record.child) : call.record.usage)));
  const build = () => {
    each.list = paged(each.children, callRow);
    return each.list.element;
  };
  const summary = rowSummary(each, tokensOf(usage));
  const made = disclosure(summary, build, { kind: "group", open: each.children.length <= OPEN_AT_ONCE });
  made.id = each.id;
  each.element = made;
  return el("li", {}, made);
}

const ROWS = { call: callRow, group: groupPart, tool: toolRow };
const rowOf = (each) => ROWS[each.kind](each);
