// SPDX-License-Identifier: Apache-2.0
"use strict";

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("comparison");
  const rows = [...table.tBodies[0].rows];

  /* Filter: a row is shown where it has every word. */
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted.every((word) => texts.get(row).includes(word));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
  });

  document.getElementById("all-keys")?.addEventListener("change", (event) => table.classList.toggle("all", event.target.checked));

  /* Two chosen: their settings, figures and layers where they differ. The third one takes the place of the first. */
  const chosen = [];
  const section = document.getElementById("difference");
  const place = document.getElementById("difference-tables");

  function tableOf(caption, headings, lines) {
    const result = document.createElement("table");
    result.createCaption().textContent = caption;
    const head = result.createTHead().insertRow();
    for (const heading of headings) {
      const cell = document.createElement("th");
      cell.textContent = heading;
      head.append(cell);
    }
    const body = result.createTBody();
    for (const line of lines) {
      const row = body.insertRow();
      for (const text of line) row.insertCell().textContent = text;
    }
    return result;
  }

  function layerLines(first, second) {
    const show = (layer) => layer
      ? `${layer[1]}: ${layer[2] ?? "–"} B, ${layer[3] === null ? "–" : Math.round(layer[3]).toLocaleString("en")} cycles` +
        (layer[4] ? `, ${(100 * layer[4]).toFixed(0)} % zero` : "")
      : "–";
    const by = (layers) => new Map(layers.map((layer) => [layer[0], layer]));
    const [left, right] = [by(first), by(second)];
    return [...new Set([...left.keys(), ...right.keys()])]
      .map((name) => [name, show(left.get(name)), show(right.get(name))])
      .filter(([, a, b]) => a !== b);
  }

  function showDifference() {
    section.hidden = chosen.length < 2;
    place.replaceChildren();
    if (section.hidden) return;
    const [a, b] = chosen;
    const names = [data.names[a], data.names[b]];
    const differing = (entries) => entries
      .map(([key, values]) => [key, values[a], values[b]]).filter(([, x, y]) => x !== y);
    place.append(
      tableOf("Settings", ["Key", ...names], differing(data.settings)),
      tableOf("Figures", ["Figure", ...names], differing(data.figures)),
      tableOf("Layers", ["Layer", ...names], layerLines(data.layers[a], data.layers[b])),
    );
  }

  const boxes = [...document.querySelectorAll("input.choose")];
  const boxOf = new Map(boxes.map((box) => [Number(box.value), box]));

  function choose(index, wanted) {
    boxOf.get(index).checked = wanted;
    if (wanted) chosen.push(index);
    else chosen.splice(chosen.indexOf(index), 1);
    if (chosen.length > 2) boxOf.get(chosen.shift()).checked = false;
    showDifference();
  }

  for (const box of boxes) box.addEventListener("change", () => choose(Number(box.value), box.checked));

  for (const place of document.querySelectorAll('[id^="front-"]')) {
    place.on?.("plotly_click", ({ points: [point] }) => {
      if (point.customdata !== undefined) choose(point.customdata, !chosen.includes(point.customdata));
    });
  }
}
