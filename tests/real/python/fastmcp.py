"""An MCP server made with FastMCP of the Python SDK 1.x: `fastmcp.py PORT`, Streamable HTTP."""

import sys

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

server = FastMCP("fastmcp-real", port=int(sys.argv[1]))


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def add(a: int, b: int = 40) -> int:
    """Adds two integers."""
    return a + b


if __name__ == "__main__":
    server.run("streamable-http")
