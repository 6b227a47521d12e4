// The head of the page: question, answer, how it ended, sums, what was cited; and its foot, with the run's settings.

const OUTCOMES = {
  answer: ["good", "answered"],
  plain_reply: ["good", "answered in prose"],
};

function outcome() {
  if (trace.error != null) return badge("bad", "failed");
  if (trace.stop_reason == null) return badge("quiet", "not finished");
  const [kind, name] = OUTCOMES[trace.stop_reason] ?? ["warn", `limit met: ${trace.stop_reason}`];
  return badge(kind, name);
}

function figure(name, value, ...more) {
  const details = more.filter(Boolean).map((detail) => el("dd", { class: "detail" }, detail));
  return el("div", { class: "figure" }, el("dt", {}, name), el("dd", {}, value), ...details);
}

function figures() {
  const usage = usageOf(trace);
  const [failed, depth] = [failedCount(trace), depthOf(trace)];
  const tools = order.filter((each) => each.kind === "tool").length;
  const replayed = replayedOf(trace);
  const before = replayed.input_tokens + replayed.output_tokens;
  const about = usage.estimated_tokens ? "about " : "";
  return el(
    "dl",
    { class: "figures" },
    figure(
      "Time",
      duration(sum(runs.map((each) => each.record.seconds ?? 0)) || runSeconds),
      others.length > 0 && `of ${runs.length} runs`,
    ),
    figure(
      "Iterations",
      number(iterationCount(trace)),
      `of ${number(trace.limits?.max_iterations ?? 0)} at most${others.length ? " in each run" : ""}`,
    ),
    figure(
      "Sub-calls",
      number(subCallCount(trace)),
      failed > 0 && el("b", { class: "bad" }, `${number(failed)} failed`),
      depth > 0 && `${plural(depth, "level")} of child RLMs`,
    ),
    figure(
      "Tokens",
      `${about}${number(usage.input_tokens + usage.output_tokens)}`,
      `${number(usage.input_tokens)} in, ${number(usage.output_tokens)} out`,
      before > 0 && `${number(before)} from the journal`,
    ),
    figure(
      "Cost",
      money(usage.cost_usd),
      usage.cost_usd === null && "none was reported",
      replayed.cost_usd !== null && `${money(replayed.cost_usd)} of it paid before`,
    ),
    tools > 0 && figure("Tools", number(tools)),
  );
}

function modelTable() {
  const rows = [...byModel(trace).values()];
  const columns = [
    ["Calls", (row) => row.calls],
    ["Failed", (row) => row.failed],
    ["In", (row) => row.usage.input_tokens],
    ["Cached", (row) => row.usage.cached_tokens],
    ["Out", (row) => row.usage.output_tokens],
    ["Reasoning", (row) => row.usage.reasoning_tokens],
    ["Estimated", (row) => row.usage.estimated_tokens],
    ["Cost", (row) => row.usage.cost_usd, money],
    ["Time", (row) => row.seconds, duration],
  ].filter(([, of]) => rows.some(of));
  const cell = (row, [name, of, show = number]) =>
    el("td", { class: name === "Failed" && of(row) ? "bad" : null }, show(of(row)));
  const row = (each) =>
    el("tr", {}, el("th", { scope: "row" }, words(head(each.name))), ...columns.map((column) => cell(each, column)));
  const top = el(
    "tr",
    {},
    ...["Model", ...columns.map(([name]) => name)].map((name) => el("th", { scope: "col" }, name)),
  );
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Tokens and cost by model" },
    el("table", {}, el("thead", {}, top), el("tbody", {}, ...rows.map(row))),
  );
}

// A trace holds no documents. Where the page was given them, a quote is shown amid its words there; else where it
// stands in what was sent or printed.
const AROUND = 240;
const NEAR_DOCUMENTS = ["prompt", "result", "output"]; // a prompt first: it holds more of a document than a print

function placeOf(quote) {
  for (const wanted of NEAR_DOCUMENTS) {
    for (const each of order) {
      for (const [what, text] of textsOf(each)) {
        const at = what === wanted && text ? whole(text).indexOf(quote) : -1;
        if (at >= 0) return { each, what, text: whole(text), at };
      }
    }
  }
  return null;
}

/** What stands around a quote, and where that was found. */
function surroundings(quote, index) {
  const passage = passages[index];
  if (passage) return { before: whole(passage.before), after: whole(passage.after), of: passage.length };
  const found = quote && placeOf(quote);
  if (!found) return { before: "", after: "" };
  const { text, at, each, what } = found;
  const from = Math.max(0, at - AROUND);
  const before = `${from ? "…" : ""}${text.slice(from, at)}`;
  const to = at + quote.length + AROUND;
  const after = `${text.slice(at + quote.length, to)}${to < text.length ? "…" : ""}`;
  return { before, after, where: [`, as it stood in the ${what} of `, el("a", { href: `#${each.id}` }, each.id)] };
}

/** Where in its document a quote stands, to scale. */
function placeInDocument(start, end, length) {
  const made = el("span", { class: "ruler", "aria-hidden": "true" }, el("i"));
  made.firstChild.style.left = `${(100 * start) / length}%`;
  made.firstChild.style.width = `${(100 * (end - start)) / length}%`;
  return made;
}

