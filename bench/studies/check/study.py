"""Look at one network as a challenge would at a submission: measured in turn with the baseline, and examined."""

from bench.core.console import Tell
from bench.core.progress import step
from bench.data.datasets import find_dataset
from bench.studies.check.check_record import Checked, Examined
from bench.studies.check.examination import Examiner
from bench.studies.profile.arguments import Plan
from bench.studies.profile.session import run as run_profile
from bench.studies.profile.subject import Subject
from models.errors import EsrError

# LR images of all shapes: odd, prime, narrow, smaller than any window, and as large as DIV2K's.
SIZES = ((64, 64), (48, 80), (37, 53), (16, 120), (8, 8), (339, 510))
PASSES = 3  # profiled ones


def run(plan: Plan, tell: Tell) -> Checked:
    """Measure the plan's networks, the submission first and the baseline last, and examine the submission.

    Raises EsrError for a network that cannot be opened, and for a baseline that fails.
    """
    subjects = run_profile(plan, tell)
    subject, baseline = subjects[0], subjects[-1]
    if baseline.error:
        raise EsrError(f"the baseline could not be measured: {baseline.error}")
    examined = Examined({}, failure=subject.error) if subject.error else examine(subject)
    return Checked(subject.record, baseline.record, examined, subject.fixed, subject.error)


def examine(subject: Subject) -> Examined:
    """All that is asked of the network alone; what it fails at ends the questions."""
    found = Examined({})
    questions = len(SIZES) + 4
    with Examiner(subject.job()) as worker, step(f"{subject.name}: examined", questions) as progress:
        try:
            for size in () if subject.fixed else SIZES:
                found.sizes[size] = worker.on_size(*size)
                progress.advance()
            if not subject.fixed:
                found.keeps = worker.keeps()
            progress.advance()
            if subject.record.weights.status != "random" and not subject.fixed:
                found.likeness = worker.likeness(find_dataset("photos", None).pairs[0].load().lr)
            progress.advance()
            found.remembers = worker.remembers()
            progress.advance()
            found.costs = worker.costs(PASSES)
            progress.advance()
        except EsrError as error:
            found.failure = str(error)
    return found
