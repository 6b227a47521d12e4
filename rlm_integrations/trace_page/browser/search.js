// Search through all texts of the run, and marks where the words stand in what is on the screen.

const LISTED = 100;
const COUNTED = 1000;
const AROUND_HIT = 60;

const field = el("input", {
  type: "search",
  placeholder: "Search  /",
  "aria-label": "Search all texts of the run",
  autocomplete: "off",
  spellcheck: "false",
});
const results = el("ol", { class: "results", "aria-label": "Search results" });
const found = el("p", { class: "count", role: "status" });
const panel = el("div", { class: "panel", hidden: true }, found, results);
let sought = null;

const patternOf = (query) => new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");

function hitOf(each, what, text, at, length) {
  const from = Math.max(0, at - AROUND_HIT);
  const inOneLine = (start, end) => words(text.slice(start, end).replace(/\s+/g, " "));
  const snippet = el(
    "span",
    { class: "snippet" },
    from ? "…" : "",
    inOneLine(from, at),
    el("mark", {}, inOneLine(at, at + Math.min(length, 200))),
    inOneLine(at + length, at + length + AROUND_HIT),
  );
  const link = el("a", { href: `#${each.id}` }, el("b", {}, each.id), ` ${what} `, snippet);
  link.addEventListener("click", () => closeResults());
  return el("li", {}, link);
}

function* hits(pattern) {
  for (const each of order) {
    for (const [what, text] of textsOf(each)) {
      if (!text) continue;
      const content = whole(text);
      pattern.lastIndex = 0;
      const hit = pattern.exec(content);
      if (hit) yield [each, what, content, hit.index, hit[0].length];
    }
  }
}

function search() {
  const query = field.value.trim();
  sought = query ? patternOf(query) : null;
  panel.hidden = !query;
  results.replaceChildren();
  if (query) {
    let count = 0;
    for (const hit of hits(sought)) {
      count += 1;
      if (count <= LISTED) results.append(hitOf(...hit));
      if (count === COUNTED) break;
    }
    const more = count > LISTED ? `, of which the first ${LISTED} are listed` : "";
    found.textContent = count
      ? `${count === COUNTED ? `${number(COUNTED)} texts or more` : plural(count, "text")}${more}`
      : "Nothing found.";
  }
  markSought();
}

function closeResults() {
  panel.hidden = true;
}

/** Lights the sought words in the texts on the screen, which are left as they are. */
function markSought() {
  if (!globalThis.CSS?.highlights) return;
  CSS.highlights.delete("sought");
  if (!sought) return;
  const ranges = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let at = walker.nextNode(); at && ranges.length < COUNTED; at = walker.nextNode()) {
    for (const hit of at.data.matchAll(sought)) {
      if (ranges.length === COUNTED) break;
      const range = new Range();
      range.setStart(at, hit.index);
      range.setEnd(at, hit.index + hit[0].length);
      ranges.push(range);
    }
  }
  CSS.highlights.set("sought", new Highlight(...ranges));
}

/** Unfolds a cut text of a step where the sought words stand behind the cut, and brings them into its box. */
function revealSought(element) {
  if (!sought) return;
  for (const cut of element.querySelectorAll(".box:has(> .more)")) {
    sought.lastIndex = 0;
    if (!sought.test(cut.querySelector("pre").textContent)) cut.unfoldTo(sought);
  }
  markSought();
  for (const pre of element.querySelectorAll("pre")) {
    const walker = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT);
    for (let at = walker.nextNode(); at; at = walker.nextNode()) {
      sought.lastIndex = 0;
      const hit = sought.exec(at.data);
      if (!hit) continue;
      const range = new Range();
      range.setStart(at, hit.index);
      range.setEnd(at, hit.index + hit[0].length);
      pre.scrollTop += range.getBoundingClientRect().top - pre.getBoundingClientRect().top - pre.clientHeight / 3;
      break;
    }
  }
}

let waiting = 0;
field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(search, 150);
});
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    clearTimeout(waiting);
    search();
    results.querySelector("a")?.focus();
  }
});
field.addEventListener("focus", () => {
  panel.hidden = !sought;
});
