"""Which network is faster is said only of networks that were timed in turn."""

from bench.report.headline import headline_markdown
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, record, runtime


def test_only_networks_timed_in_turn_are_compared(make_device: MakeDevice) -> None:
    reference = record("dvmsr", "DVMSR", complexity=complexity(424_428), runtime=runtime(1000.0))
    rival = record("rlfn", "RLFN", complexity=complexity(543_740), runtime=runtime(500.0))
    elsewhere, with_option = runtime(100.0), runtime(250.0)
    elsewhere.interleaved_with, with_option.interleaved_with = ["efdn"], ["span", "dvmsr@chunked"]
    apart = record("span", "SPAN", complexity=complexity(150_688), runtime=elsewhere)
    by_option = record("efdn", "EFDN", complexity=complexity(276_192), runtime=with_option)
    said = headline_markdown(make_device([reference, rival, apart, by_option]))
    assert "- RLFN takes 0.500" in said
    assert "RLFN is faster" in said
    assert "- EFDN takes 0.250" in said
    assert "SPAN takes" not in said
    assert "- Timed in another run than DVMSR, and so not compared with it: SPAN." in said
