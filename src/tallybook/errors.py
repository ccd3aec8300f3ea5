"""The root of every error Tallybook raises on purpose: one sentence that says what, where and how to mend."""


class TallybookError(Exception):
    """One clear sentence for the person who reads it; subclasses carry the data behind it."""


class SettingsError(TallybookError):
    """A setting is missing, unknown or of the wrong form; `problems` lists everything wrong at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
