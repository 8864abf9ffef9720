"""Validates a document as OpenAPI 3.1, and answers against what it promises.

Usage: validate.py DOCUMENT [ANSWERS], where ANSWERS is a JSON list of {"path", "answer"}: each
answer came with status 200 from a POST to that path.
"""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOCUMENT = "urn:document"


def promised(document, path):
    """Where the document says what a 200 of that path looks like, or None where it does not."""
    content = document["paths"][path]["post"]["responses"]["200"].get("content", {})
    if "schema" not in content.get("application/json", {}):
        return None
    escaped = path.replace("~", "~0").replace("/", "~1").replace("%", "%25")
    return f"{DOCUMENT}#/paths/{escaped}/post/responses/200/content/application~1json/schema"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    validate(document, cls=OpenAPIV31SpecValidator)
    if not document["openapi"].startswith("3.1."):
        sys.exit(f"the document says that it is OpenAPI {document['openapi']}")
    answers = []
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as file:
            answers = json.load(file)
    registry = Registry().with_resource(DOCUMENT, DRAFT202012.create_resource(document))
    wrong = []
    for one in answers:
        reference = promised(document, one["path"])
        if reference is None:
            wrong.append(f"{one['path']}: the document does not say what a 200 looks like")
            continue
        validator = Draft202012Validator({"$ref": reference}, registry=registry)
        wrong += [f"{one['path']}: {error.message} at {error.json_path}" for error in validator.iter_errors(one["answer"])]
    if wrong:
        sys.exit("\n".join(wrong))


main()
