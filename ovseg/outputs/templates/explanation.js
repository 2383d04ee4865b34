"use strict";
(() => {
  const { rows, columns, regions } = JSON.parse(document.getElementById("data").textContent);
  const picture = document.getElementById("picture");
  const canvas = picture.querySelector("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const buttons = Array.from(document.querySelectorAll("nav button"));
  const sections = Array.from(document.querySelectorAll("section[data-region]"));
  let kept = -1;

  // Show the support of one region and darken everything outside of it.
  const show = (index) => {
    for (const section of sections) section.hidden = Number(section.dataset.region) !== index;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.region) === index));
    }
    context.clearRect(0, 0, columns, rows);
    context.fillStyle = "rgb(0 0 0 / 55%)";
    regions.forEach((region, patch) => {
      if (region !== index) context.fillRect(patch % columns, Math.floor(patch / columns), 1, 1);
    });
  };
  const regionAt = (event) => {
    const frame = picture.getBoundingClientRect();
    const within = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value * size)));
    const column = within((event.clientX - frame.left) / frame.width, columns);
    const row = within((event.clientY - frame.top) / frame.height, rows);
    return regions[row * columns + column];
  };
  picture.addEventListener("mousemove", (event) => {
    if (kept < 0) show(regionAt(event));
  });
  picture.addEventListener("click", (event) => {
    const index = regionAt(event);
    kept = kept === index ? -1 : index;
    show(index);
  });
  for (const button of buttons) {
    button.addEventListener("click", () => {
      kept = Number(button.dataset.region);
      show(kept);
    });
  }
  show(0);
})();
