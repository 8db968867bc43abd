"""What the owner tells the launch to do, and what the launch reports back, both as one JSON message."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A file or folder that the runtime may read, at the path where it is used."""

    path: str
    without: tuple[str, ...] = ()  # names directly below it that stay hidden


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a launch needs to know; it reads nothing else."""

    argv: tuple[str, ...]
    environ: dict[str, str]
    trees: tuple[Tree, ...]
    uid: int | None  # the unprivileged user and group to become where root, None to stay
    rlimits: dict[str, int]  # ceilings by the names of the `resource` module
    filter: str = (
        ""  # for the zygote, as base64 of `struct sock_filter`s; what it refuses its cells cannot do either
    )
    without_layers: tuple[str, ...] = ()  # left out on purpose: only tests of the sandbox itself do that

    def to_json(self) -> bytes:
        """The plan as the one message that `read_plan` takes."""
        return json.dumps(asdict(self)).encode()


def read_plan(message: bytes) -> Plan:
    """The plan in a message of `Plan.to_json`."""
    fields = json.loads(message)
    fields["trees"] = tuple(
        Tree(path=tree["path"], without=tuple(tree["without"])) for tree in fields["trees"]
    )
    fields["argv"] = tuple(fields["argv"])
    fields["without_layers"] = tuple(fields["without_layers"])
    return Plan(**fields)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One means of confinement: whether it is on, and why not or in which form."""

    name: str
    on: bool
    detail: str = ""


@dataclass(kw_only=True)
class Report:
    """What the launch achieved."""

    layers: list[Layer] = field(default_factory=list)
    pid: int = 0  # of the zygote in the launch's pid namespace; 0 where it is the launched process itself
    error: str = ""  # why there is no zygote

    def note(self, name: str, on: bool, detail: str = "") -> None:
        """Record a layer."""
        self.layers.append(Layer(name=name, on=on, detail=detail))

    def to_json(self) -> bytes:
        """The report as the one message that `read_report` takes."""
        return json.dumps(asdict(self)).encode()


def read_report(message: bytes) -> Report:
    """The report in a message of `Report.to_json`."""
    fields = json.loads(message)
    layers = [Layer(**layer) for layer in fields["layers"]]
    return Report(layers=layers, pid=fields["pid"], error=fields["error"])
