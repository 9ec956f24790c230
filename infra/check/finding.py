"""What a check says: where, which rule, one sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake."""

    path: str  # below the folder that is checked: "infra/job.bicep"
    line: int  # from 1
    rule: str  # one word: "syntax", "property", "setting", ...
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.sentence}"
