"""How every command ends: with its own status, or with one line for an error, a lack of memory or an interrupt."""

import logging
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.core.console import Tell, open_console
from bench.core.out_of_memory import OUT_OF_MEMORY, is_out_of_memory
from bench.core.render import print_table
from bench.core.table import Table
from models.errors import EsrError

FAILED, WRONG, INTERRUPTED = 1, 2, 130  # exit statuses: something measured failed, a wrong call, Ctrl-C as in a shell


@dataclass(frozen=True)
class Finished:
    """What a study's command has to show at its end.

    Attributes:
        lines: after the tables.
        files: what was written.
        failed: whether something could not be measured.
    """

    tables: Sequence[Table]
    files: Sequence[Path]
    lines: Sequence[str] = ()
    failed: bool = False


def carry_out_study(work: Callable[[Tell], Finished], folder: Path, going_on: str = "--reuse continues") -> int:
    """Do a study's work, show what it found, and return the exit status.

    Args:
        folder: of its records.
        going_on: what goes on after an interrupt.
    """
    out, tell = open_console()

    def show() -> int:
        finished = work(tell)
        for table in finished.tables:
            print_table(out, table)
        for line in [*finished.lines, *map(str, finished.files)]:
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        return FAILED if finished.failed else 0

    return carry_out(show, tell, lambda: f"what is finished is in {folder}, and {going_on} from there")


def carry_out(work: Callable[[], int], tell: Tell, kept: Callable[[], str]) -> int:
    """Do a command's work and return its exit status.

    Args:
        work: returns the status.
        kept: what to say of an interrupt: what is finished, and how to go on. SIGTERM interrupts as Ctrl-C does, so
            that workers are ended.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # what libraries warn of is not the user's business; records say what matters
    try:
        return work()
    except EsrError as error:
        tell(f"error: {error}")
        return WRONG
    except KeyboardInterrupt:
        tell(f"interrupted; {kept()}")
        return INTERRUPTED
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        tell(f"error: {OUT_OF_MEMORY}")
        return WRONG
