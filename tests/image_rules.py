"""What must hold for container/Dockerfile and can be told without building it: `faults` names what does not.

hadolint knows Docker; these rules know this project: which files there are, what may be missing from the build
context, which modules can be run, which arguments are explained.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from dockerfile_parse import DockerfileParser

FINAL = ("approximate", "sen2cor")  # the targets that people run
_URL = re.compile(r"(https?|ftp)://")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_PROVIDED = {"PATH"}  # set by every base image


@dataclass(slots=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)  # instruction, value


def stages_of(file: Path) -> tuple[list[str], list[Stage]]:
    """The arguments before the first FROM, and the stages."""
    parser = DockerfileParser(str(file))
    before: list[str] = []
    stages: list[Stage] = []
    for step in parser.structure:
        instruction, value = step["instruction"], step["value"]
        if instruction == "FROM":
            base, _, name = value.partition(" AS ")
            stages.append(Stage(name.strip() or str(len(stages)), base.strip()))
        elif instruction == "ARG" and not stages:
            before.append(value)
        elif instruction != "COMMENT":
            stages[-1].steps.append((instruction, value))
    return before, stages


def patterns_of(text: str) -> list[str]:
    """The patterns of a .dockerignore."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore keeps ``path`` out of the build context: the last pattern that matches it decides."""
    out = False
    parts = path.split("/")
    for pattern in patterns:
        bare = pattern.removeprefix("!").removeprefix("**/").rstrip("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        names = [*above, *parts] if "**/" in pattern else above
        if any(fnmatchcase(name, bare) for name in names):
            out = not pattern.startswith("!")
    return out


def faults(root: Path) -> list[str]:
    """A sentence for everything that is wrong with the Dockerfile of the project below ``root``."""
    before, stages = stages_of(root / "container/Dockerfile")
    patterns = patterns_of((root / ".dockerignore").read_text("utf-8"))
    docs = (root / "docs/container.md").read_text("utf-8")
    found = [*_of_stages(before, stages), *_of_arguments(before, stages, docs)]
    for stage in stages:
        found += _of_copies(stage, stages, root, patterns)
        found += _of_variables(stage, stages)
        if any(instruction == "SHELL" for instruction, _ in stage.steps):
            found.append(f"{stage.name} changes the shell.")
        found += [
            f"{stage.name} runs what it downloads."
            for instruction, value in stage.steps
            if instruction == "RUN" and re.search(r"\b(curl|wget)\b", value)
        ]
    for name in FINAL:
        found += _of_final(name, [stage for stage in stages if stage.name == name], root)
    return found


def _of_stages(before: list[str], stages: list[Stage]) -> Iterator[str]:
    known: set[str] = set()
    names = {argument.partition("=")[0] for argument in before}
    for stage in stages:
        from_argument = (match := _VARIABLE.fullmatch(stage.base)) is not None and match[1] in names
        if stage.base not in known and not from_argument:
            yield f"{stage.name} stands on {stage.base}, which is neither an earlier stage nor an argument."
        known.add(stage.name)


def _of_arguments(before: list[str], stages: list[Stage], docs: str) -> Iterator[str]:
    stated = [*before, *(value for stage in stages for instruction, value in stage.steps if instruction == "ARG")]
    for argument in sorted({each.partition("=")[0] for each in stated}):
        if f"`{argument}`" not in docs:
            yield f"The argument {argument} is not explained in docs/container.md."


def _of_copies(stage: Stage, stages: list[Stage], root: Path, patterns: list[str]) -> Iterator[str]:
    earlier = {each.name for each in stages[: stages.index(stage)]}
    for instruction, value in stage.steps:
        words = value.split()
        options = [word for word in words if word.startswith("--")]
        if instruction == "ADD" and _URL.search(value) and not any(o.startswith("--checksum=") for o in options):
            yield f"{stage.name} adds {value} without a checksum."
        if instruction not in {"COPY", "ADD"} or _URL.search(value):
            continue
        origin = next((option.partition("=")[2] for option in options if option.startswith("--from=")), None)
        if origin is not None:
            if origin not in earlier:
                yield f"{stage.name} copies from {origin}, which is no earlier stage."
            continue
        for source in [word for word in words if word not in options][:-1]:
            if not (root / source).exists():
                yield f"{stage.name} copies {source}, which is not there."
            elif ignored(source.rstrip("/"), patterns):
                yield f"{stage.name} copies {source}, which .dockerignore keeps out."


def _of_variables(stage: Stage, stages: list[Stage]) -> Iterator[str]:
    known = set(_PROVIDED)
    above: Stage | None = stage
    while above is not None:  # ENV is inherited, ARG is not
        kinds = {"ENV", "ARG"} if above is stage else {"ENV"}
        for instruction, value in above.steps:
            if instruction in kinds:
                known |= {word.partition("=")[0] for word in value.split()}
        above = next((each for each in stages if each.name == above.base), None) if above else None
    for instruction, value in stage.steps:
        for name in _VARIABLE.findall(value):
            if instruction in {"RUN", "COPY", "LABEL", "ENV"} and name not in known:
                yield f"{stage.name} uses {name}, which is not set there."


def _of_final(name: str, stages: list[Stage], root: Path) -> Iterator[str]:
    if not stages:
        yield f"There is no target {name}."
        return
    steps = dict(stages[-1].steps)  # the last of each instruction is what counts
    user = steps.get("USER", "")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield f"{name} runs as '{user or 'root'}'; expected numbers of a user and group without rights."
    if steps.get("STOPSIGNAL") != "SIGTERM":
        yield f"{name} does not say that SIGTERM ends it."
    for instruction, value in stages[-1].steps:
        if instruction == "ENTRYPOINT" or (instruction == "RUN" and value.startswith("[")):
            yield from _of_command(name, instruction, value, root)
    if "ENTRYPOINT" not in steps:
        yield f"{name} has no ENTRYPOINT."


def _of_command(name: str, instruction: str, value: str, root: Path) -> Iterator[str]:
    try:
        words = json.loads(value)
    except ValueError:
        yield f"{name}: {instruction} is no list of words, so a shell would stand between."
        return
    if words[:2] != ["python", "-m"] or not (root / f"{words[2].replace('.', '/')}.py").is_file():
        yield f"{name}: {instruction} runs {' '.join(words)}; expected a module of this project."
    elif importlib.util.find_spec(words[2]) is None:
        yield f"{name}: {instruction} runs {words[2]}, which cannot be imported."
