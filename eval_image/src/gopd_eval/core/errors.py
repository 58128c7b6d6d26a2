"""The one tree of what an evaluation reports instead of a result. Nothing here decides what happens next."""


class EvaluationError(Exception):
    """The evaluation cannot go on. The message is one sentence: field as the user wrote it, fault, remedy."""

    def __init__(
        self, field: str, fault: str, remedy: str, reason: str = "InvalidInput", *, passing: bool = False
    ) -> None:
        super().__init__(f"{field}: {fault}; {remedy}")
        self.reason = reason
        """One CamelCase word for the report."""
        self.passing = passing
        """The same command may succeed later."""


class StoppedError(Exception):
    """SIGTERM or SIGINT came: what is finished has been written, and the same command goes on from there."""
