//! Conformance suites, reference implementations and fixtures that every backend of the Data Butler is tested with.
