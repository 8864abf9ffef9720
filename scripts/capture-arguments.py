#!/usr/bin/env python3
"""Records how the Python mcpo 0.0.20 checks and coerces arguments.

Starts the original in front of a stdio server (this same file) whose tools have odd schemas
and echo what they receive, sends the bodies below, and writes schema, body, status and answer
as JSON. Needs an environment with `mcpo==0.0.20 'mcp<2' 'fastapi<0.130'`:

    capture-arguments.py --mcpo VENV/bin/mcpo --out crates/mcpo-core/src/arguments/fixtures/python_0_0_20.json
"""
import argparse
import http.client
import json
import pathlib
import subprocess
import sys
import time

STRING, INTEGER, NUMBER, BOOLEAN = ({"type": t} for t in ("string", "integer", "number", "boolean"))


def needs(schema, **more):
    return {"type": "object", "properties": {"v": schema}, "required": ["v"], **more}


def may(schema, **more):
    return {"type": "object", "properties": {"v": schema}, **more}


POINT = {"type": "object", "properties": {"x": INTEGER, "y": {"type": "integer", "default": 7}}, "required": ["x"]}
ENTITY = {
    "type": "object",
    "properties": {"name": STRING, "tags": {"type": "array", "items": STRING}, "note": {"type": ["string", "null"]}},
    "required": ["name", "tags"],
}
SCHEMAS = {
    "nothing": {"type": "object", "properties": {}},
    "int": needs(INTEGER),
    "num": needs(NUMBER),
    "bool": needs(BOOLEAN),
    "str": needs(STRING),
    "any": needs({}),
    "null": needs({"type": "null"}),
    "list_int": needs({"type": "array", "items": INTEGER}),
    "list_any": needs({"type": "array"}),
    "list_nullable": needs({"type": "array", "items": {"type": ["integer", "null"]}}),
    "dict": needs({"type": "object"}),
    "dict_int": needs({"type": "object", "additionalProperties": INTEGER}),
    "point": needs(POINT),
    "point_optional": may(POINT),
    "points": needs({"type": "array", "items": POINT}),
    "entities": {"type": "object", "properties": {"entities": {"type": "array", "items": ENTITY}}, "required": ["entities"]},
    "three": {
        "type": "object",
        "properties": {"a": INTEGER, "b": STRING, "c": BOOLEAN},
        "required": ["a", "b", "c"],
    },
    "opt_str": may(STRING),
    "opt_str_default": may({"type": "string", "default": "d"}),
    "opt_str_default_null": may({"type": "string", "default": None}),
    "opt_nullable": may({"type": ["string", "null"]}),
    "opt_nullable_default": may({"type": ["string", "null"], "default": "d"}),
    "opt_anyof_null": may({"anyOf": [INTEGER, {"type": "null"}], "default": None}),
    "opt_anyof_null_default": may({"anyOf": [INTEGER, {"type": "null"}], "default": 3}),
    "opt_any": may({}),
    "opt_dict": may({"type": "object"}),
    "opt_list": may({"type": "array", "items": STRING, "default": []}),
    "req_nullable": needs({"type": ["string", "null"]}),
    "req_default": needs({"type": "integer", "default": 4}),
    "default_wrong_type": may({"type": "integer", "default": "5"}),
    "default_object": may({**POINT, "default": {"x": 1}}),
    "int_or_str": needs({"anyOf": [INTEGER, STRING]}),
    "str_or_int": needs({"type": ["string", "integer"]}),
    "num_or_int": needs({"type": ["number", "integer"]}),
    "bool_or_int": needs({"anyOf": [BOOLEAN, INTEGER]}),
    "int_or_bool": needs({"anyOf": [INTEGER, BOOLEAN]}),
    "str_or_list": needs({"anyOf": [STRING, {"type": "array", "items": STRING}]}),
    "int_or_list": needs({"anyOf": [INTEGER, {"type": "array", "items": INTEGER}, {"type": "null"}]}),
    "obj_or_str": needs({"anyOf": [POINT, STRING]}),
    "two_objects": needs({
        "anyOf": [
            {"type": "object", "properties": {"a": INTEGER, "c": {"type": "integer", "default": 1}}, "required": ["a"]},
            {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "required": ["a"]},
        ]
    }),
    "one_of": needs({"oneOf": [INTEGER, STRING]}),
    "all_of": needs({"allOf": [INTEGER, {"minimum": 3}]}),
    "ref": {"type": "object", "properties": {"v": {"$ref": "#/$defs/P"}}, "required": ["v"], "$defs": {"P": POINT}},
    "closed": needs(INTEGER, additionalProperties=False),
    "open": needs(INTEGER, additionalProperties=True),
    "open_int": needs(INTEGER, additionalProperties=INTEGER),
    "free": {"type": "object", "additionalProperties": True, "properties": {}},
    "enum": needs({"type": "string", "enum": ["a", "b", "c"]}),
    "enum_int": needs({"type": "integer", "enum": [1, 2]}),
    "const": needs({"const": "k"}),
    "bounds": needs({"type": "integer", "minimum": 1, "maximum": 10}),
    "pattern": needs({"type": "string", "pattern": "^a+$", "minLength": 2, "maxLength": 4}),
    "sized": needs({"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 2}),
    "underscore": {"type": "object", "properties": {"_a": INTEGER, "__b": {"type": "string", "default": "z"}}, "required": ["_a"]},
    "unknown_type": needs({"type": "float"}),
}

BIG = "123456789012345678901234567890"


def v(*texts):
    return ['{"v": %s}' % text for text in texts]


CASES = {
    "nothing": ["", "{}", '{"a":1}', "[1]", "no json", "null", b"\xff"],
    "int": v("5", "-0", "5.0", "5.5", "1e3", "1e-1", '"5"', '" 5 "', '"5.0"', '"5.5"', '"+5"', '"-5"', '"1_000"', '"1e3"',
             '"007"', '""', '"x"', "true", "false", "null", "[]", "{}", BIG, '"%s"' % BIG, '"0x10"', '"5."', '"-0"', '"1__0"',
             '"_1"', '".0"', '"5.00"', '"\u0665"', '"true"', "1e300", '"- 5"', '"\\n5"', '"5_0.0"', '"+ 5"', "[5]", '"--5"', "-5.0",
             "1e400", '"0_0"', '"00"') + [
        "", "null", "[]", "[1]", '"x"', "5", "true", "{}", "  ", "{", "}", '{"v"', '{"v":', '{"v":}', '{"v":1', '{"v":1,', '{"v":1,}',
        '{"v" 1}', '{v:1}', "{'v':1}", '{"v":1}x', '{"v":1} {"v":2}', '{"v":"a', '{"v":"\\x"}', '{"v":"\\u12"}', '{"v":"\\u12G4"}',
        '{"v":"a\nb"}', '{"v":01}', '{"v":+1}', '{"v":.5}', '{"v":1.}', '{"v":1e}', '{"v":-}', '{"v":tru}', '{"v":[1,]}', '{"v":[1 2]}',
        '{"v":[1', '{"v":[', "\ufeff{\"v\":1}", "\ufeff{\"v\":}", '{"\u00e9\U0001F600":}', '{,}', '{"v":1,,}', '{"v":[,]}', '{"v":1}\n\n', ' {"v":1}',
        '{"v":1,"v":2}', '{"v":"x","v":2}', '{"v":1,"u":{"a":1,"a":2}}', '{"w":1}', '{"v":1,"w":2}', b'{"v":"\xff"}', b"\xff\xfe", '{"v":"\t"}',
        '{"v":\f1}', '{"v":1}\u00a0', "//\n{}", '{"v":"\\', '{"v":"\\u', '{"v":"\\u1', '{"v":1.5.5}', '{"v":--1}', '{"v":1e+}', '{"a":{"b":[{"c":}]}}',
        '["a":1]', '{"v":nul}', '{"v":NULL}', '{"":', '{"v"::1}', '{"v":"\\u00g0"}'],
    "num": v("5", "1.5", '"1.5"', '"5"', '"1e3"', '" 1.5 "', '"1_0.5"', '"x"', '""', '"inf"', '"nan"', '".5"', '"5."', "true", "null", "[]", "{}", BIG, "1e3", "0.1000000000000000055511151231257827", '"+1"', '"0x1"', '"infinity"', '"1e400"', "1.0"),
    "bool": v("true", "false", "1", "0", "1.0", "0.0", "2", "0.5", '"yes"', '"YES"', '"no"', '"on"', '"off"', '"t"', '"f"', '"y"', '"n"', '"1"',
              '"0"', '"true"', '"False"', '" true "', '"x"', '""', "null", "[]", "{}", "-1", '"2"', '"1.0"'),
    "str": v('"x"', '""', "5", "1.5", "true", "null", "[]", "{}", '"\u00e9\\u00e9"', '"\\ud83d\\ude00"'),
    "any": v("5", '"x"', "null", "[null]", '{"a":null}', BIG),
    "null": v("null", "5", '"null"'),
    "list_int": v("[]", "[1]", '["1", 2.0]', '[1, "x", null]', '"1"', "{}", "null", "5", '"[1]"', "[[1]]"),
    "list_any": v("[1, null, {\"a\": null}]", "{}", '"x"'),
    "list_nullable": v("[1, null]", '["1", null]', '["x", null]'),
    "dict": v("{}", '{"a":1,"b":null}', "[]", '"x"', "null", "5"),
    "dict_int": v('{"a":1}', '{"a":"1"}', '{"a":"x"}'),
    "point": v('{"x":1}', '{"x":"1","z":3}', '{"y":1}', "{}", "[]", '"x"', "null", '{"x":null}', '{"x":1,"y":null}', "5", "true", '{"x":"a","y":"b"}'),
    "point_optional": ["{}"] + v("null", '{"x":1}', "{}"),
    "points": v('[{"x":1},{"x":"2","y":3}]', '[{"x":1},{}]', "[5]", '[{"x":"a"},{"y":"b"}]', "[[]]"),
    "entities": ['{"entities":[{"tags":[]}]}', '{"entities":[{"name":"n","tags":["a"]}]}', '{"entities":[{"name":"n","tags":[1]},{"name":2}]}',
                 '{"entities":[{"name":"n","tags":[],"note":null}]}', '{"entities":{"name":"n"}}', '{"entities":[]}', "{}", '{"entities":["n"]}'],
    "three": ["{}", '{"a":1}', '{"a":"x","b":1,"c":"maybe"}', '{"a":"1","b":"b","c":"on"}', '{"c":true,"b":"b","a":1}', '{"c":5,"d":1}'],
    "opt_str": ["", "null", "{}", '{"w":1}'] + v("null", '"x"', "5"),
    "opt_str_default": ["", "{}"] + v("null", '"x"'),
    "opt_str_default_null": ["{}"] + v("null", '"x"'),
    "opt_nullable": ["{}"] + v("null", '"x"', "5"),
    "opt_nullable_default": ["{}"] + v("null", '"x"'),
    "opt_anyof_null": ["{}"] + v("null", "1", '"1"', '"x"'),
    "opt_anyof_null_default": ["{}"] + v("null", "1"),
    "opt_any": ["{}"] + v("null", "1"),
    "opt_dict": ["{}"] + v("null", '{"a":null}'),
    "opt_list": ["{}"] + v("null", '["a"]', "[]", "[1]"),
    "req_nullable": ["{}"] + v("null", '"x"'),
    "req_default": ["{}"] + v("1"),
    "default_wrong_type": ["{}"],
    "default_object": ["{}"] + v('{"x":2}'),
    "int_or_str": v("5", '"5"', '"x"', "5.0", "5.5", "true", "null", "[]"),
    "str_or_int": v("5", '"5"', "true", "null", "5.0"),
    "num_or_int": v("5", "5.0", '"5"', '"x"'),
    "bool_or_int": v("1", "true", '"1"', '"yes"', '"5"', "null"),
    "int_or_bool": v("1", "true", '"1"', '"yes"', "null"),
    "str_or_list": v('"a"', '["a"]', "[1]", "5", "null"),
    "int_or_list": v("1", '"1"', '["1"]', "null", '"x"', '["x"]', "{}"),
    "obj_or_str": v('{"x":1}', '"a"', '{"x":"1"}', "{}", "5"),
    "two_objects": v('{"a":1}', '{"a":1,"b":2}', '{"a":1,"c":2}', '{"a":"1","b":"2"}', '{"b":1}'),
    "one_of": v("5", '"5"', "[]"),
    "all_of": v("5", '"5"', "1"),
    "ref": v('{"x":1}', '{"x":"1"}', "{}", "5"),
    "closed": ['{"v":1,"w":2}'],
    "open": ['{"v":1,"w":2}'],
    "open_int": ['{"v":1,"w":"2"}', '{"v":1,"w":"x"}'],
    "free": ['{"w":1}', "{}", ""],
    "enum": v('"a"', '"z"', "1"),
    "enum_int": v("1", '"1"', "3"),
    "const": v('"k"', '"x"'),
    "bounds": v("1", "0", '"11"'),
    "pattern": v('"aa"', '"a"', '"aaaaa"', '"ab"'),
    "sized": v("[1]", "[]", "[1,2,3]"),
    "underscore": ["{}", '{"_a":"1"}', '{"_a":1,"__b":"c"}', '{"a":1}'],
    "unknown_type": v("1.5", '"x"'),
}


def serve():
    import anyio
    from mcp import types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    server = Server("echo")

    @server.list_tools()
    async def tools():
        return [types.Tool(name=name, description=name, inputSchema=schema) for name, schema in SCHEMAS.items()]

    @server.call_tool(validate_input=False)
    async def call(name, arguments):
        return [types.TextContent(type="text", text=json.dumps({"received": arguments}))]

    async def run():
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def post(port, tool, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", f"/{tool}", body=body, headers={"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, json.loads(text) if text.startswith(("{", "[")) else text


def wait_until_served(port):
    for _ in range(150):
        try:
            if post(port, "nothing", b"{}")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit("the original did not start")


def capture(port):
    rows = []
    for tool, bodies in CASES.items():
        for body in bodies:
            raw = body if isinstance(body, bytes) else body.encode()
            status, answer = post(port, tool, raw)
            row = {"tool": tool}
            row.update({"hex": raw.hex()} if isinstance(body, bytes) else {"body": body})
            rows.append({**row, "status": status, "answer": answer})
    return rows


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--serve", action="store_true", help="be the echoing server")
    options.add_argument("--mcpo", help="the original's executable")
    options.add_argument("--port", type=int, default=18120)
    options.add_argument("--out", type=pathlib.Path)
    options = options.parse_args()
    if options.serve:
        return serve()
    python = str(pathlib.Path(options.mcpo).parent / "python")
    command = [options.mcpo, "--host", "127.0.0.1", "--port", str(options.port), "--", python, __file__, "--serve"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_served(options.port)
        rows = capture(options.port)
    finally:
        child.terminate()
        child.wait(10)
    lines = ",\n".join(json.dumps(row) for row in rows)
    schemas = ",\n".join(f"{json.dumps(name)}: {json.dumps(schema)}" for name, schema in SCHEMAS.items())
    options.out.write_text(f'{{"schemas": {{\n{schemas}\n}},\n"rows": [\n{lines}\n]}}\n')
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
