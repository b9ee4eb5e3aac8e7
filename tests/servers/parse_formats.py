"""The stream that a log was made of, as public libraries read it: parse_formats.py otlp|syslog FILE"""

import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from syslog_rfc5424_parser import SyslogMessage


def otlp(log):
    for line in log:
        request = json_format.Parse(line, ExportLogsServiceRequest())
        (resource,) = request.resource_logs
        (scope,) = resource.scope_logs
        (record,) = scope.log_records
        assert record.time_unix_nano and record.severity_number
        attributes = {pair.key: pair.value for pair in record.attributes}
        message = record.body.string_value.encode()
        if "unbraid.raw" in attributes:
            message = attributes["unbraid.raw"].bytes_value
        goes_on = "unbraid.last" in attributes and not attributes["unbraid.last"].bool_value
        yield message, not goes_on and "unbraid.eol" not in attributes


def syslog(log):
    messages = []
    for line in log:
        if line.startswith(b"\t"):
            messages[-1] += b"\n" + line[1:-1]
        else:
            messages.append(line[:-1])
    for message in messages:
        parsed = SyslogMessage.parse(message.decode(errors="surrogateescape"))
        about = parsed.sd["unbraid@32473"]
        text = parsed.msg.encode(errors="surrogateescape").removeprefix(b"\xef\xbb\xbf")
        yield text, about.get("last") != "false" and about.get("eol") != "false"


with open(sys.argv[2], "rb") as log:
    for message, newline in {"otlp": otlp, "syslog": syslog}[sys.argv[1]](log):
        sys.stdout.buffer.write(message + (b"\n" if newline else b""))
