// The tree of the run with a bar for each node, to scale. Only the rows in view are in the document.

const timeline = document.getElementById("timeline");
const narrow = matchMedia("(max-width: 600px)");
const SHOWN_AT_ONCE = 80;
const BUCKETS = 60;

const opened = new Set(order.length <= SHOWN_AT_ONCE ? order : []);
const tops = runs.flatMap((each) => each.iterations);
if (order.length > SHOWN_AT_ONCE && tops.length <= SHOWN_AT_ONCE / 4)
  for (const each of tops) if (each.children.length <= SHOWN_AT_ONCE / 4) opened.add(each);

let only = "all";
let zoom = [0, runSeconds];
let selected = null;
let rows = [];
let drawn = "";

for (const each of repeated) for (let at = each; at; at = at.up) at.repeats = (at.repeats ?? 0) + 1;
const FILTERS = { all: () => true, failed: (each) => each.failed > 0, repeated: (each) => each.repeats > 0 };

const axis = el("div", { class: "axis", "aria-hidden": "true" });
const spacer = el("div", { class: "spacer", role: "rowgroup" });
const grid = el("div", {
  class: "grid",
  role: "treegrid",
  tabindex: 0,
  "aria-label": "Steps, sub-calls and child RLMs",
});
grid.append(spacer);

const tracks = (seconds) => ((seconds - zoom[0]) / (zoom[1] - zoom[0])) * 100;

function bar(kind, start, end) {
  const [left, right] = [Math.max(0, tracks(start)), Math.min(100, tracks(end))];
  if (right < 0 || left > 100 || right < left) return null;
  const made = el("i", { class: `span ${kind}` });
  made.style.left = `${left}%`;
  made.style.width = `${right - left}%`;
  return made;
}

/** How many calls of a group went on at once, over its time, from 0 to 1. */
function density(group) {
  if (group.density) return group.density;
  const changes = new Array(BUCKETS + 1).fill(0);
  const bucket = (at) =>
    Math.min(BUCKETS - 1, Math.floor(((at - group.start) / (group.end - group.start || 1)) * BUCKETS));
  for (const each of group.children) {
    changes[bucket(each.start)] += 1;
    changes[bucket(each.end) + 1] -= 1;
  }
  let running = 0;
  const levels = changes.slice(0, BUCKETS).map((change) => (running += change));
  const most = Math.max(...levels, 1);
  group.density = levels.map((level) => level / most);
  return group.density;
}

function groupBars(group) {
  const made = bar("group", group.start, group.end);
  if (!made) return [];
  const whole = (group.end - group.start) / (zoom[1] - zoom[0]);
  if (tracks(group.start) >= 0 && tracks(group.end) <= 100 && whole > 0) {
    const colour = `var(--${group.children.some((each) => each.child) ? "child" : "sub"})`;
    const stops = density(group).map((level, index) => {
      const shade = `color-mix(in srgb, ${colour} ${Math.round(25 + 75 * level)}%, transparent)`;
      return `${shade} ${(100 * index) / BUCKETS}% ${(100 * (index + 1)) / BUCKETS}%`;
    });
    made.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  }
  const failed = group.children.filter((each) => each.failed).slice(0, 40);
  return [made, ...failed.map((each) => bar("tick", each.end, each.end))];
}

function bars(each) {
  const { record, kind } = each;
  if (kind === "group") return groupBars(each);
  if (kind === "tool") return [bar(each.error == null ? "tool" : "tool bad", each.start, each.end)];
  if (kind === "call") {
    return [bar(`${each.child ? "child" : "sub"}${each.error == null ? "" : " bad"}`, each.start, each.end)];
  }
  const { call, execution } = record;
  const askedIn = ({ error, start, seconds }) => bar(`root${error == null ? "" : " bad"}`, start, start + seconds);
  const asked = [call, ...(record.folds ?? []).map((fold) => fold.call)].map(askedIn);
  const checked = (record.checks ?? []).map(({ start, seconds, objection, error }) =>
    bar(`check${objection == null && error == null ? "" : " bad"}`, start, start + seconds),
  );
  if (!execution) return [...asked, ...checked];
  const ran = execution.start + execution.seconds;
  return [
    ...asked,
    ...checked,
    bar(`code${execution.error == null && execution.lost == null ? "" : " bad"}`, execution.start, ran),
  ];
}

