// Draws the page, and goes where links lead.

/** Has a node marked in the timeline and open among the steps, and its id in the address. */
function go(id, { quietly = false, focus = !quietly } = {}) {
  const each = nodes.get(id);
  if (!each) return false;
  if (location.hash !== `#${id}`) setAddress(`#${id}`, quietly);
  select(each);
  const element = openStep(each);
  if (focus) (element.querySelector("summary") ?? element).focus({ preventScroll: true });
  revealSought(element);
  return true;
}

function setAddress(hash, quietly) {
  try {
    history[quietly ? "replaceState" : "pushState"](null, "", hash);
  } catch {
    // a page that is embedded in another may have no address of its own
  }
}

const fromAddress = () => go(location.hash.slice(1));

function drawTools() {
  const ask = el("button", { type: "button", "aria-label": "Keys", onclick: () => help.showModal() }, "?");
  const step = (by, name, mark) =>
    el("button", { type: "button", class: "bad", "aria-label": name, onclick: () => toProblem(by) }, mark);
  const count = el("span", { class: "bad" }, plural(problems.length, "problem"));
  const walk = problems.length
    ? el("span", { class: "walk" }, step(-1, "Problem before", "‹"), count, step(1, "Next problem", "›"))
    : null;
  document.getElementById("tools").append(el("div", { class: "find" }, field, panel), ...[walk, ask].filter(Boolean));
  document.addEventListener(
    "pointerdown",
    (event) => panel.contains(event.target) || event.target === field || closeResults(),
  );
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#i"], a[href^="#r"]');
  if (link && go(link.getAttribute("href").slice(1))) event.preventDefault();
});
addEventListener("hashchange", fromAddress);

drawOverview();
drawTools();
drawTimeline();
showRlm(run);
drawAbout();
drawHelp();
fromAddress();
