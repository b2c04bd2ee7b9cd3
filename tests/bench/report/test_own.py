"""Networks of the user's own in the report: marked, drawn, and in none of the paper's tables."""

from bench.core.record import Source, WeightsInfo
from bench.report.build import build, contents
from bench.report.charts.points import PARAMETERS, TIME, points
from bench.report.headline import headline_section
from bench.report.lookup import Loaded
from bench.report.own import own_section
from bench.report.paper.table1 import table1
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, memory, quality, record, runtime

SOURCE = Source("Python file", "rlfn.py", "ab" * 32, "RLFN", data_range=255.0, notes=["returns float64"])
WEIGHTS = WeightsInfo("custom", "mine.pth", "cd" * 32)


def test_an_own_network_is_marked_everywhere_and_in_no_table_of_the_paper(make_device: MakeDevice) -> None:
    own = record(
        "rlfn-1a2b3c4d", "RLFN (own 1a2b3c4d)", options={"channels": 48}, source=SOURCE, weights=WEIGHTS,
        complexity=complexity(400_000), quality=[quality("Set5", 32.1)], runtime=runtime(20), memory=memory(90),
    )  # fmt: skip
    file = record(
        "net-5e6f7a8b", "net (own 5e6f7a8b)", source=Source("ONNX file", "net.onnx", "ef" * 32), weights=WEIGHTS,
        quality=[quality("Set5", 31.0)], runtime=runtime(9), memory=memory(70),
    )  # fmt: skip
    built_in = record(
        "rlfn", "RLFN", complexity=complexity(543_740), quality=[quality("Set5", 32.2)], runtime=runtime(30)
    )
    device = make_device([own, file, built_in])

    drawn = [(p.label, p.source) for p in points(device, "Set5", PARAMETERS) if p.here]
    assert drawn == [("RLFN (own 1a2b3c4d)", "own"), ("RLFN", "measured")]  # the file has no parameters to plot
    timed = [(p.label, p.source) for p in points(device, "Set5", TIME)]
    assert timed == [("net (own 5e6f7a8b)", "own"), ("RLFN (own 1a2b3c4d)", "own"), ("RLFN", "measured")]

    headline = headline_section(device).markdown
    assert "| RLFN (own 1a2b3c4d)" in headline
    assert "32.100" in headline
    section = own_section(device)
    assert section
    body = section.body
    assert "| rlfn.py:RLFN, Python file" in body
    assert "channels=48" in body
    assert "- RLFN (own 1a2b3c4d): returns float64." in body
    assert "(own " not in table1(device).markdown


def test_without_own_networks_there_is_no_section(make_device: MakeDevice) -> None:
    assert own_section(make_device([record("rlfn", complexity=complexity(543_740))])) is None


def test_a_report_of_own_networks_is_about_those(make_device: MakeDevice) -> None:
    own = record(
        "mine-1a2b3c4d", "Mine (own 1a2b3c4d)", source=SOURCE, weights=WEIGHTS, complexity=complexity(400_000),
        quality=[quality("Set5", 32.1)], runtime=runtime(20), memory=memory(90),
    )  # fmt: skip
    loaded = Loaded((make_device([own]),), ())
    (short,), (whole,) = contents(loaded), contents(loaded, paper=True)
    assert (short.tables, short.findings) == ((), ())
    assert "Ablations" not in " ".join(section.title for section in short.sections)
    assert len(whole.tables) == 5
    assert whole.findings
    files, asked = build(loaded), build(loaded, paper=True)
    assert len(files["report.html"]) < len(asked["report.html"])
    page, text = files["report.html"].decode(), files["report.md"].decode()
    assert "Paper and measurement" not in page
    assert "Known differences" not in page + text
    assert "Mine (own 1a2b3c4d)" in page
    assert "table2.md" not in files
    assert "table2.md" in asked
