//! Shapes a tool's JSON Schema for OpenAPI 3.1 and for the clients that read it.
