"use strict";
// Draws a device's charts when it is first shown, and lets its controls steer all of them.

// logLevel 1: only errors, since an empty layer (no published point, no name found) is no reason to warn.
const OPTIONS = { logLevel: 1, actions: false, renderer: "svg", ast: true, tooltip: { theme: "plain" } };
const KINDS = { measured_marks: "measured here", own_marks: "of your own", published_marks: "published" };
const drawn = new Map();

async function draw(element) {
  const data = element.querySelector("script");
  const place = element.appendChild(document.createElement("div"));
  const { view } = await vegaEmbed(place, JSON.parse(data.textContent), {
    ...OPTIONS,
    patch: (spec) => {
      for (const mark of spec.marks) {
        if (mark.type !== "symbol") continue;
        mark.encode.update.tooltip = { signal: "datum.hover" };
        mark.description = `Networks ${KINDS[mark.name] ?? ""}`;
      }
      return spec;
    },
  });
  view.addEventListener("click", (event, item) => {
    if (item?.datum?.record) location.hash = item.datum.record;
  });
  return view;
}

async function drawDevice(device) {
  if (drawn.has(device)) return;
  drawn.set(device, []);
  const dataset = device.querySelector(".dataset");
  const find = device.querySelector(".find");
  if (!dataset) return;
  const views = await Promise.all([...device.querySelectorAll(".chart")].map(draw));
  drawn.set(device, views);
  const steer = () => {
    for (const view of views) view.signal("dataset", dataset.value).signal("find", find.value.trim() && wanted(find.value).source).runAsync();
    for (const words of device.querySelectorAll(".front-words")) words.hidden = words.dataset.dataset !== dataset.value;
  };
  dataset.addEventListener("change", steer);
  find.addEventListener("input", steer);
  steer();
}

document.addEventListener("device-shown", (event) => drawDevice(event.detail));
if (devices.length) showDevice(devices[0].id);
follow();
