"""Texts from people, made into one line that a database stores and a terminal shows."""

TEXT_LENGTH_MAX = 500


def clean(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Leave out what cannot be printed (line breaks become blanks) and what is too long."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * length_max]).split())
    return line if len(line) <= length_max else f"{line[: length_max - 3]}..."
