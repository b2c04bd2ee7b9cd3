"use strict";
// Draws charts when they are first to be seen, and lets a section's controls steer all of its charts.

// logLevel 1: only errors, since an empty layer (no published point, no name found) is no reason to warn.
const OPTIONS = { logLevel: 1, actions: false, renderer: "svg", ast: true, tooltip: { theme: "plain" } };
const views = new Map(); // the chart's element -> its view, or the promise of it

async function draw(element) {
  const specification = JSON.parse(element.querySelector("script").textContent);
  const place = element.appendChild(document.createElement("div"));
  const { view } = await vegaEmbed(place, specification, {
    ...OPTIONS,
    patch: (spec) => {
      for (const mark of spec.marks) {
        if (mark.type !== "symbol") continue;
        mark.encode.update.tooltip = { signal: "datum.hover" };
        mark.description = element.getAttribute("aria-label");
      }
      return spec;
    },
  });
  view.addEventListener("click", (event, item) => {
    if (item?.datum?.record) location.hash = item.datum.record;
  });
  return view;
}

const hiddenAway = (element) => [...ancestors(element)].some((at) => at.hidden || (at.tagName === "DETAILS" && !at.open));

// Every chart below an element that is to be seen now and was not drawn yet.
async function drawIn(element) {
  for (const chart of element.querySelectorAll(".chart")) {
    if (views.has(chart) || hiddenAway(chart)) continue;
    views.set(chart, draw(chart));
    await views.get(chart);
  }
}

// Names are placed once, so that those of the points found lie on nothing; points without a place are told in words.
async function find(chart, text) {
  const view = await views.get(chart);
  if (!view) return;
  const sought = text.trim() && wanted(text);
  await view.signal("find", sought ? sought.source : "").runAsync();
  const rows = JSON.parse(chart.querySelector("script").textContent).data.values;
  const found = sought ? rows.filter((row) => row.hover && sought.test(row.name)) : [];
  const says = chart.parentElement.querySelector(".found");
  says.hidden = !sought;
  says.textContent = found.length ? found.map((row) => row.text).join("; ") : "Not in this chart.";
}

for (const section of document.querySelectorAll("section")) {
  const dataset = section.querySelector(".dataset");
  const field = section.querySelector(".find");
  if (!dataset) continue;
  const place = section.getAttribute("aria-labelledby");
  const steer = async () => {
    for (const group of section.querySelectorAll(".charts")) group.hidden = group.dataset.dataset !== dataset.value;
    await drawIn(section);
    for (const chart of section.querySelectorAll(".charts:not([hidden]) .chart")) await find(chart, field.value);
  };
  const changed = () => { steer(); remember(place, { set: dataset.value, find: field.value }); };
  dataset.addEventListener("change", changed);
  field.addEventListener("input", changed);
  section.addEventListener("asked", (event) => {
    if (event.detail.has("set")) dataset.value = event.detail.get("set");
    if (event.detail.has("find")) field.value = event.detail.get("find");
    steer();
  });
}
document.addEventListener("device-shown", (event) => drawIn(event.detail));
document.addEventListener("toggle", (event) => { if (event.target.open) drawIn(event.target); }, true);
