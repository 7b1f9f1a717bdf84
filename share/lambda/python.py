"""Runs a Python function over the Lambda Runtime API: the handler, its context, its log, errors in Lambda's form.

Descriptor 3 is the runtime API. An answer and the wish for the next event go out in one piece, and the
acknowledgement of the answer comes back in one piece with the next event."""
import importlib
import importlib.abc
import importlib.util
import json
import logging
import os
import socket
import sys
import time
import traceback

API = "/2018-06-01/runtime/"
NEXT = f"GET {API}invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n".encode()
REQUEST_ID = [""]


# ---- SDKs that are too old to know AWS_ENDPOINT_URL

class EndpointHook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Once botocore is imported, clients that were told no endpoint get ours, and S3 its path style."""

    def __init__(self):
        self.inner = None

    def find_spec(self, name, path, target=None):
        if name != "botocore.session":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        self.inner, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self.inner.create_module(spec)

    def exec_module(self, module):
        self.inner.exec_module(module)
        plain = module.Session.create_client

        def create_client(session, service_name, *arguments, **named):
            # (region_name, api_version, use_ssl, verify, endpoint_url, ...) come first in this order.
            if named.get("endpoint_url") is None and len(arguments) < 5:
                named["endpoint_url"] = os.environ["AWS_ENDPOINT_URL"]
                if service_name == "s3":
                    from botocore.config import Config
                    path_style = Config(s3={"addressing_style": "path"})
                    given = named.get("config")
                    named["config"] = path_style.merge(given) if given is not None else path_style
            return plain(session, service_name, *arguments, **named)
        module.Session.create_client = create_client


# ---- the log

class LambdaFormatter(logging.Formatter):
    converter = time.gmtime

    def format(self, record):
        record.aws_request_id = REQUEST_ID[0]
        return super().format(record)


def set_up_logging():
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LambdaFormatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
                                         "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


# ---- the wire

class Wire:
    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.file = self.socket.makefile("rb", buffering=65536)

    def send(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        """The next answer: status, fields, body; None at the end."""
        line = self.file.readline()
        if not line:
            return None
        status, fields = int(line.split()[1]), {}
        for line in iter(self.file.readline, b"\r\n"):
            if not line:
                return None
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return status, fields, self.file.read(int(fields.get("content-length", 0)))

    def event(self):
        while True:
            reply = self.reply()
            if reply is None:
                sys.exit(0)
            if reply[0] == 200:
                return reply[1], reply[2]


def post(where, body, error_type=None):
    kind = f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n" if error_type else ""
    head = (f"POST {API}{where} HTTP/1.1\r\nHost: lambda\r\nContent-Type: application/json\r\n{kind}"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode("latin-1", "replace") + body


def describe(error, skip=0):
    kind = type(error)
    said = {"errorMessage": str(error), "errorType": getattr(error, "lambda_type", kind.__name__)}
    if REQUEST_ID[0]:
        said["requestId"] = REQUEST_ID[0]
    said["stackTrace"] = traceback.format_list(traceback.extract_tb(error.__traceback__)[skip:])
    return said


def report(said):
    print(f"[ERROR] {said['errorType']}: {said['errorMessage']}\rTraceback (most recent call last):\r"
          + "\r".join(line.rstrip("\n").replace("\n", "\r") for line in said["stackTrace"]), flush=True)


# ---- the handler

class Refused(Exception):
    def __init__(self, lambda_type, message):
        super().__init__(message)
        self.lambda_type = lambda_type


def load_handler():
    whole = os.environ.get("_HANDLER", "")
    module_name, dot, name = whole.rpartition(".")
    if not dot:
        raise Refused("Runtime.MalformedHandlerName", f"Bad handler '{whole}': not enough values to unpack (expected 2, got 1)")
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except SyntaxError as error:
        raise Refused("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}") from error
    except ImportError as error:
        raise Refused("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    handler = getattr(module, name, None)
    if handler is None:
        raise Refused("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'")
    return handler


class Context:
    def __init__(self, fields):
        self.aws_request_id = fields["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = fields["lambda-runtime-invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._deadline = int(fields["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


def answer(handler, fields, body):
    """The octets that answer one event."""
    request_id = REQUEST_ID[0] = fields["lambda-runtime-aws-request-id"]
    os.environ["_X_AMZN_TRACE_ID"] = fields.get("lambda-runtime-trace-id", "")
    try:
        result = handler(json.loads(body), Context(fields))
        try:
            text = json.dumps(result, ensure_ascii=False, allow_nan=True)
        except (TypeError, ValueError) as error:
            raise Refused("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
        return post(f"invocation/{request_id}/response", text.encode("utf-8", "replace"))
    except Exception as error:  # pylint: disable=broad-except  (whatever a handler raises is its answer)
        said = describe(error, skip=1)
        report(said)
        return post(f"invocation/{request_id}/error", json.dumps(said).encode(), said["errorType"])


def main():
    wire = Wire()
    set_up_logging()
    if os.environ.get("AWS_ENDPOINT_URL"):
        sys.meta_path.insert(0, EndpointHook())
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        handler = load_handler()
    except BaseException as error:  # pylint: disable=broad-except  (SystemExit at import is an init error as well)
        said = describe(error, skip=1)
        report(said)
        wire.send(post("init/error", json.dumps(said).encode(), said["errorType"]))
        wire.reply()
        sys.exit(1)
    out = NEXT
    while True:
        wire.send(out)
        fields, body = wire.event()
        out = answer(handler, fields, body) + NEXT
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file is not the function's
    main()
