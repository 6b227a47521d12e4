// What one RLM did, step by step: each iteration is an article, which is filled when it comes near the view.

const steps = document.getElementById("steps");
let shownRlm = null;
let pages = null;

const nearView = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => entry.target.fill()),
  { rootMargin: "400px" },
);

/** A reply with its code in colours, where the blocks that ran stand in it; else the blocks follow it. */
function replyParts(reply, blocks) {
  const said = whole(reply);
  const places = [];
  let from = 0;
  for (const block of blocks.map(whole)) {
    const at = said.indexOf(block.trim(), from);
    if (at < 0 || !block.trim()) return [proseOf(said), ...blocks.map(codeBox)];
    places.push([at, at + block.trim().length]);
    from = at + block.trim().length;
  }
  const made = [];
  from = 0;
  for (const [index, [start, end]] of places.entries()) {
    made.push(proseOf(said.slice(from, start).replace(/```\w*\s*$/, "")), codeBox(blocks[index], index, blocks));
    from = end;
  }
  return [...made, proseOf(said.slice(from).replace(/^\s*```/, ""))];
}

const proseOf = (text) => (text.trim() ? box(text.trim(), { label: "Reply", kind: "prose said" }) : null);
const codeBox = (block, index, blocks) =>
  box(block, { label: blocks.length > 1 ? `Code, block ${index + 1}` : "Code", kind: "code", draw: highlighted });

function askedPart(each) {
  const { call, reply, execution } = each.record;
  const parts = [
    errorOf("The root LM failed", call.error),
    thoughtsOf(call.thoughts),
    ...replyParts(reply, execution?.blocks ?? []),
    facts([
      ["finish", call.finish === "stop" ? null : call.finish],
      ["tried again with fewer characters", call.shortened],
      ...unknownOf(call, "root"),
      ...unknownOf(each.record, "iteration"),
    ]),
  ];
  return el("div", { class: "asked" }, ...parts);
}

function ranPart(each) {
  const { execution, observation } = each.record;
  const parts = [];
  if (execution) {
    const omitted = execution.omitted_sub_calls;
    parts.push(
      errorOf("The REPL was lost", execution.lost),
      isBlank(execution.output) ? null : box(execution.output, { label: "Output", kind: "output" }),
      errorOf("Error", execution.error),
      isBlank(execution.output) && execution.error == null && execution.lost == null
        ? el("p", { class: "none" }, "No output.")
        : null,
    );
    if (each.children.length) {
      each.list = paged(each.children, rowOf, "ul");
      parts.push(el("h4", {}, "Calls"), each.list.element);
    }
    if (omitted)
      parts.push(
        el(
          "p",
          { class: "notice" },
          `${plural(omitted.count, "sub-call")} left out of this summary, ${number(omitted.failed)} of them failed.`,
        ),
      );
    if (execution.variables?.length) {
      const names = () =>
        el("p", { class: "variables" }, ...execution.variables.map((name) => el("code", {}, words(head(name)))));
      parts.push(disclosure(`Variables (${number(execution.variables.length)})`, names, { kind: "minor" }));
    }
    parts.push(facts(unknownOf(execution, "execution")));
  } else if (each.record.call.error == null) parts.push(el("p", { class: "none" }, "No code ran."));
  for (const check of each.record.checks ?? []) parts.push(checkPart(check));
  for (const fold of each.record.folds ?? []) parts.push(foldPart(fold));
  if (!isBlank(observation))
    parts.push(
      disclosure("What the root LM was shown of it", () => box(observation, { label: "Observation", kind: "output" }), {
        kind: "minor",
      }),
    );
  return el("div", { class: "ran" }, ...parts);
}

/** What a check of the user's said of the answer. */
function checkPart({ name, objection, error, seconds }) {
  const refused = objection == null ? ["good", "took the answer"] : ["warn", "refused the answer"];
  const [kind, said] = error == null ? refused : ["bad", "broke"];
  const time = el("span", { class: "meta" }, duration(seconds));
  return el(
    "div",
    { class: `checked ${kind}` },
    el("p", {}, el("b", {}, "Check "), el("code", {}, words(head(name))), " ", badge(kind, said), time),
    objection == null ? null : box(objection, { label: "Why", kind: "prose" }),
    errorOf("How it broke", error),
  );
}

/** A call of the root LM for a summary of its older iterations. */
function foldPart({ call, reply, up_to, taken }) {
  const what = `Summary of iterations up to ${up_to}${taken ? ", in their place from here on" : ", not taken"}`;
  const build = () =>
    [
      errorOf("It failed", call.error),
      box(reply, { label: "Summary", kind: "prose" }),
      facts([
        ["model", call.model],
        ...usageFacts(call.usage),
        ["time", duration(call.seconds)],
        ...unknownOf(call, "root"),
      ]),
    ].filter(Boolean);
  return disclosure(what, build, { kind: "minor" });
}

function articleOf(each) {
  const { record } = each;
  const [name] = titleOf(each);
  const { call, execution } = record;
  const meta = [
    call.model && head(call.model),
    tokensOf(call.usage),
    call.usage?.cost_usd == null ? null : money(call.usage.cost_usd),
  ];
  const times = execution
    ? `${duration(call.seconds)} asked, ${duration(execution.seconds)} run`
    : duration(call.seconds);
  const made = el(
    "article",
    { id: each.id, class: `step${each.error == null ? "" : " bad"}`, "aria-label": name, tabindex: -1 },
    el(
      "header",
      {},
      el("h3", {}, name, " ", anchor(each.id)),
      ...flagsOf(each),
      el("span", { class: "meta" }, line([...meta, times].filter(Boolean).join(" · "), 300)),
    ),
  );
  made.fill = () => {
    nearView.unobserve(made);
    if (made.filled) return;
    made.filled = true;
    made.append(...[repeatOf(each), el("div", { class: "pair" }, askedPart(each), ranPart(each))].filter(Boolean));
  };
  each.element = made;
  nearView.observe(made);
  return made;
}

function breadcrumb(rlm) {
  const path = [];
  let top = rlm;
  for (; top.call; top = top.call.rlm) path.unshift(top);
  const first = el("a", { href: "#i1" }, runs.length > 1 ? "Run whose answer was given" : "Root LM");
  const beside = top === run ? [] : [" › ", el("a", { href: `#${top.prefix}i1` }, top.title)];
  const links = path.map((each) => [
    " › ",
    el("a", { href: `#${each.call.id}` }, each.call.id.split(".").slice(-2).join(".")),
    " child RLM",
  ]);
  return el(
    "nav",
    { class: "path", "aria-label": "Where these steps stand" },
    first,
    ...beside,
    ...links.flat(),
  );
}

function openingOf(rlm) {
  const messages = rlm.record.opening ?? [];
  if (!messages.length) return null;
  const build = () => messages.map((message) => box(message.content, { label: message.role, kind: "prose" }));
  return disclosure("What the root LM saw before its first reply", build, { kind: "card minor" });
}

/** The steps of an RLM in place of those shown. */
function showRlm(rlm) {
  if (rlm === shownRlm) return;
  shownRlm = rlm;
  const { record, call } = rlm;
  const omitted = record.omitted_iterations;
  pages = paged(rlm.iterations, articleOf, "div");
  const title = rlm.title ? `Steps: ${rlm.title.toLowerCase()}` : "Steps";
  const parts = [
    el("div", { class: "head" }, el("h2", { id: "steps-title" }, call ? `Steps of child RLM ${call.id}` : title)),
    rlm !== run && breadcrumb(rlm),
    rlm !== run && box(record.question, { label: "Its question", kind: "prose" }),
    rlm !== run && errorOf("It failed", record.error),
    rlm !== run && !isBlank(record.answer) && box(record.answer, { label: "Its answer", kind: "prose" }),
    openingOf(rlm),
    omitted &&
      el("p", { class: "notice" }, `${plural(omitted.count, "iteration")} left out of the middle of this summary.`),
    rlm.iterations.length ? pages.element : el("p", { class: "none" }, "The root LM was not asked."),
  ];
  steps.replaceChildren(...parts.filter(Boolean));
}

/** Scrolls to an element, and fills what comes into view on the way, which moves it. */
function settle(element, block) {
  const isNear = (article) => {
    const { top, bottom } = article.getBoundingClientRect();
    return !article.filled && bottom > 0 && top < innerHeight;
  };
  let near = [];
  do {
    element.scrollIntoView({ block });
    near = [...steps.querySelectorAll("article")].filter(isNear);
    for (const article of near) article.fill();
  } while (near.length);
}

/** Has a node on the screen, with all that it is in unfolded. */
function openStep(each) {
  showRlm(each.rlm);
  const path = [];
  for (let at = each; at && at.rlm === each.rlm && at.kind !== "iteration"; at = at.up) path.unshift(at);
  const iteration = path.length ? path[0].up : each;
  pages.show(shownRlm.iterations.indexOf(iteration));
  iteration.element.fill();
  let list = iteration.list;
  let siblings = iteration.children;
  for (const at of path) {
    list?.show(siblings.indexOf(at));
    at.element?.unfold();
    [list, siblings] = [at.list, at.children];
  }
  steps.querySelector(".here")?.classList.remove("here");
  const element = each.element ?? iteration.element;
  element.classList.add("here");
  settle(element, each === iteration ? "start" : "center");
  requestAnimationFrame(() => selected === each && settle(element, each === iteration ? "start" : "center"));
  return element;
}
