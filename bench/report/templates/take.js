"use strict";
// A table to take along: the rows that its filter leaves, with all columns, as CSV or LaTeX; and what to cite, as BibTeX.

const REFERENCES = JSON.parse(document.getElementById("references").textContent);
const INTERVAL = /^([+\-−]?[\d.,]+) \[([\d.,]+), ([\d.,]+)\]/;
const NUMBER = /^[+\-−]?\d[\d,]*(\.\d+)?( %)?$/;

// A cell's text without the page's own additions.
function textOf(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll(".row-link, .over").forEach((extra) => extra.remove());
  return copy.textContent.trim().replace(/\s+/g, " ");
}

// The rows of a table as texts, its heading first. What stands beside a value as gain over the baseline is a column.
function rowsOf(table) {
  const lines = [[...table.tHead.rows[0].cells], ...[...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => [...row.cells])];
  const beside = lines[0].map((_, i) => lines.slice(1).some((line) => line[i]?.querySelector(".over")?.textContent));
  return lines.map((line, at) => line.flatMap((cell, i) => {
    if (!beside[i]) return [textOf(cell)];
    return [textOf(cell), at ? cell.querySelector(".over")?.textContent.trim() ?? "" : `${textOf(cell)}, over the baseline`];
  }));
}

function csv(table) {
  const [heading, ...rows] = rowsOf(table);
  const plain = (text) => {
    if (text === "—") return "";
    return NUMBER.test(text) ? text.replace(/,/g, "").replace("−", "-").replace(" %", "") : text;
  };
  const spans = heading.map((_, i) => rows.some((row) => INTERVAL.test(row[i] ?? "")));
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const lines = [heading.flatMap((title, i) => (spans[i] ? [title, `${title}, low`, `${title}, high`] : [title]))];
  for (const row of rows) {
    lines.push(row.flatMap((text, i) => {
      if (!spans[i]) return [plain(text)];
      const found = INTERVAL.exec(text);
      return found ? found.slice(1).map(plain) : [plain(text.replace(/ \(few samples\)$/, "")), "", ""];
    }));
  }
  return `${lines.map((line) => line.map(quoted).join(",")).join("\n")}\n`;
}

function latex(table) {
  const [heading, ...rows] = rowsOf(table);
  const escaped = (text) => text
    .replace(/\\/g, "\\textbackslash ").replace(/[&%$#_{}]/g, "\\$&").replace(/~/g, "\\textasciitilde{}").replace(/\^/g, "\\textasciicircum{}")
    .replace(/—/g, "--").replace(/−/g, "$-$").replace(/×/g, "$\\times$").replace(/∞/g, "$\\infty$").replace(/†/g, "$\\dagger$");
  const numeric = heading.map((_, i) => rows.every((row) => EMPTY.has(row[i] ?? "") || !Number.isNaN(numberOf(row[i]))));
  const line = (row) => `${row.map(escaped).join(" & ")} \\\\`;
  return [
    "% needs \\usepackage{booktabs}",
    "\\begin{table}",
    `\\caption{${escaped(table.dataset.name)}}`,
    `\\begin{tabular}{${numeric.map((is, i) => (is && i ? "r" : "l")).join("")}}`,
    "\\toprule", line(heading), "\\midrule", ...rows.map(line), "\\bottomrule",
    "\\end{tabular}",
    "\\end{table}", "",
  ].join("\n");
}

// The papers of the networks that the table names, and this benchmark.
function bibtex(table) {
  const texts = rowsOf(table).flatMap((row, at) => (at ? [row[0]] : row));
  const named = Object.keys(REFERENCES).filter((name) => name && texts.some((text) => text === name || text.startsWith(`${name} `) || text.startsWith(`${name},`)));
  return [...new Set(["", ...named].map((name) => REFERENCES[name]))].join("\n\n") + "\n";
}

const FORMS = { CSV: [csv, "csv"], LaTeX: [latex, "tex"], BibTeX: [bibtex, "bib"] };

function makeTakeable(table, tools) {
  const form = make("select", {}, ...Object.keys(FORMS).map((name) => make("option", { textContent: name })));
  const text = make("textarea", { readOnly: true, rows: 8, spellcheck: false });
  const copy = make("button", { type: "button", textContent: "Copy" });
  const save = make("a", { className: "save", textContent: "Save" });
  const said = make("output");
  const box = make("details", { className: "take" }, make("summary", { textContent: "Take it along" }),
    make("div", {}, make("label", {}, "as ", form), copy, save, said, text));
  text.setAttribute("aria-label", `${table.dataset.name}, as text`);
  const fill = () => {
    const [write, ending] = FORMS[form.value];
    text.value = write(table);
    URL.revokeObjectURL(save.href);
    save.href = URL.createObjectURL(new Blob([text.value], { type: "text/plain" }));
    save.download = `${slug(table.dataset.name)}.${ending}`;
    said.textContent = "";
  };
  box.addEventListener("toggle", () => { if (box.open) fill(); });
  form.addEventListener("change", fill);
  table.parentElement.addEventListener("input", () => { if (box.open) fill(); });
  copy.addEventListener("click", async () => {
    text.select();
    try { await navigator.clipboard.writeText(text.value); } catch { document.execCommand("copy"); }
    said.textContent = "copied";
  });
  tools.append(box);
}
