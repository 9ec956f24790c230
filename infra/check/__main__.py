"""``python -m infra.check [FOLDER]``: check the templates of a project; 1 and a line for each finding, or 0.

The templates, azd's files and the table of roles are those of FOLDER (default: this project); the code they are
compared with is always this project's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from infra.check import (
    azd,
    connections,
    modules,
    names,
    naming,
    order,
    project,
    promises,
    queries,
    resources,
    roles,
    secrets,
    symbols,
    tuning,
    wiring,
)
from infra.check.application import ROOT
from infra.check.finding import Finding
from infra.check.load import load

CHECKS = (
    resources.check,
    symbols.check,
    modules.check,
    names.check,
    roles.check,
    promises.check,
    wiring.check,
    secrets.check,
    connections.check,
    queries.check,
    azd.check,
    project.check,
    tuning.check,
    naming.check,
    order.check,
)


def findings(root: Path) -> list[Finding]:
    """Everything that is wrong with the templates of ``root``, in the order of files and lines."""
    templates = load(root)
    files = templates.files.values()
    broken = [finding for template in files for finding in (*template.findings, *order.circles(template))]
    if broken:
        return sorted(set(broken))  # the rest would be guesses
    return sorted({finding for check in CHECKS for finding in check(templates)})


def main() -> int:
    """Print the findings; returns the exit code."""
    found = findings(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    if not found:
        sys.stdout.write(
            "The templates are as the code and Azure's resource types say. They were checked, not compiled.\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
