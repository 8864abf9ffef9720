//! Load for a local HTTP server.
