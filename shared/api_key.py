"""What a key for API and pages has to be: long enough not to be guessed, and of signs that every header carries.

It is looked at where somebody wants to come in, so that a key nobody can use closes the door and stops no other step.
"""

from __future__ import annotations

from shared.errors import BadSetting

_LEAST, _MOST = 20, 200  # characters


def usable(key: str) -> str:
    """``key`` as it is, empty where none is set; raises BadSetting for one that cannot be used, without showing it."""
    for place, sign in enumerate(key, start=1):
        if not "!" <= sign <= "~":
            raise BadSetting(
                f"Character {place} of API_KEY is {_kind(sign)}; expected letters, digits and signs of ASCII."
            )
    if key and not _LEAST <= len(key) <= _MOST:
        raise BadSetting(f"API_KEY has {len(key)} characters; expected {_LEAST} to {_MOST}.")
    return key


def _kind(sign: str) -> str:
    if sign == " ":
        return "a blank"
    return "a line break" if sign in "\r\n" else "no visible sign of ASCII"
