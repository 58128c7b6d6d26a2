"""The errors of the gopd command: each message names what is wrong and what to do, in one sentence."""


class GopdError(Exception):
    """Anything that ends a command with exit code 1 and its message."""


class RunError(GopdError):
    """A run cannot start or go on."""


class PreflightError(GopdError):
    """Inputs that cannot work, found before anything was started: one fault a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
