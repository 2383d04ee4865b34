"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);
  const grid = byId("grid"), wanted = byId("wanted"), order = byId("order"), count = byId("count");
  const entries = all("[data-labels]").map((element, place) => ({
    element, place, home: element.parentNode, name: element.dataset.name,
    labels: JSON.parse(element.dataset.labels),
  }));

  // [share, confidence] of the chosen class, or of all classes together.
  const figures = (entry) => {
    if (wanted.value) return entry.labels[wanted.value] || [0, null];
    let share = 0, weighted = 0;
    for (const [label, [part, confidence]] of Object.entries(entry.labels)) {
      if (label === "0" || label === wanted.dataset.void) continue;
      share += part;
      weighted += part * (confidence ?? 0);
    }
    return [share, share ? weighted / share : null];
  };
  const orders = {
    input: (a, b) => a.place - b.place,
    name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
    most: (a, b) => figures(b)[0] - figures(a)[0],
    least: (a, b) => figures(a)[0] - figures(b)[0],
    unsure: (a, b) => (figures(a)[1] ?? 2) - (figures(b)[1] ?? 2),
  };
  const update = () => {
    const sorted = entries.slice().sort((a, b) => orders[order.value](a, b) || a.place - b.place);
    let shown = 0;
    for (const entry of sorted) {
      entry.element.hidden = Boolean(wanted.value) && !(wanted.value in entry.labels);
      shown += !entry.element.hidden;
      entry.home.append(entry.element);
    }
    count.textContent = `${shown} of ${entries.length} shown`;
  };
  wanted.addEventListener("change", update);
  order.addEventListener("change", update);
  for (const button of all("button[data-label]")) {
    button.addEventListener("click", () => {
      wanted.value = wanted.value === button.dataset.label ? "" : button.dataset.label;
      update();
      byId("tools").scrollIntoView({ block: "start" });
    });
  }
  byId("strength").addEventListener("input", (event) => {
    document.documentElement.style.setProperty("--strength", event.target.value / 100);
  });
  grid.addEventListener("input", (event) => {
    event.target.parentNode.style.setProperty("--x", `${event.target.value}%`);
  });
  byId("tools").hidden = false;
  update();
})();
