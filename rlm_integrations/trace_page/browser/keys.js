// Steps by the keyboard: one table of keys, for the help and for the handler.

const KEYS = [
  [["j", "ArrowDown"], "next row", () => move(1)],
  [["k", "ArrowUp"], "row before", () => move(-1)],
  [["l", "ArrowRight"], "unfold, or go to the first part", () => inward()],
  [["h", "ArrowLeft"], "fold, or go to what it is in", () => outward()],
  [["n"], "next problem", () => toProblem(1)],
  [["p"], "problem before", () => toProblem(-1)],
  [["z"], "zoom the timeline to this row", () => selected && zoomToNode(selected)],
  [["x"], "the whole run", () => zoomTo(0, runSeconds)],
  [["t"], "top of the page", () => scrollTo({ top: 0 })],
  [["/"], "search", () => field.focus()],
  [["?"], "this help", () => help.showModal()],
  [["Escape"], "close the search", () => closeResults()],
];
const help = document.getElementById("help");

function move(by) {
  const at = rows.indexOf(selected);
  const next = rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))];
  if (next) go(next.id, { quietly: true });
}

function inward() {
  if (!selected?.children.length) return;
  if (!opened.has(selected)) toggle(selected, true);
  else go(selected.children[0].id, { quietly: true });
}

function outward() {
  if (selected && opened.has(selected) && selected.children.length) toggle(selected, false);
  else if (selected?.up) go(selected.up.id, { quietly: true });
}

function toProblem(by) {
  if (!problems.length) return;
  const at = selected ? order.indexOf(selected) : -1;
  const later =
    by > 0 ? problems.find((each) => order.indexOf(each) > at) : problems.findLast((each) => order.indexOf(each) < at);
  go((later ?? problems.at(by > 0 ? 0 : -1)).id, { quietly: true });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const typing = event.target.matches?.("input");
  if (typing && event.key !== "Escape") return;
  const isArrow = event.key.startsWith("Arrow");
  if (isArrow && document.activeElement !== grid) return; // elsewhere they scroll
  const command = KEYS.find(([keys]) => keys.includes(event.key));
  if (!command) {
    if (event.key === "Enter" && document.activeElement === grid && selected) go(selected.id, { focus: true });
    return;
  }
  event.preventDefault();
  if (typing) field.blur();
  command[2]();
}

function drawHelp() {
  const names = { ArrowDown: "↓", ArrowUp: "↑", ArrowRight: "→", ArrowLeft: "←", Escape: "Esc" };
  const list = KEYS.flatMap(([keys, what]) => [
    el("dt", {}, ...keys.flatMap((key) => [el("kbd", {}, names[key] ?? key), " "])),
    el("dd", {}, what),
  ]);
  help.append(
    el("h2", { id: "help-title" }, "Keys"),
    el("dl", {}, ...list),
    el(
      "p",
      {},
      "Arrows move in the timeline when it has the focus. A link such as #i3.s12 leads to sub-call 12 of iteration 3.",
    ),
    el("button", { type: "button", onclick: () => help.close() }, "Close"),
  );
  document.addEventListener("keydown", onKey);
}
