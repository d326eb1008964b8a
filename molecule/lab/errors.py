"""The one exception of the lab: its text is a whole sentence for the person at the keyboard."""


class LabError(Exception):
    """Something the user can act on. `status` is the exit status of the command line."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
