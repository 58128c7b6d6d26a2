"""The errors of the trainer, drawn once, and the reason that each has in a report."""


class TrainingError(Exception):
    """Training cannot go on. `reason` is one CamelCase word; the text says what is wrong and what to do."""

    reason = "Error"


class InvalidInput(TrainingError):
    """The request names something that is missing or does not fit. Trying again cannot help."""

    reason = "InvalidInput"

    def __init__(self, field: str, fault: str, remedy: str) -> None:
        super().__init__(f"{field}: {fault}; {remedy}")


class HubUnavailable(TrainingError):
    """The hub does not answer, or has no time for it. Trying again can help."""

    reason = "HubUnavailable"


class OutOfMemory(TrainingError):
    """A process or a GPU ran out of memory."""

    reason = "OutOfMemory"


class DiskFull(TrainingError):
    """The storage has no room left."""

    reason = "DiskFull"


class TooManyFailedSamples(TrainingError):
    """More samples failed than the request allows."""

    reason = "FailedSamples"


class Stalled(TrainingError):
    """No sign of life for longer than the request allows."""

    reason = "Stalled"


class Died(TrainingError):
    """The training process ended without saying why."""

    reason = "Died"