/** The iteration whose code cited it, as a link. */
function citedIn({ iteration, child }) {
  if (iteration == null) return [];
  const below = child == null ? "" : String(child);
  const isIt = (each) =>
    each.kind === "iteration" && each.record.number === iteration && placeOfRlm(each.rlm) === below;
  const found = order.find(isIt);
  if (!found) return [`, cited in iteration ${number(iteration)}`];
  return [", cited in ", el("a", { href: `#${found.id}` }, found.id)];
}

/** "2.1" for the child that is the first sub-call of the root's second; "" for the root of the run whose answer was given. */
function placeOfRlm(rlm) {
  const numbers = [];
  for (let at = rlm; at; at = at.call?.rlm) {
    if (at.call) numbers.unshift(at.call.record.number);
    else if (at !== run) return null;
  }
  return numbers.join(".");
}

function citationCard({ cited_text, start_index, end_index, document_id, iteration, child }, index) {
  const quote = whole(cited_text);
  const { before, after, where = [], of } = surroundings(quote, index);
  const place = `characters ${number(start_index)} to ${number(end_index)}${of ? ` of ${number(of)}` : ""}`;
  return el(
    "li",
    { class: "citation" },
    el("code", { class: "document" }, words(head(document_id))),
    el("p", { class: "where" }, place, ...where, ...citedIn({ iteration, child })),
    of && placeInDocument(start_index, end_index, of),
    el("blockquote", {}, words(before), el("mark", {}, words(quote)), words(after)),
  );
}

function citations() {
  const cited = trace.citations ?? [];
  if (!cited.length) return null;
  const documents = new Set(cited.map((each) => keyOf(each.document_id))).size;
  const title = `Cited: ${plural(cited.length, "quote")} of ${plural(documents, "document")}`;
  return disclosure(title, () => paged(cited, citationCard).element, { kind: "card" });
}

const AGREEMENTS = {
  agreed: ["good", "Two blind runs agreed."],
  reconciled: ["quiet", "Two blind runs differed, and a third said which answer holds."],
  differed: ["warn", "Two blind runs differed: the answer is the first one's."],
};

/** The other runs of the question, and whether they agreed. */
function besidePart() {
  if (!others.length) return null;
  const [kind, said] = AGREEMENTS[trace.agreement] ?? ["quiet", "The question was asked more than once."];
  const cardOf = (rlm) => {
    const { record } = rlm;
    const took = plural(rlm.iterations.length, "iteration");
    const ended = record.error == null ? badge("quiet", took) : badge("bad", "failed");
    const link = rlm.iterations.length > 0 && el("a", { class: "open", href: `#${rlm.prefix}i1` }, "Open its steps");
    return el(
      "li",
      {},
      el("p", {}, el("b", {}, rlm.title), " ", ended, " ", link || ""),
      errorOf("It failed", record.error),
      isBlank(record.answer) ? null : box(record.answer, { label: "Its answer", kind: "prose" }),
    );
  };
  return el(
    "section",
    { class: "beside", "aria-label": "Other runs of the question" },
    el("p", { class: `notice ${kind}` }, said),
    el("ul", { class: "list" }, ...others.map(cardOf)),
  );
}

function drawOverview() {
  const overview = document.getElementById("overview");
  const session = trace.session == null ? null : badge("quiet", `question ${trace.question_number} of a session`);
  const warnings = (trace.warnings ?? []).map((each) => el("p", { class: "notice warn" }, words(whole(each))));
  const summary = "A summary: long texts are cut, and some records left out. A trace that is written in full has all.";
  const question = el("h1", {}, words(whole(trace.question)));
  const answer = isBlank(trace.answer)
    ? el("p", { class: "none" }, trace.error == null ? "No answer." : "No answer, and no draft of one.")
    : box(trace.answer, { label: trace.error == null ? "Answer" : "Draft of an answer", kind: "prose" });
  overview.replaceChildren(
    el(
      "div",
      { class: "line" },
      el("span", { class: "brand" }, "RLM trace"),
      outcome(),
      session,
      el("span", { class: "context" }, words(head(trace.context))),
    ),
    el(
      "div",
      { class: "pair" },
      el(
        "div",
        {},
        question,
        trace.error != null && el("p", { class: "notice bad" }, words(whole(trace.error))),
        answer,
      ),
      el("div", { class: "sums" }, figures(), modelTable()),
    ),
    ...[
      ...warnings,
      trace.contents === false && el("p", { class: "notice" }, "Without contents: sizes and hashes stand for texts."),
      trace.detail === "summary" && el("p", { class: "notice" }, summary),
      besidePart(),
      citations(),
    ].filter(Boolean),
  );
  document.title = `${head(trace.question).replace(/\s+/g, " ").slice(0, 80)} – RLM trace`;
}

function drawAbout() {
  const settings = () => [
    facts([
      ["sandbox", trace.sandbox || "none was needed"],
      ...Object.entries(trace.isolation ?? {}),
      ["route", trace.route_why ? `${trace.route}: ${trace.route_why}` : null],
      ["session", trace.session],
      ["shown whole", trace.shown_whole ? "the root LM saw all of the corpus at once" : null],
      ...Object.entries(trace.limits ?? {}),
      ...unknownOf(trace, "trace"),
    ]),
  ];
  document.getElementById("about").append(disclosure("Limits and isolation of this run", settings, { kind: "card" }));
}
