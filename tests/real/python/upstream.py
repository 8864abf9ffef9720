"""An MCP server made with the Python SDK 2.x: `upstream.py stdio`, or `sse|streamable-http PORT`."""

import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

server = MCPServer("python-real", instructions="A server for tests.", version="2.0")
calls = 0


@server.tool()
def add(a: int, b: int = 40) -> int:
    """Adds two integers."""
    return a + b


@server.tool()
def era(ctx: Context) -> str:
    """Tells which protocol version this call came in."""
    return ctx.protocol_version or "unknown"


@server.tool()
def count() -> int:
    """Counts its own calls since the process started."""
    global calls
    calls += 1
    return calls


@server.tool()
def fail(reason: str) -> str:
    """Fails with the given reason."""
    raise ToolError(reason)


async def run(journal: str) -> int:
    """Notes that it ran, and tells how often it has; but the first time it never answers."""
    with open(journal, "a+", encoding="utf-8") as file:
        file.write("ran\n")
        file.seek(0)
        runs = len(file.readlines())
    if runs == 1:
        await anyio.sleep_forever()
    return runs


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def look(journal: str) -> int:
    """A tool that may be run again."""
    return await run(journal)


@server.tool()
async def act(journal: str) -> int:
    """A tool that must not be run twice."""
    return await run(journal)


if __name__ == "__main__":
    transport = sys.argv[1]
    if transport == "stdio":
        server.run(transport)
    else:
        server.run(transport, port=int(sys.argv[2]))
