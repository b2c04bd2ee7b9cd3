"use strict";
// Tables that sort and filter, the choice of colours and device, and links into what is folded away.

const EMPTY = new Set(["", "—", "none", "not measured"]);

// A cell's number: of "1,142 [1,080, 1,499]" the first; NaN for a text.
function numberOf(text) {
  if (text.startsWith("∞")) return Infinity;
  return /^[+-]?[\d.]/.test(text) ? parseFloat(text.replace(/,(?=\d{3})/g, "")) : NaN;
}

function sortBy(table, column, direction) {
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
  const filled = rows.filter((entry) => !EMPTY.has(entry.text));
  const numeric = filled.every((entry) => !Number.isNaN(numberOf(entry.text)));
  const compare = numeric
    ? (a, b) => numberOf(a.text) - numberOf(b.text) || 0
    : (a, b) => a.text.localeCompare(b.text, "en", { numeric: true });
  filled.sort((a, b) => direction * compare(a, b));
  const empty = rows.filter((entry) => EMPTY.has(entry.text)); // last, whichever way
  table.tBodies[0].append(...[...filled, ...empty].map((entry) => entry.row));
}

function makeSortable(table) {
  const headers = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headers.forEach((header, column) => {
    if (!header.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortBy(table, column, ascending ? 1 : -1);
    });
  });
}

// What is looked for: any of several names, as "span rlfn"; of a name in quotes all of it.
function wanted(text) {
  const names = [...text.matchAll(/"([^"]+)"|(\S+)/g)].map((found) => found[1] ?? found[2]);
  return new RegExp(names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "i");
}

function makeFilterable(table, name) {
  const tools = document.createElement("div");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("output");
  const rows = [...table.tBodies[0].rows];
  tools.className = "tools";
  input.type = "search";
  label.append("Filter ", input);
  input.setAttribute("aria-label", `Filter: ${name}`);
  tools.append(label, count);
  table.parentElement.before(tools);
  const say = (shown) => { count.textContent = `${shown} of ${rows.length} rows`; };
  say(rows.length);
  input.addEventListener("input", () => {
    const sought = wanted(input.value);
    rows.forEach((row) => { row.hidden = !sought.test(row.textContent); });
    say(rows.filter((row) => !row.hidden).length);
  });
}

const names = new Map(); // of tables, so that a listener can tell them apart
for (const table of document.querySelectorAll("table.sortable")) {
  const heading = table.closest("section")?.querySelector("h3")?.textContent ?? "records";
  const title = table.caption?.textContent ?? `Table of ${heading}`;
  const before = names.get(title) ?? 0;
  const name = before ? `${title}, ${before + 1}` : title;
  names.set(title, before + 1);
  const scroll = table.parentElement;
  scroll.tabIndex = 0; // so that arrow keys scroll it
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", name);
  const rows = table.tBodies[0]?.rows.length ?? 0;
  if (rows > 1) makeSortable(table);
  if (rows > 6) makeFilterable(table, name);
}

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

const devices = [...document.querySelectorAll("article.device")];
const picker = document.getElementById("device");
function showDevice(slug) {
  devices.forEach((device) => { device.hidden = device.id !== slug; });
  if (picker) picker.value = slug;
  document.dispatchEvent(new CustomEvent("device-shown", { detail: document.getElementById(slug) }));
}
function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const device = target?.closest("article.device");
  if (device?.hidden) showDevice(device.id);
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target?.scrollIntoView();
}
picker?.addEventListener("change", () => showDevice(picker.value));
addEventListener("hashchange", follow);
