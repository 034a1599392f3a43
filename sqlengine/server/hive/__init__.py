"""HiveServer2's protocol: Thrift's binary encoding, SASL, HTTP, and the calls of TCLIService."""
