"use strict";
// The choice of colours and device, links into what is folded away, and what the address asks for.

// A wide window has room for the contents beside the text, where no heading folds them.
const wide = matchMedia("(min-width: 1200px)");
const unfold = () => document.querySelectorAll(".contents").forEach((contents) => { contents.open = wide.matches; });
wide.addEventListener("change", unfold);
unfold();

const theme = document.getElementById("theme");
function setTheme(value) {
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
  theme.value = value;
}
// A browser may forbid a page on disk to remember anything.
try { setTheme(localStorage.getItem("esr-bench-theme") ?? ""); } catch { setTheme(""); }
theme.addEventListener("change", () => {
  setTheme(theme.value);
  try { localStorage.setItem("esr-bench-theme", theme.value); } catch { /* the choice lasts as long as the page */ }
});

for (const heading of document.querySelectorAll("h3[id], h4[id]")) {
  const link = make("a", { className: "row-link", href: `#${heading.id}`, textContent: "#" });
  link.setAttribute("aria-label", `Link to ${heading.textContent}`);
  heading.append(link);
}

const devices = [...document.querySelectorAll("article.device")];
const picker = document.getElementById("device");
function showDevice(name) {
  devices.forEach((device) => { device.hidden = device.id !== name; });
  if (picker) picker.value = name;
  const device = document.getElementById(name);
  device.querySelectorAll("table.sortable").forEach(prepare);
  document.dispatchEvent(new CustomEvent("device-shown", { detail: device }));
}
function follow() {
  const { place, how } = asked();
  const target = document.getElementById(place);
  const device = target?.closest("article.device");
  if (device?.hidden) showDevice(device.id);
  for (const at of [target, ...ancestors(target)]) if (at?.tagName === "DETAILS") at.open = true;
  (target?.closest("section") ?? device)?.querySelectorAll("table.sortable").forEach(prepare);
  for (const row of document.querySelectorAll("tr.linked")) row.classList.remove("linked");
  if (target?.tagName === "TR") target.classList.add("linked");
  if (target?.tagName === "TABLE") {
    if (how.has("sort")) target.tHead.rows[0].cells[Math.abs(parseInt(how.get("sort"), 10))]?.querySelector("button")?.click();
    if (how.get("sort")?.startsWith("-")) target.tHead.rows[0].cells[-parseInt(how.get("sort"), 10)]?.querySelector("button")?.click();
    if (how.has("filter")) target.dispatchEvent(new CustomEvent("filter", { detail: how.get("filter") }));
    remember(place, Object.fromEntries(how));
  }
  target?.closest("section")?.dispatchEvent(new CustomEvent("asked", { detail: how }));
  target?.scrollIntoView();
}
picker?.addEventListener("change", () => showDevice(picker.value));
addEventListener("hashchange", follow);
if (devices.length) showDevice(devices[0].id);
follow();
