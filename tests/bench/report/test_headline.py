"""Which network is faster is said only of networks that were timed in turn."""

from bench.report.headline import headline_section
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, record, runtime


def test_only_networks_timed_in_turn_are_compared(make_device: MakeDevice) -> None:
    reference = record("dvmsr", "DVMSR", complexity=complexity(424_428), runtime=runtime(1000.0))
    rival = record("rlfn", "RLFN", complexity=complexity(543_740), runtime=runtime(500.0))
    # It names the other, as a network of the same name was beside it; but that was another run.
    elsewhere = runtime(100.0, run="another run")
    apart = record("span", "SPAN", complexity=complexity(150_688), runtime=elsewhere)
    by_option = record("efdn", "EFDN", complexity=complexity(276_192), runtime=runtime(250.0))
    said = headline_section(make_device([reference, rival, apart, by_option])).markdown
    assert "- RLFN takes 0.500" in said
    assert "RLFN is faster" in said
    assert "- EFDN takes 0.250" in said
    assert "SPAN takes" not in said
    assert "- Not timed together with DVMSR (†), and so not compared: SPAN." in said
    assert "100.0 [99.4, 100.6] †" in said


def test_an_own_network_beside_another_of_a_stored_name_is_not_compared_with_the_stored(
    make_device: MakeDevice,
) -> None:
    """It was timed beside a `dvmsr`, and the stored `dvmsr` was not it, though each might name the other."""
    stored = record("dvmsr", "DVMSR", complexity=complexity(424_428), runtime=runtime(1000.0, run="yesterday"))
    mine = record("mynet-1a2b3c4d", "MyNet", complexity=complexity(1), runtime=runtime(525.0, run="today"))
    said = headline_section(make_device([stored, mine])).markdown
    assert "times as long" not in said
    assert "- Not timed together with DVMSR (†), and so not compared: MyNet." in said


def test_a_time_of_the_same_run_is_taken_even_where_another_is_shorter(make_device: MakeDevice) -> None:
    stored = record("dvmsr", "DVMSR", complexity=complexity(424_428), runtime=runtime(1000.0))
    beside = record("rlfn", "RLFN", complexity=complexity(543_740), runtime=runtime(500.0))
    quiet = record("rlfn", "RLFN", complexity=complexity(543_740), runtime=runtime(100.0, run="at night"), fused=True)
    assert "- RLFN takes 0.500" in headline_section(make_device([stored, beside, quiet])).markdown
