// Tooltip, filter and sorting. The page says everything without this script; it only makes looking quicker.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");

  // One record a series: its element and, for the tooltip, its vertices in the SVG's own units.
  const figures = [...document.querySelectorAll("figure svg")].map((svg) => ({ svg, series: [] }));
  for (const figure of figures) {
    for (const element of figure.svg.querySelectorAll("g[id]")) {
      const about = data.series[element.id];
      if (!about) continue;
      element.querySelector(":scope > title")?.remove(); // the browser's own tooltip, for pages without script
      const band = document.getElementById(element.id + "-band");
      figure.series.push({ element, band, about, points: vertices(element) });
    }
  }

  function vertices(element) {
    const line = element.querySelector(":scope > path");
    if (line && line.style.stroke !== "none") {
      const numbers = (line.getAttribute("d").match(/-?\d+(\.\d+)?(e-?\d+)?/g) || []).map(Number);
      return pairs(numbers);
    }
    return [...element.querySelectorAll("use")].map((use) => [+use.getAttribute("x"), +use.getAttribute("y")]);
  }

  function pairs(numbers) {
    const found = [];
    for (let i = 0; i + 1 < numbers.length; i += 2) found.push([numbers[i], numbers[i + 1]]);
    return found;
  }

  function nearest(figure, x, y) {
    let best = null;
    for (const one of figure.series) {
      if (one.element.classList.contains("off")) continue;
      one.points.forEach(([px, py], place) => {
        const distance = Math.hypot(px - x, py - y);
        if (!best || distance < best.distance) best = { one, place, distance };
      });
    }
    return best && best.distance < 25 ? best : null;
  }

  function describe({ one, place }) {
    const { label, x, y } = one.about;
    if (x.length !== one.points.length) return label; // points outside the axes were cut off
    return `${label}\nx = ${x[place]}, y = ${y[place]}`;
  }

  function leave(figure) {
    tip.hidden = true;
    for (const { element } of figure.series) element.classList.remove("dim");
  }

  for (const figure of figures) {
    figure.svg.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(figure.svg.getScreenCTM().inverse());
      const hit = nearest(figure, at.x, at.y);
      if (!hit) return leave(figure);
      for (const { element, about } of figure.series) {
        const same = about.init === hit.one.about.init && about.activation === hit.one.about.activation;
        element.classList.toggle("dim", !same);
      }
      tip.textContent = describe(hit);
      tip.hidden = false;
      const box = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, window.innerWidth - box.width - 4))}px`;
      tip.style.top = `${event.clientY > box.height + 20 ? event.clientY - box.height - 10 : event.clientY + 16}px`;
    });
    figure.svg.addEventListener("pointerleave", () => leave(figure));
  }

  // Filter: one box an init and an activation, for figures and table alike.
  const hiddenNames = { init: new Set(), activation: new Set() };

  function apply() {
    const off = (about) => hiddenNames.init.has(about.init) || hiddenNames.activation.has(about.activation);
    for (const { series } of figures) {
      for (const { element, band, about } of series) {
        element.classList.toggle("off", off(about));
        band?.classList.toggle("off", off(about));
      }
    }
    for (const row of document.querySelectorAll("tr[data-init]")) row.classList.toggle("off", off(row.dataset));
  }

  function box(kind, name) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    input.addEventListener("change", () => {
      hiddenNames[kind][input.checked ? "delete" : "add"](name);
      apply();
    });
    label.append(input, name);
    if (kind === "activation") label.className = "second";
    return label;
  }

  const filter = document.getElementById("filter");
  if (filter) {
    for (const [kind, names] of [["init", data.inits], ["activation", data.activations]]) {
      if (names.length > 1) filter.append(...names.map((name) => box(kind, name)));
    }
    filter.hidden = filter.children.length === 0;
  }

  // Sorting: numbers by value, text by alphabet, what is missing always last.
  function compare(a, b, sign) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const numeric = !Number.isNaN(+a) && !Number.isNaN(+b);
    return sign * (numeric ? a - b : a.localeCompare(b));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.classList.add("live");
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => row.cells[column].dataset.value;
        const rows = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b), up ? 1 : -1));
        table.tBodies[0].append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          sort();
        }
      });
    });
  }
})();
