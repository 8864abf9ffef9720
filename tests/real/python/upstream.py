"""An MCP server made with the Python SDK 2.x: `upstream.py sse|streamable-http PORT`."""

import sys

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

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


if __name__ == "__main__":
    server.run(sys.argv[1], port=int(sys.argv[2]))
