// Python in colours. Code that is broken keeps its text: what no rule knows is shown as it is.

const KEYWORDS = new Set(
  (
    "False None True and as assert async await break case class continue def del elif else except finally for from " +
    "global if import in is lambda match nonlocal not or pass raise return try while with yield"
  ).split(" "),
);
const OF_THE_REPL = new Set(
  (
    "FINAL FINAL_VAR SHOW_VARS answer chunks cite context llm_map llm_query llm_query_batched llm_reduce " +
    "recursive_llm retrieve rlm_query rlm_query_batched search"
  ).split(" "),
);
const MOST_MARKED = 50_000; // tokens of one code in colours
const TOKEN = /#[^\n]*|[A-Za-z_]\w*|\d[\w.]*|["']/g;
const PREFIX = /^[rbfu]{1,2}$/i;

/** Where a string ends that is opened at `start` by `quote`: at the end of its line, or of all, if nothing closes it. */
function endOfString(code, start, quote) {
  const triple = code.startsWith(quote.repeat(3), start);
  const close = triple ? quote.repeat(3) : quote;
  for (let at = start + close.length; at < code.length; at += code[at] === "\\" ? 2 : 1) {
    if (code.startsWith(close, at)) return at + close.length;
    if (!triple && code[at] === "\n") return at;
  }
  return code.length;
}

function kindOf(token, code, end) {
  if (token[0] === "#") return "comment";
  if (/\d/.test(token[0])) return "number";
  if (KEYWORDS.has(token)) return "keyword";
  if (OF_THE_REPL.has(token)) return "repl";
  return code[end] === "(" ? "call" : null;
}

/** Python code as nodes. */
function highlighted(code) {
  const nodes = document.createDocumentFragment();
  let shown = 0;
  const mark = (start, end, kind) => {
    if (start > shown) nodes.append(words(code.slice(shown, start)));
    nodes.append(el("span", { class: `py-${kind}` }, words(code.slice(start, end))));
    shown = end;
  };
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(code); found && nodes.childElementCount < MOST_MARKED; found = TOKEN.exec(code)) {
    const [token, start, end] = [found[0], found.index, TOKEN.lastIndex];
    if (token === '"' || token === "'") {
      TOKEN.lastIndex = endOfString(code, start, token);
      mark(start, TOKEN.lastIndex, "string");
    } else if (PREFIX.test(token) && /["']/.test(code[end] ?? "")) {
      TOKEN.lastIndex = endOfString(code, end, code[end]);
      mark(start, TOKEN.lastIndex, "string");
    } else {
      const kind = kindOf(token, code, end);
      if (kind) mark(start, end, kind);
    }
  }
  nodes.append(words(code.slice(shown)));
  return nodes;
}

const SHOWN_CHARS = 20_000;
const MORE_CHARS = 1_000_000;

/** A text in a box of its own, cut where it is very long, and shown in parts then: `draw` makes nodes of it. */
function box(text, { label = "", kind = "", draw = words } = {}) {
  const content = whole(text);
  const pre = el("pre", { class: kind, tabindex: 0, role: "region", "aria-label": label || "text" });
  const more = el("button", { type: "button", class: "more", onclick: () => show(shown + MORE_CHARS) });
  let shown = 0;
  const show = (chars) => {
    shown = chars;
    pre.replaceChildren(draw(content.slice(0, chars)));
    const left = content.length - chars;
    if (left <= 0) more.remove();
    const all = left <= MORE_CHARS ? "all" : `${number(MORE_CHARS)} more of`;
    more.textContent = `Show ${all} ${plural(content.length, "character")}`;
  };
  show(SHOWN_CHARS);
  const copy = el("button", { type: "button", class: "copy", "aria-label": `Copy ${label || "text"}` }, "Copy");
  copy.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(content).then(
      () => "Copied",
      () => "Not allowed",
    );
    copy.textContent = done;
  });
  const bar = el("div", { class: "bar" }, label && el("span", { class: "label" }, label), navigator.clipboard && copy);
  const made = el("div", { class: "box" }, bar, pre, content.length > SHOWN_CHARS && more);
  /** To the first match, unless that is very far: laying out all before it may take a minute. */
  made.unfoldTo = (pattern) => {
    pattern.lastIndex = 0;
    const end = pattern.test(content) ? pattern.lastIndex : 0;
    if (shown < end && end <= shown + MORE_CHARS) show(end + SHOWN_CHARS);
  };
  return made;
}
