//! What the fuzz targets of schemas do. Those of the wire stand in `mcpo_mcp::fuzzing`.

pub mod schemas;
