"""How every command ends: with its own status, or with one line for an error, a lack of memory or an interrupt."""

import logging
import signal
import warnings
from collections.abc import Callable

from bench.core.console import Tell
from bench.core.out_of_memory import OUT_OF_MEMORY, is_out_of_memory
from models.errors import EsrError

FAILED, WRONG, INTERRUPTED = 1, 2, 130  # exit statuses: something measured failed, a wrong call, Ctrl-C as in a shell


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