/** What a node is called, in a word or two, and what it is about. */
function titleOf({ kind, record, child, children, rlm }) {
  if (kind === "iteration") {
    const blocks = record.execution?.blocks ?? [];
    const about = blocks.length ? head(blocks[0]) : head(record.reply);
    const name = record.last_call ? `Last call ${record.number}` : `Iteration ${record.number}`;
    return [rlm.title ? `${rlm.title}: ${name.toLowerCase()}` : name, about];
  }
  if (kind === "group") {
    const [first, last] = [children[0].record.number, children.at(-1).record.number];
    const name = record.batch == null ? plural(children.length, "single call") : `Batch of ${number(children.length)}`;
    return [name, `s${first}–s${last}`];
  }
  if (kind === "call") return [`s${record.number}${child ? " child RLM" : ""}`, record.prompt];
  return [head(record.name), record.arguments];
}

function flagsOf(each) {
  const flags = [];
  const below = each.failed - (each.error == null ? 0 : 1);
  if (each.error != null) flags.push(badge("bad", "failed"));
  if (below > 0) flags.push(badge("bad", `${number(below)} failed`));
  if (each.sameAs) flags.push(badge("again", "repeated"));
  else if (each.again) flags.push(badge("again", `asked ${number(each.again)}×`));
  if (each.record.cached || each.record.call?.cached) flags.push(badge("quiet", "cached"));
  if (each.record.replayed || each.record.call?.replayed) flags.push(badge("quiet", "from the journal"));
  const refused = (each.record.checks ?? []).some((check) => check.objection != null);
  if (refused) flags.push(badge("warn", "refused"));
  if (each.record.requests > 1) flags.push(badge("quiet", `${each.record.requests} requests`));
  return flags;
}

function drawRow(each, index) {
  const [name, about] = titleOf(each);
  const folds = each.children.length > 0;
  const isOpen = opened.has(each) || only !== "all";
  const twist = el("span", { class: "twist", "aria-hidden": "true" }, folds ? (isOpen ? "▾" : "▸") : "");
  const label = el("span", { class: "label", role: "rowheader" }, twist, el("b", {}, words(name)), ...flagsOf(each));
  label.append(el("span", { class: "about" }, line(about, 90)));
  label.style.paddingLeft = `${Math.min(each.level - 1, 16) * (narrow.matches ? 6 : 9)}px`;
  const made = el(
    "div",
    {
      id: `row-${each.id}`,
      class: `row ${each.kind}`,
      role: "row",
      "aria-level": each.level,
      "aria-rowindex": index + 1,
      "aria-expanded": folds ? String(isOpen) : null,
      "aria-selected": String(each === selected),
    },
    label,
    el("span", { class: "track", role: "gridcell" }, ...bars(each)),
    el("span", { class: "time", role: "gridcell" }, duration(each.end - each.start)),
  );
  made.style.top = `${index * rowHeight()}px`;
  return made;
}

const rowHeight = () => (narrow.matches ? 46 : 28);

/** Which rows there are. */
function layOut() {
  rows = [];
  const shown = FILTERS[only];
  const walk = (each) => {
    if (!shown(each)) return;
    rows.push(each);
    if (only !== "all" || opened.has(each)) each.children.forEach(walk);
  };
  tops.forEach(walk);
  spacer.style.height = `${rows.length * rowHeight()}px`;
  grid.setAttribute("aria-rowcount", rows.length);
  drawRows();
}

/** Those in view. They are left as they are where no others have come into it, or a click on one would be lost. */
function drawRows({ anew = true } = {}) {
  const height = rowHeight();
  const first = Math.max(0, Math.floor(grid.scrollTop / height) - 8);
  const last = Math.min(rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / height) + 8);
  if (!anew && `${first}-${last}` === drawn) return;
  drawn = `${first}-${last}`;
  spacer.replaceChildren(...rows.slice(first, last).map((each, index) => drawRow(each, first + index)));
  if (selected) grid.setAttribute("aria-activedescendant", `row-${selected.id}`);
}

