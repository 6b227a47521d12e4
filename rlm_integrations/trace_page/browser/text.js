// Elements, and the words of others in them: these become text nodes, and never markup.

function el(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// Texts that are long stand apart from the trace, and a part of them is read when one of it is wanted.
const parts = new Map();

function whole(text) {
  if (typeof text === "string") return text;
  if (!text) return "";
  const [part, index] = text.$text;
  if (!parts.has(part)) parts.set(part, JSON.parse(document.querySelectorAll("script.texts")[part].textContent));
  return parts.get(part)[index];
}

/** With the names that it had before one like that of a place was told from it: see texts.py. */
function asNamed(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name.replace(/^\$(?=\$+text$)/, ""), each]));
}

const isText = (value) => typeof value === "string" || Boolean(value?.$text);
const head = (text) => (typeof text === "string" ? text : (text?.head ?? ""));
const isBlank = (text) => head(text).trim() === "";
/** Equal for equal texts, without reading long ones. */
const keyOf = (text) => (typeof text === "string" ? text : `$${text?.$text}`);

// What turns text round, is invisible or moves a cursor is shown as an escape. Joiners and selectors after a
// visible character that is not ASCII stay: words of some scripts, and emojis, need them.
const UNFIT = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\u00ad\\u034f" +
    "\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200d\\u2060-\\u2065\\u206a-\\u206f\\u3164\\ufe00-\\ufe0f" +
    "\\ufeff\\uffa0\\ufff0-\\ufffb\\u{13430}-\\u{1343f}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}" +
    "\\u{e0000}-\\u{e0fff}\\ud800-\\udfff]+",
  "gu",
);
const JOINS = /^[\u200c\u200d\ufe0e\ufe0f]$/u;

function escapeOf(char) {
  const point = char.codePointAt(0).toString(16);
  return point.length > 4 ? `\\U${point.padStart(8, "0")}` : `\\u${point.padStart(4, "0")}`;
}

/** Somebody's words as nodes. */
function words(text) {
  const nodes = document.createDocumentFragment();
  let shown = 0;
  const plain = text.replaceAll("\r\n", "\n");
  for (const found of plain.matchAll(UNFIT)) {
    if (JOINS.test(found[0]) && plain.charCodeAt(found.index - 1) > 0x7f) continue;
    nodes.append(plain.slice(shown, found.index));
    const escaped = [...found[0]].map(escapeOf).join("");
    nodes.append(el("span", { class: "escape", title: "a character that would be invisible or move others" }, escaped));
    shown = found.index + found[0].length;
  }
  nodes.append(plain.slice(shown));
  return nodes;
}

/** Somebody's words in one line, cut. */
function line(text, chars = 160) {
  const flat = head(text)
    .slice(0, chars * 4)
    .replace(/\s+/g, " ")
    .trim();
  return words(flat.length > chars ? `${flat.slice(0, chars).replace(/[\ud800-\udbff]$/, "")}…` : flat);
}

const number = (n) => n.toLocaleString("en-US");
const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
const money = (cost) => (cost === null || cost === undefined ? "–" : `$${cost.toFixed(cost >= 1 ? 2 : 4)}`);

function duration(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  return rounded < 3600
    ? `${Math.floor(rounded / 60)} min ${rounded % 60} s`
    : `${Math.floor(rounded / 3600)} h ${Math.floor((rounded % 3600) / 60)} min`;
}

const badge = (kind, ...content) => el("span", { class: `badge ${kind}` }, ...content);

/** A part that is built when it is opened. */
function disclosure(summary, build, { open = false, kind = "" } = {}) {
  const body = el("div", { class: "body" });
  const made = el("details", { class: kind }, el("summary", {}, summary), body);
  const fill = () => body.childNodes.length || body.append(...[build()].flat());
  made.addEventListener("toggle", () => made.open && fill());
  made.unfold = () => {
    fill();
    made.open = true;
  };
  if (open) made.unfold();
  return made;
}

const PAGE = 50;

/** A long list, of which one page stands in the document: `show(index)` turns to the page of that item. */
function paged(items, render, tag = "ol") {
  const list = el(tag, { class: "items" });
  const place = el("span", { "aria-live": "polite" });
  const turn = (by) =>
    el("button", { type: "button", onclick: () => show(first + by) }, by < 0 ? "‹ before" : "next ›");
  const [back, on] = [turn(-PAGE), turn(PAGE)];
  let first = -1;
  function show(index) {
    const wanted = Math.max(0, Math.floor(Math.min(index, items.length - 1) / PAGE) * PAGE);
    if (wanted === first) return;
    first = wanted;
    const last = Math.min(first + PAGE, items.length);
    list.replaceChildren(...items.slice(first, last).map((item, at) => render(item, first + at)));
    if (tag === "ol") list.start = first + 1;
    place.textContent = `${number(first + 1)}–${number(last)} of ${number(items.length)}`;
    back.disabled = first === 0;
    on.disabled = last === items.length;
  }
  show(0);
  const pager = items.length > PAGE ? el("div", { class: "pager" }, back, place, on) : null;
  return { element: el("div", { class: "paged" }, pager, list), show };
}
