"""An OpenTelemetry collector's door: takes OTLP over HTTP, decodes it with the published messages,
and writes each message as one line of JSON to stdout. The first answer is 503, as from a collector
that is just starting."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    refused = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Door.refused == 0:
            Door.refused += 1
            return self.answer(503)
        kind = KINDS.get(self.path)
        if kind is None or self.headers["Content-Type"] != "application/x-protobuf":
            return self.answer(415)
        message = kind()
        message.ParseFromString(body)
        told = {
            "path": self.path,
            "key": self.headers.get("X-Key"),
            "message": MessageToDict(message, preserving_proto_field_name=True),
        }
        print(json.dumps(told), flush=True)
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
print(json.dumps({"port": server.server_port}), flush=True)
sys.stdout.flush()
server.serve_forever()
