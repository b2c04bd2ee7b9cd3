"""The report as Markdown: one page a device, and an index where there are several."""

from collections.abc import Sequence

from bench.core.table import Column, Table, words
from bench.report import summary
from bench.report.contents import DeviceReport
from bench.report.document import Fold, Part, Section, markdown
from bench.report.headline import headline_section
from bench.report.lookup import DeviceRecords
from bench.report.missing import missing_markdown
from bench.report.paper.explain import Finding, finding_section
from bench.report.trust import LeftOut

CONVENTIONS = """\
How to read the numbers:

- Three FLOP counts, of which none is a share of another. **As published**: what the paper's and the challenge's scripts
  print; fvcore, a multiply-add is 1, and what fvcore has no rule for or cannot see counts nothing. **fvcore, nothing
  hidden**: the same rules with fused and hidden parts written out. **Complete**: everything that runs, a multiply-add
  is 2, so that a network of convolutions has twice its published count and hides nothing. **Hidden**: the share of the
  work that is in no published count. MACs: multiply-adds only.
- Time: warm passes in fp32, median with its 95 % bootstrap interval (none below 6 samples: "few samples"); where two
  intervals overlap, or a network has none, the order is unresolved. An interval speaks for one process and leaves out
  what changes from one process to the next.
- Memory: on a GPU the allocator's peak, weights and input included; on a CPU how far a fresh process grows.
- "—": no such number. Stand-in: measured here because the data of the paper's column is not at hand."""


def device_page(report: DeviceReport, left_out: Sequence[LeftOut]) -> str:
    """The comparison report of one device."""
    device = report.device
    return (
        "\n\n".join(
            [
                f"# {'Published and measured' if report.tables else 'Measured'} on {device.label}",
                _scope(device),
                CONVENTIONS,
                headline_section(device).markdown,
                f"## Quality against cost\n\n{markdown(tuple(report.charts[report.plotted].values())).rstrip()}",
                "## Tables\n\nEach is also a file of its own, as Markdown and CSV; `measured.md` and `measured.csv` "
                "hold every record with every figure."
                + ("" if report.tables else " Nothing of the paper's tables was measured (`--paper` shows them)."),
                *(f"### {t.title}\n\n{_demote(markdown(t.short or t.parts)).rstrip()}" for t in report.tables),
                *(section.markdown for section in (*report.drawn, *report.sections) if section.parts),
                *([_explanations(report.findings)] if report.findings else []),
                f"## What is missing\n\n{missing_markdown(report)}",
                left_out_markdown(left_out),
            ]
        )
        + "\n"
    )


def index_page(devices: Sequence[DeviceRecords], left_out: Sequence[LeftOut]) -> str:
    """Links to the devices' pages. Figures of different devices never share a table."""
    links = [f"- [{d.label}]({d.slug}/report.md): {len(d.measured)} records" for d in devices]
    return "\n\n".join(["# Reports by device", "\n".join(links), left_out_markdown(left_out)]) + "\n"


def left_out_markdown(left_out: Sequence[LeftOut]) -> str:
    """The records that were not used, and why."""
    lines = [f"- `{entry.file}`: {entry.reason}" for entry in left_out]
    return "## Records left out\n\n" + ("\n".join(lines) or "None.")


def _scope(device: DeviceRecords) -> str:
    records = [m.record for m in device.measured]
    networks = sorted({r.model for r in records})
    days = sorted({r.created[:10] for r in records})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    facts = [
        ("Device", device.label),
        ("Records", f"{len(records)}, of {when}"),
        ("Networks", ", ".join(networks)),
        ("Data sets", ", ".join(device.scored_sets) or "none"),
    ]
    columns: list[Column[tuple[str, str]]] = [words("Measured", lambda f: f[0]), words("Value", lambda f: f[1])]
    environment = Fold("Environment", [summary.environment_table(device.measured)])
    return Section("", "What was measured", [Table.of("What was measured", columns, facts), environment]).markdown


def _explanations(findings: Sequence[Finding]) -> str:
    columns: list[Column[Finding]] = [
        words("Key", lambda f: f"({f.known.key})"),
        words("Difference", lambda f: f.known.title),
        words("Verdict", lambda f: f.verdict),
    ]
    intro = (
        "Each cites two measured numbers, one with the cause and one without it; a record that holds both is cited for "
        "both. "
        "Each verdict is computed from them. *Explained*: these records bear the cause out to the "
        "stated digit. *Not confirmed by these records*: they do not, or cannot. *Needs records*: a number is missing."
    )
    parts: list[Part] = [intro, Table.of("Known differences", columns, findings)]
    for finding in findings:
        section = finding_section(finding)
        parts += [f"### {section.title}: {finding.verdict}", *section.parts]
    return Section("", "Known differences, explained", parts).markdown


def _demote(text: str) -> str:
    """Headings of a table's page, a level down."""
    return "\n".join(f"#{line}" if line.startswith("### ") else line for line in text.split("\n"))
