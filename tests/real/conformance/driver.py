"""The client command of the official conformance suite: mcpo, and one who calls its tools.

The suite appends the URL of its own MCP server and names the scenario in the environment. The
driver puts mcpo in front of that server, waits until it is ready, calls over plain HTTP what the
scenario wants called, and ends mcpo. Usage: driver.py MCPO URL
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

READY_SECONDS_MAX = 30
CALL_SECONDS_MAX = 30
END_SECONDS_MAX = 15


def request(url, body=None):
    """One HTTP request: status and body, also where the status is an error."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=CALL_SECONDS_MAX) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(mcpo, base):
    end = time.monotonic() + READY_SECONDS_MAX
    answer = "no answer"
    while time.monotonic() < end:
        if mcpo.poll() is not None:
            sys.exit(f"mcpo ended with {mcpo.returncode} before it was ready")
        try:
            status, answer = request(f"{base}/readyz")
            if status == 200:
                return
        except OSError as error:
            answer = error
        time.sleep(0.05)
    sys.exit(f"mcpo is not ready after {READY_SECONDS_MAX} s: {answer}")


def tools(document):
    return [path.removeprefix("/") for path in document["paths"]]


def request_schema(document, tool):
    """What a reader of the document learns of a tool's arguments, with a reference followed."""
    schema = document["paths"][f"/{tool}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def calls_of(scenario, context, document):
    """The calls that a scenario wants, as (tool, arguments)."""
    if scenario == "tools_call":
        return [("add_numbers", {"a": 5, "b": 3})]
    if scenario == "http-custom-headers":
        # Over HTTP an optional argument that is null is one that is left out.
        plain = lambda arguments: {name: value for name, value in arguments.items() if value is not None}
        return [(call["name"], plain(call["arguments"])) for call in context["toolCalls"]]
    if scenario == "http-invalid-tool-headers":
        return [(tool, {"region": "us-west1"}) for tool in tools(document)]
    if scenario == "json-schema-2020-12-preservation":
        return [("json_schema_echo", {"schema": request_schema(document, "json_schema_2020_12_tool")})]
    if scenario in ("sse-retry", "http-standard-headers"):
        return [(tool, {}) for tool in tools(document)]
    if scenario in ("initialize", "request-metadata", "json-schema-ref-no-deref"):
        return []
    sys.exit(f"the driver does not know what scenario {scenario!r} wants")


def run(base):
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    status, body = request(f"{base}/openapi.json")
    if status != 200:
        sys.exit(f"the document answers {status}: {body}")
    document = json.loads(body)
    for tool, arguments in calls_of(scenario, context, document):
        status, body = request(f"{base}/{tool}", arguments)
        print(f"POST /{tool} -> {status} {body}")
        if status != 200:
            sys.exit(f"the call of {tool} answers {status}: {body}")


def main():
    program, url = sys.argv[1:]
    port = free_port()
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--server-type", "streamable-http", "--", url]
    mcpo = subprocess.Popen(command, stdout=sys.stderr, env={**os.environ, "MCPO_NO_STATE": "1"})
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until_ready(mcpo, base)
        run(base)
        mcpo.send_signal(signal.SIGTERM)
        if mcpo.wait(END_SECONDS_MAX) != 0:
            sys.exit(f"mcpo ended with {mcpo.returncode}")
    finally:
        if mcpo.poll() is None:
            mcpo.kill()


main()
