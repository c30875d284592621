//! What the connectors do over a wire: one binary, one module a connector.

mod reddit;
