#!/usr/bin/env python3
"""Asks Python mcpo 0.0.20 and writes down what it answers: the fixtures of mcpo-http.

    capture-answers.py PATH_OF_PYTHON_MCPO DIRECTORY_FOR_FIXTURES [FIRST_PORT]

Needs nothing outside Python's own library. The same file is the upstream: with `--upstream` it
speaks MCP on stdin and stdout, with one tool for each case below, whose result is the case.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def text(value):
    return {"type": "text", "text": value}


def texts(*values, **more):
    return {"content": [text(value) for value in values], **more}


IMAGE = {"type": "image", "data": PIXEL, "mimeType": "image/png"}

# What a tool of that name answers: its result, or an error with a code.
RESULTS = {
    "none": texts(),
    "plain": texts("hello"),
    "empty": texts(""),
    "blank": texts("  "),
    "blanks_around_number": texts(" 42 "),
    "blanks_around_word": texts(" word "),
    "number": texts("42"),
    "negative_zero": texts("-0"),
    "leading_zeros": texts("007"),
    "plus": texts("+1"),
    "point": texts("1.0"),
    "exponent": texts("1e5"),
    "big_integer": texts("123456789012345678901234567890"),
    "precise": texts("0.1000000000000000055511151231257827"),
    "null": texts("null"),
    "true": texts("true"),
    "capital_true": texts("True"),
    "quoted_true": texts('"true"'),
    "quoted_text": texts('"a \\u00e9 b"'),
    "list": texts("[1,2]"),
    "empty_list": texts("[]"),
    "object": texts('{"b": 1, "a": null, "big": 123456789012345678901234567890}'),
    "object_with_spaces": texts('{ "a" : [ 1 , 2 ] }\n'),
    "duplicate_keys": texts('{"a":1,"a":2}'),
    "broken_object": texts('{"a": 1'),
    "two_values": texts("1 2"),
    "nan": texts("NaN"),
    "infinity": texts("[Infinity]"),
    "overflow": texts("1e400"),
    "control_in_string": texts('"a\nb"'),
    "accents": texts("höllo ✓ 😀"),
    "line_separators": texts("a\u2028b"),
    "lines": texts("a\nb\t\"c\""),
    "byte_order_mark": texts("\ufeff42"),
    "two": texts("a", "2"),
    "three": texts('{"a":1}', "x", "null"),
    "image": {"content": [IMAGE]},
    "text_and_image": {"content": [text("1"), IMAGE]},
    "resource": {
        "content": [{"type": "resource", "resource": {"uri": "file:///a", "text": "t", "mimeType": "text/plain"}}]
    },
    "link": {"content": [{"type": "resource_link", "uri": "file:///a", "name": "a"}]},
    "structured_and_text": texts("x", structuredContent={"a": 1}),
    "deep": texts("[" * 100 + "]" * 100),
    "too_deep": texts("[" * 3000 + "]" * 3000),
    "is_error": texts("it broke", isError=True),
    "is_error_empty": texts(isError=True),
    "is_error_two": texts("first", "second", isError=True),
    "is_error_image": {"content": [IMAGE], "isError": True},
    "error_parse": (-32700, "bad parse", None),
    "error_request": (-32600, "bad request", None),
    "error_method": (-32601, "no such method", None),
    "error_params": (-32602, "bad params", {"field": "x"}),
    "error_internal": (-32603, "inside", None),
    "error_other": (-32000, "other", [1, None]),
    "error_positive": (7, "", "text"),
}

ARGUMENTS = {"type": "object", "properties": {"i": {"type": "integer"}}, "required": ["i"]}


def upstream():
    tools = [{"name": name, "inputSchema": {"type": "object"}} for name in RESULTS]
    tools.append({"name": "echo", "description": "Says it again.", "inputSchema": ARGUMENTS})
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        method, reply = message["method"], {"jsonrpc": "2.0", "id": message["id"]}
        if method == "initialize":
            reply["result"] = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "scripted", "version": "1.2.3"},
            }
        elif method == "tools/list":
            reply["result"] = {"tools": tools}
        elif method == "tools/call":
            params = message["params"]
            result = RESULTS.get(params["name"], texts(json.dumps(params.get("arguments"))))
            if isinstance(result, tuple):
                code, words, data = result
                reply["error"] = {"code": code, "message": words}
                if data is not None:
                    reply["error"]["data"] = data
            else:
                reply["result"] = result
        else:
            reply["error"] = {"code": -32601, "message": "no such method"}
        print(json.dumps(reply), flush=True)


KEPT_HEADERS = {
    "content-type",
    "www-authenticate",
    "allow",
    "location",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-expose-headers",
}


class Original:
    """One run of the original, ended with the block."""

    def __init__(self, program, port, *options, config=None):
        self.port = port
        this = [sys.executable, os.path.abspath(__file__), "--upstream"]
        command = [program, "--host", "127.0.0.1", "--port", str(port), *options]
        if config:
            servers = {name: {"command": this[0], "args": this[1:]} for name in config}
            self.file = tempfile.NamedTemporaryFile("w", suffix=".json")
            json.dump({"mcpServers": servers}, self.file)
            self.file.flush()
            command += ["--config", self.file.name]
        else:
            command += ["--", *this]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(300):
            with socket.socket() as probe:
                listens = probe.connect_ex(("127.0.0.1", self.port)) == 0
            # The original listens when all is up and knows no /readyz; mcpo says when it is ready,
            # so that its own answers can be taken with this script, too.
            if listens and self.ask("GET", "/readyz")["status"] in (200, 401, 404):
                return self
            time.sleep(0.1)
        raise SystemExit("the original does not start")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=4)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            kept = {name.lower(): value for name, value in answer.getheaders() if name.lower() in KEPT_HEADERS}
            return {"status": answer.status, "headers": kept, "body": answer.read().decode()}
        except TimeoutError:
            return {"status": 0, "headers": {}, "body": "hangs"}
        finally:
            connection.close()


JSON = {"Content-Type": "application/json"}


def key(value):
    return {**JSON, "Authorization": value}


# user:sesame, user:wrong, no colon
BASIC, BASIC_WRONG, BASIC_BROKEN = "Basic dXNlcjpzZXNhbWU=", "Basic dXNlcjp3cm9uZw==", "Basic c2VzYW1l"
CREDENTIALS = [
    None, "", "Bearer", "Bearer ", "Bearer sesame", "Bearer  sesame", "Bearer sesame ", "bearer sesame",
    "BEARER sesame", "Bearer wrong", "bearer wrong", "Token sesame", "sesame", BASIC, "basic dXNlcjpzZXNhbWU=",
    BASIC_WRONG, BASIC_BROKEN, "Basic !!!", "Basic",
]
ACCESS = [
    ("POST", "/plain"), ("POST", "/echo"), ("GET", "/openapi.json"), ("HEAD", "/openapi.json"), ("GET", "/docs"),
    ("GET", "/redoc"), ("GET", "/plain"), ("GET", "/missing"), ("OPTIONS", "/plain"), ("OPTIONS", "/docs"),
]
ORIGIN = {"Origin": "https://a.example"}
FOREIGN = {"Origin": "https://b.example"}
PREFLIGHT = {"Access-Control-Request-Method": "POST"}
CORS = [
    ("OPTIONS", "/plain", {**ORIGIN, **PREFLIGHT}),
    ("OPTIONS", "/plain", {**ORIGIN, **PREFLIGHT, "Access-Control-Request-Headers": "X-Session-Id, authorization"}),
    ("OPTIONS", "/plain", {**ORIGIN, "Access-Control-Request-Method": "BREW"}),
    ("OPTIONS", "/plain", {**ORIGIN, **PREFLIGHT, "Access-Control-Request-Private-Network": "true"}),
    ("OPTIONS", "/plain", {**FOREIGN, **PREFLIGHT}),
    ("OPTIONS", "/plain", {**FOREIGN, "Access-Control-Request-Method": "BREW"}),
    ("OPTIONS", "/plain", ORIGIN),
    ("OPTIONS", "/plain", PREFLIGHT),
    ("OPTIONS", "/missing", {**ORIGIN, **PREFLIGHT}),
    ("POST", "/plain", ORIGIN),
    ("POST", "/plain", FOREIGN),
    ("POST", "/plain", {**ORIGIN, "Cookie": "a=b"}),
    ("POST", "/plain", {**FOREIGN, "Cookie": "a=b"}),
    ("POST", "/missing", ORIGIN),
    ("GET", "/openapi.json", ORIGIN),
]
ROUTES_SINGLE = [
    ("GET", "/"), ("POST", "/"), ("GET", "/missing"), ("POST", "/missing"), ("GET", "/plain"), ("PUT", "/plain"),
    ("HEAD", "/plain"), ("OPTIONS", "/plain"), ("POST", "/plain/"), ("POST", "/plain/?a=b"), ("POST", "/plain//"),
    ("GET", "/plain/"), ("POST", "/pl%61in"), ("POST", "//plain"), ("GET", "/docs/"), ("HEAD", "/docs"),
    ("POST", "/docs"), ("POST", "/openapi.json"), ("DELETE", "/openapi.json"), ("GET", "/redoc"),
    ("GET", "/docs/oauth2-redirect"), ("GET", "/missing/"), ("BREW", "/plain"),
]
ROUTES_MANY = [
    ("GET", "/"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/redoc"), ("GET", "/one"), ("GET", "/one/"),
    ("POST", "/one"), ("GET", "/one/openapi.json"), ("GET", "/one/docs"), ("GET", "/one/redoc"),
    ("POST", "/one/plain"), ("POST", "/one/plain/"), ("GET", "/one/plain"), ("POST", "/one/missing"),
    ("POST", "/three/plain"), ("POST", "/plain"), ("POST", "/two%20words/plain"), ("GET", "/two%20words/openapi.json"),
]
CONTENT_TYPES = [
    None, "", "application/json", "application/json; charset=utf-8", "application/vnd.x+json", "APPLICATION/JSON",
    "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json",
    "application/json, text/plain", "application/octet-stream",
]
BODIES = ['{"i":1}', "", "not json"]


def lines(value):
    """JSON with one record on a line."""
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(name)}: {lines(part)}" for name, part in value.items()) + "\n}"
    return "[\n" + ",\n".join(json.dumps(record, ensure_ascii=False) for record in value) + "\n]"


def main():
    program, target, first = sys.argv[1], sys.argv[2], int(sys.argv[3] if len(sys.argv) > 3 else "18180")

    def write(name, value):
        with open(os.path.join(target, name), "w") as file:
            file.write(lines(value) + "\n")

    with Original(program, first) as original:
        answers = []
        for name, sent in RESULTS.items():
            answer = original.ask("POST", f"/{name}")
            case = {"name": name, "status": answer["status"], "body": answer["body"]}
            if isinstance(sent, tuple):
                case["error"] = {"code": sent[0], "message": sent[1], "data": sent[2]}
            else:
                case["result"] = json.dumps(sent)
            answers.append(case)
        write("answers.json", answers)
        types = []
        for sent in CONTENT_TYPES:
            for path in ("/echo", "/plain"):
                for body in BODIES:
                    headers = {} if sent is None else {"Content-Type": sent}
                    answer = original.ask("POST", path, headers, body.encode())
                    types.append({"path": path, "content_type": sent, "sent": body, **answer})
        write("content_types.json", types)
        singles = [{"ask": ask, **original.ask(*ask)} for ask in ROUTES_SINGLE]
        cors_any = [{"ask": ask, **original.ask(*ask)} for ask in CORS]

    with Original(program, first + 1, "--cors-allow-origins", "https://a.example") as original:
        cors_one = [{"ask": ask, **original.ask(*ask)} for ask in CORS]
    for answer in cors_any + cors_one:
        if answer["ask"][0] == "GET":
            answer["body"] = "(document or page)"
    write("cors.json", {"any": cors_any, "one": cors_one})

    access = {}
    for offset, name in enumerate(["open", "strict"]):
        options = ["--api-key", "sesame"] + (["--strict-auth"] if name == "strict" else [])
        with Original(program, first + 2 + offset, *options) as original:
            access[name] = []
            for credential in CREDENTIALS:
                # How a credential is read does not depend on the path, but for those two.
                for method, path in ACCESS if credential in (None, "Bearer sesame") else ACCESS[:1] + ACCESS[4:5]:
                    headers = JSON if credential is None else key(credential)
                    answer = original.ask(method, path, headers)
                    if answer["status"] == 200 and method == "GET":
                        answer["body"] = "(document or page)"
                    access[name].append({"credential": credential, "ask": [method, path], **answer})
    write("access.json", access)

    many = {}
    options_of = {"plain": [], "root": ["--root-path", "/api"], "prefix": ["--path-prefix", "/mcp/"]}
    for offset, (name, options) in enumerate(options_of.items()):
        with Original(program, first + 4 + offset, *options, config=["one", "two words"]) as original:
            before = {"plain": ["", "/api"], "root": ["", "/api"], "prefix": ["", "/mcp"]}[name]
            routes = [(method, start + path) for start in before for method, path in ROUTES_MANY]
            many[name] = [{"ask": ask, **original.ask(*ask)} for ask in routes]
    for runs in [singles, *many.values()]:
        for run in runs:
            if run["status"] == 200 and run["headers"].get("content-type") == "application/json":
                document = json.loads(run["body"])
                if isinstance(document, dict):
                    document.pop("paths", None), document.pop("components", None)
                    run["body"] = json.dumps(document, ensure_ascii=False)
            elif run["headers"].get("content-type", "").startswith("text/html") and run["body"]:
                run["body"] = "(page)"
    write("routes.json", {"single": singles, **many})


if __name__ == "__main__":
    upstream() if "--upstream" in sys.argv else main()
