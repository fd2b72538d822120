//! Functions that are there and answer "not supported".
