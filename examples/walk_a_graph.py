"""An engine that walks a graph of three code nodes, several runs at once, with the asyncio client.

    parse ──success──> score ──success──> report        parse fails: the run takes its fail branch
      └───────────────fail──────────────────┘           score fails: the run goes on with its default

    cellblock worker --redis URL &
    python examples/walk_a_graph.py URL

The engine has no logic of its own for errors: it follows `result.branch`, and hands `result.outputs` on.
"""

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

from cellblock_producer import AsyncClient


@dataclass(frozen=True)
class Node:
    """A code node, and the node that comes next for each branch."""

    language: str
    code: str
    edges: dict[str, str] = field(default_factory=dict)
    on_error: dict[str, Any] = field(default_factory=lambda: {"strategy": "stop"})


PARSE = """
def main(state):
    total, parts = (int(word) for word in state["text"].split(","))
    return {"total": total, "parts": parts}
"""
SCORE = """
function main({state}) {
    if (state.parts === 0) throw new RangeError('no parts')
    return {score: state.total / state.parts}
}
"""
REPORT = """
def main(state):
    if "score" not in state:
        return {"report": "no score: " + state["error_message"]}
    return {"report": f"score {state['score']}"}
"""
GRAPH = {
    "parse": Node("python3", PARSE, {"success": "score", "fail": "report"}, {"strategy": "branch"}),
    "score": Node("nodejs", SCORE, {"success": "report"}, {"strategy": "default", "values": {"score": 0}}),
    "report": Node("python3", REPORT),
}


async def walk(client: AsyncClient, run: str, text: str) -> str:
    """Walk the graph from its first node to its last; return which way the run took and what it reported."""
    state: dict[str, Any] = {"text": text}
    taken: list[str] = []
    name: str | None = "parse"
    while name is not None:
        node = GRAPH[name]
        job = {
            "id": f"{run}.{name}",  # an engine that was restarted submits it again, and it runs once
            "language": node.language,
            "code": node.code,
            "inputs": {"state": state},
            "on_error": node.on_error,
            "labels": {"run": run, "node": name},
        }
        result = await client.run(job, timeout=60)
        taken.append(name)
        if result.branch is None:
            return f"{run}: {' -> '.join(taken)}: stopped: {result.error and result.error.message}"
        state |= result.outputs
        name = node.edges.get(result.branch)
    return f"{run}: {' -> '.join(taken)}: {state['report']}"


async def main(url: str) -> None:
    """Walk three runs at the same time, and print how each went."""
    runs = {"good": "9,2", "unparsable": "nine,2", "empty": "9,0"}
    async with AsyncClient(url) as client:
        for line in await asyncio.gather(*(walk(client, run, text) for run, text in runs.items())):
            print(line)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "redis://127.0.0.1:6379/0"))
