// SPDX-License-Identifier: Apache-2.0
"use strict";

/* Figures: colours of text and grid come from the style sheet, so that they follow the light or dark scheme. */
const figures = JSON.parse(document.getElementById("figures").textContent);

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: color("--grid"), zerolinecolor: color("--grid"), linecolor: color("--line"), automargin: true };
  const result = { ...layout, font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("--muted") } };
  for (const key of Object.keys(layout)) {
    if (/^[xy]axis/.test(key)) result[key] = { ...layout[key], ...axis };
  }
  result.hoverlabel = { bgcolor: color("--surface"), bordercolor: color("--line"), font: { color: color("--ink"), size: 13 }, align: "left" };
  return result;
}

/* Parallel coordinates need WebGL; where there is none, the drawing stays. */
const webgl = document.createElement("canvas").getContext("webgl") !== null;

function draw() {
  for (const [id, figure] of Object.entries(figures)) {
    if (!webgl && figure.data.some((trace) => trace.type === "parcoords")) continue;
    const place = document.getElementById(id);
    place.parentElement.classList.add("drawn");
    Plotly.react(place, figure.data, themed(figure.layout), { responsive: true, displaylogo: false, displayModeBar: false });
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

/* Tables: a click on a heading sorts by it, another one reverses. Cells carry their value in data-value where the text is not it. */
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const first = heading.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const numeric = heading.classList.contains("number") ? x - y : x.localeCompare(y, "en", { numeric: true });
        return order === "ascending" ? numeric : -numeric;
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort(compare));
    });
  });
}
