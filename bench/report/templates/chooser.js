"use strict";
// Which network to use: gains and costs over the chosen baseline, and only what stays within the budgets.

function startChooser(section) {
  const rows = [...section.querySelectorAll(".first tbody tr")];
  if (!rows.length) return;
  const [baseline, ms, thousands, db] = ["baseline", "most-ms", "most-k", "least-db"].map((name) => section.querySelector(`.${name}`));
  const value = (row, name) => (row.dataset[name] === "" ? NaN : Number(row.dataset[name]));
  const over = (cell, text) => { cell.querySelector(".over").textContent = text; };

  function compare() {
    const base = rows.find((row) => row.dataset.row === baseline.value);
    for (const row of rows) {
      const gain = value(row, "psnr") - value(base, "psnr");
      const turn = row.dataset.run && row.dataset.run === base.dataset.run;
      const ratio = value(row, "ms") / value(base, "ms");
      over(row.querySelector(".psnr"), Number.isNaN(gain) || row === base ? "" : ` ${gain < 0 ? "−" : "+"}${Math.abs(gain).toFixed(2)}`);
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
    section.querySelector("output").textContent = `${left.length} of ${rows.length} networks`;
  }
  baseline.addEventListener("change", compare);
  for (const field of [ms, thousands, db]) field.addEventListener("input", limit);
  compare();
  limit();
}

document.querySelectorAll("section.choose").forEach(startChooser);
