"use strict";
// Tables: rows sort, filter and have an address each; columns without room stand behind a pager, not in a scroll box.

const EMPTY = new Set(["", "—", "none", "not measured"]);

// A cell's number: of "1,142 [1,080, 1,499]" the first; NaN for a text.
function numberOf(text) {
  if (text.startsWith("∞")) return Infinity;
  return /^[+\-−]?[\d.]/.test(text) ? parseFloat(text.replace("−", "-").replace(/,(?=\d{3})/g, "")) : NaN;
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

function makeSortable(table, changed) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    if (!header.textContent.trim()) return;
    const button = make("button", { type: "button" }, ...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortBy(table, column, ascending ? 1 : -1);
      changed({ sort: `${ascending ? "" : "-"}${column}` });
    });
  });
}

function makeFilterable(table, name, tools, changed) {
  const input = make("input", { type: "search" });
  const count = make("output");
  const rows = [...table.tBodies[0].rows];
  input.setAttribute("aria-label", `Filter: ${name}`);
  tools.append(make("label", {}, "Filter ", input), count);
  const filter = () => {
    const sought = wanted(input.value);
    rows.forEach((row) => { row.hidden = !sought.test(row.textContent); });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  filter();
  input.addEventListener("input", () => { filter(); changed({ filter: input.value }); });
  table.addEventListener("filter", (event) => { input.value = event.detail; filter(); });
}

// Shows as many columns as have room, the first always, and the others by two buttons.
function makePaged(table, tools) {
  const box = table.parentElement;
  const columns = table.tHead.rows[0].cells.length;
  const back = make("button", { type: "button", textContent: "‹" });
  const on = make("button", { type: "button", textContent: "›" });
  const says = make("span");
  const pager = make("span", { className: "pager", hidden: true }, back, says, on);
  let widths = [];
  let start = 1;
  back.setAttribute("aria-label", "Columns before");
  on.setAttribute("aria-label", "Columns after");
  tools.append(pager);

  const show = (is) => {
    for (const row of table.rows) [...row.cells].forEach((cell, i) => { if (!cell.colSpan || cell.colSpan < 2) cell.hidden = !is(i); });
  };
  function lastFrom(first) {
    let room = box.clientWidth - widths[0];
    let last = first;
    for (let i = first; i < columns; i++) {
      room -= widths[i];
      if (room < 0 && i > first) break;
      last = i;
    }
    return last;
  }
  function turn(first) {
    start = Math.max(1, Math.min(first, columns - 1));
    let last = lastFrom(start);
    while (last === columns - 1 && start > 1 && lastFrom(start - 1) === last) start--; // no room left empty at the end
    last = lastFrom(start);
    show((i) => i === 0 || (i >= start && i <= last));
    says.textContent = ` columns ${start + 1} to ${last + 1} of ${columns} `;
    back.disabled = start === 1;
    on.disabled = last === columns - 1;
    on.onclick = () => turn(last + 1);
    back.onclick = () => {
      let first = start - 1;
      while (first > 1 && lastFrom(first - 1) >= start - 1) first--;
      turn(first);
    };
  }
  function fit() {
    if (!box.clientWidth) return;
    show(() => true);
    pager.hidden = table.scrollWidth <= box.clientWidth;
    if (pager.hidden) return;
    widths = [...table.tHead.rows[0].cells].map((cell) => cell.getBoundingClientRect().width);
    turn(1);
  }
  let width = 0;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    fit();
  }).observe(box);
  addEventListener("beforeprint", () => show(() => true));
  addEventListener("afterprint", fit);
  fit();
}

// A link to each row, made when the pointer or the keyboard is there.
function makeLinked(table) {
  const seen = new Map();
  for (const row of table.tBodies[0].rows) {
    const name = `${table.id}-${slug(row.cells[0].textContent)}`;
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    row.id ||= before ? `${name}-${before + 1}` : name;
  }
  const offer = (event) => {
    const row = event.target.closest("tbody tr");
    if (!row || row.querySelector(".row-link")) return;
    const link = make("a", { className: "row-link", href: `#${row.id}`, textContent: "#" });
    link.setAttribute("aria-label", `Link to the row ${row.cells[0].textContent.trim()}`);
    row.cells[0].append(link);
  };
  table.addEventListener("pointerover", offer);
  table.addEventListener("focusin", offer);
}

const names = new Map(); // of tables, so that a listener can tell them apart
for (const table of document.querySelectorAll("table.sortable")) {
  const within = table.closest("article, section")?.id || "page";
  const title = table.caption?.textContent ?? "Table";
  const before = names.get(within + title) ?? 0;
  names.set(within + title, before + 1);
  table.dataset.name = before ? `${title}, ${before + 1}` : title;
  const first = table.closest(".choose") ? `${within}-choose` : `${within}-t-${slug(title)}`;
  table.id ||= before ? `${first}-${before + 1}` : first;
}

// Gives a table its tools. Most tables are folded away, and get them when somebody unfolds them.
function prepare(table) {
  if (table.dataset.ready || [...ancestors(table)].some((at) => at.tagName === "DETAILS" && !at.open)) return;
  table.dataset.ready = "yes";
  const rows = table.tBodies[0]?.rows.length ?? 0;
  const tools = make("div", { className: "tools" });
  let how = {};
  const changed = (more) => { how = { ...how, ...more }; remember(table.id, how); };
  table.parentElement.before(tools);
  if (rows > 1 && !table.querySelector("td[colspan]")) makeSortable(table, changed);
  if (rows > 6 && !table.closest(".choose")) makeFilterable(table, table.dataset.name, tools, changed);
  makePaged(table, tools);
  makeLinked(table);
  makeTakeable(table, tools);
}

function* ancestors(element) {
  for (let at = element?.parentElement; at; at = at.parentElement) yield at;
}

document.documentElement.classList.add("js"); // from here on nothing scrolls sideways
document.addEventListener("toggle", (event) => {
  if (event.target.open) event.target.querySelectorAll("table.sortable").forEach(prepare);
}, true);
