"use strict";
// Which network to use: gains and costs over the chosen baseline, only what stays within the budgets, and two or three
// networks side by side.

const MOST_SIDES = 3;

function startChooser(section) {
  const rows = [...section.querySelectorAll(".first tbody tr")];
  if (!rows.length) return;
  const fields = Object.fromEntries(["baseline", "most-ms", "most-k", "least-db"].map((name) => [name, section.querySelector(`.${name}`)]));
  const { baseline, "most-ms": ms, "most-k": thousands, "least-db": db } = fields;
  const boxes = [...section.querySelectorAll(".compare")];
  const place = section.getAttribute("aria-labelledby");
  const value = (row, name) => (row.dataset[name] === "" ? NaN : Number(row.dataset[name]));
  const over = (cell, text) => { cell.querySelector(".over").textContent = text; };
  const called = new Map(rows.map((row) => [row, row.cells[0].textContent.trim()]));
  const nameOf = (row) => called.get(row);
  const ticked = () => boxes.filter((box) => box.checked).map((box) => nameOf(box.closest("tr")));

  for (const box of boxes) box.setAttribute("aria-label", `Compare ${nameOf(box.closest("tr"))}`);

  function compare() {
    const base = rows.find((row) => row.dataset.row === baseline.value);
    for (const row of rows) {
      const gain = value(row, "psnr") - value(base, "psnr");
      const turn = row.dataset.run && row.dataset.run === base.dataset.run;
      const ratio = value(row, "ms") / value(base, "ms");
      over(row.querySelector(".psnr"), Number.isNaN(gain) || row === base ? "" : ` ${signed(gain, 2)}`);
      over(row.querySelector(".ms"), row === base || Number.isNaN(ratio) ? "" : turn ? ` ${ratio.toFixed(2)}×` : " †");
      row.classList.toggle("chosen", row === base);
    }
  }
  function limit() {
    const most = (field) => (field.value === "" ? Infinity : Number(field.value));
    const least = db.value === "" ? -Infinity : Number(db.value);
    const limits = [["ms", most(ms)], ["k", most(thousands)]];
    // What was not measured cannot be shown to stay within a budget.
    const fits = (row) =>
      limits.every(([name, bound]) => bound === Infinity || value(row, name) <= bound) &&
      (least === -Infinity || value(row, "psnr") >= least);
    for (const row of rows) row.hidden = !fits(row);
    const left = rows.filter((row) => !row.hidden);
    section.querySelector(".chart-controls output").textContent = `${left.length} of ${rows.length} networks`;
  }
  function sides() {
    const chosen = ticked();
    for (const box of boxes) box.disabled = !box.checked && chosen.length >= MOST_SIDES;
    showSides(section.querySelector(".sides"), chosen);
  }
  const changed = () => remember(place, {
    base: nameOf(rows.find((row) => row.dataset.row === baseline.value)),
    ms: ms.value, k: thousands.value, db: db.value, with: ticked().join("|"),
  });
  baseline.addEventListener("change", () => { compare(); changed(); });
  for (const field of [ms, thousands, db]) field.addEventListener("input", () => { limit(); changed(); });
  for (const box of boxes) box.addEventListener("change", () => { sides(); changed(); });
  section.addEventListener("asked", (event) => {
    const how = event.detail;
    const base = rows.find((row) => nameOf(row) === how.get("base"));
    if (base) baseline.value = base.dataset.row;
    for (const [key, field] of [["ms", ms], ["k", thousands], ["db", db]]) if (how.has(key)) field.value = how.get(key);
    const wantedNames = (how.get("with") ?? "").split("|");
    if (how.has("with")) for (const box of boxes) box.checked = wantedNames.includes(nameOf(box.closest("tr")));
    compare();
    limit();
    sides();
  });
  compare();
  limit();
}

// The figures of two or three networks, with how each differs from the first.
function showSides(place, chosen) {
  place.hidden = chosen.length < 2;
  place.querySelectorAll(".wide, .tools").forEach((old) => old.remove());
  if (place.hidden) return;
  const lines = JSON.parse(place.querySelector("script").textContent);
  const [first, ...others] = chosen;
  const heading = ["Figure", first, ...others.flatMap((name) => [name, `over ${first}`])];
  const table = make("table", { className: "sortable", id: `${place.closest("section").getAttribute("aria-labelledby")}-sides` },
    make("caption", { textContent: `Side by side: ${chosen.join(", ")}. † not timed together` }));
  table.dataset.name = `Side by side: ${chosen.join(", ")}`;
  const cells = (texts, tag) => texts.map((text, i) => {
    const cell = make(i ? tag : "th", { textContent: text, className: i ? "" : "t" });
    if (cell.tagName === "TH") cell.scope = tag === "th" ? "col" : "row";
    return cell;
  });
  table.createTHead().append(make("tr", {}, ...cells(heading, "th")));
  const body = table.createTBody();
  for (const line of lines) {
    const values = chosen.map((name) => line.values[name]);
    if (values.every((one) => one === undefined)) continue;
    const shown = (one) => (one === undefined ? "—" : one.toLocaleString("en", { minimumFractionDigits: line.decimals, maximumFractionDigits: line.decimals }));
    const texts = values.slice(1).flatMap((one, i) => [shown(one), difference(line, first, others[i])]);
    body.append(make("tr", {}, ...cells([line.title, shown(values[0]), ...texts], "td")));
  }
  place.append(make("div", { className: "wide" }, table));
  prepare(table);
}

// With its sign, and without one where it rounds to nothing.
function signed(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

function difference(line, first, other) {
  const [a, b] = [line.values[first], line.values[other]];
  if (a === undefined || b === undefined) return "—";
  if (line.how === "minus") return signed(b - a, line.decimals);
  if (line.runs && !(line.runs[first] && line.runs[first] === line.runs[other])) return "†";
  return a ? `${(b / a).toFixed(2)}×` : "—";
}

document.querySelectorAll("section.choose").forEach(startChooser);