const drawMore = () => drawRows({ anew: false });

function onClick(event) {
  const each = nodes.get(event.target.closest(".row")?.id.slice("row-".length));
  if (!each) return;
  if (event.target.closest(".twist") && each.children.length) toggle(each);
  else go(each.id);
}

function toggle(each, open = !opened.has(each)) {
  if (open) opened.add(each);
  else opened.delete(each);
  layOut();
}

function drawAxis() {
  const seconds = zoom[1] - zoom[0];
  const rough = seconds / (narrow.matches ? 3 : 6);
  const scale = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * scale >= rough) * scale;
  const lines = ["transparent 0"];
  axis.replaceChildren();
  for (let at = Math.ceil(zoom[0] / step) * step; at <= zoom[1]; at += step) {
    const place = tracks(at);
    const tick = el("span", {}, duration(at));
    tick.style.left = `${place}%`;
    if (place < 94) axis.append(tick);
    lines.push(
      `transparent ${place}%, var(--line) ${place}%, var(--line) calc(${place}% + 1px), transparent calc(${place}% + 1px)`,
    );
  }
  timeline.style.setProperty("--ticks", `linear-gradient(90deg, ${lines.join(", ")})`);
}

function zoomTo(from, to) {
  zoom = [from, Math.max(to, from + 1e-6)];
  zoomOut.hidden = from === 0 && to === runSeconds;
  drawAxis();
  drawRows();
}

function zoomToNode(each) {
  const margin = (each.end - each.start) * 0.03;
  zoomTo(Math.max(0, each.start - margin), Math.min(runSeconds, each.end + margin));
}

/** Marks a node, with all that it is in open, and brings its row into view. */
function select(each) {
  selected = each;
  if (!FILTERS[only](each)) setFilter("all");
  for (let at = each.up; at; at = at.up) opened.add(at);
  layOut();
  const top = rows.indexOf(each) * rowHeight();
  if (top < grid.scrollTop || top + rowHeight() > grid.scrollTop + grid.clientHeight) {
    grid.scrollTop = top - grid.clientHeight / 3;
    drawRows();
  }
}

function setFilter(name) {
  only = name;
  for (const button of timeline.querySelectorAll(".filters button"))
    button.setAttribute("aria-pressed", String(button.dataset.filter === name));
  grid.scrollTop = 0;
  layOut();
}

const zoomOut = el("button", { type: "button", hidden: true, onclick: () => zoomTo(0, runSeconds) }, "Whole run");

function drawTimeline() {
  const failed = order.filter((each) => each.error != null).length;
  const counts = { all: null, failed, repeated: repeated.length };
  const filters = Object.entries(counts).map(([name, count]) =>
    el(
      "button",
      {
        type: "button",
        "data-filter": name,
        class: name === "failed" && count ? "bad" : null,
        hidden: count === 0,
        "aria-pressed": String(name === only),
        onclick: () => setFilter(name),
      },
      count === null ? "All" : `${number(count)} ${name}`,
    ),
  );
  const kinds = [
    ["root", "root LM"],
    ["code", "code"],
    ["sub", "sub-LM"],
    ["child", "child RLM"],
    ["tool", "tool"],
  ];
  if (order.some((each) => each.record.checks?.length)) kinds.push(["check", "check"]);
  const legend = kinds.map(([kind, name]) => el("span", {}, el("i", { class: `key ${kind}` }), name));
  timeline.append(
    el(
      "div",
      { class: "head" },
      el("h2", { id: "timeline-title" }, "Timeline"),
      el("div", { class: "filters", role: "group", "aria-label": "Which rows are shown" }, ...filters),
      zoomOut,
    ),
    el("div", { class: "legend", "aria-hidden": "true" }, ...legend),
    el("div", { class: "scale" }, axis),
    grid,
  );
  spacer.addEventListener("click", onClick);
  grid.addEventListener("scroll", () => requestAnimationFrame(drawMore), { passive: true });
  narrow.addEventListener("change", layOut);
  new ResizeObserver(drawMore).observe(grid);
  drawAxis();
  layOut();
}
