"""Lambda: functions made, called and judged through the API, as people and their tools do it."""
import base64
import io
import json
import zipfile

import pytest

from conftest import ACCOUNT, REGION

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def package(files):
    """A deployment package: name -> text or bytes, all of them executable."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr = 0o755 << 16
            made.writestr(info, content)
    return octets.getvalue()


class Functions:
    def __init__(self, server, account=None):
        self.server = server
        self.iam = server.client("iam", account=account)
        self.aws = server.client("lambda", account=account)
        self.role = self.iam.create_role(RoleName="fn", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]

    def create(self, name, files, runtime="nodejs20.x", handler="index.handler", **more):
        return self.aws.create_function(FunctionName=name, Runtime=runtime, Handler=handler, Role=self.role,
                                        Code={"ZipFile": package(files)}, **more)

    def node(self, name, source, **more):
        return self.create(name, {"index.js": source}, **more)

    def python(self, name, source, **more):
        return self.create(name, {"app.py": source}, "python3.11", "app.handler", **more)

    def call(self, name, event=None, **more):
        """The answer, the error's kind or None, and the log's end."""
        done = self.aws.invoke(FunctionName=name, Payload=json.dumps({} if event is None else event),
                               LogType="Tail", **more)
        text = done["Payload"].read()
        return (json.loads(text) if text else None, done.get("FunctionError"),
                base64.b64decode(done.get("LogResult", "")).decode())

    def state(self):
        return {f["FunctionName"]: f for f in self.aws.list_functions()["Functions"]}


@pytest.fixture
def functions(server):
    return Functions(server)


def test_a_node_function_is_made_and_called(functions):
    made = functions.node("hello", """
        exports.handler = async (event, context) => {
            console.log("called with", event);
            return { event, name: context.functionName, left: context.getRemainingTimeInMillis(), region: process.env.AWS_REGION };
        };""", MemorySize=256, Timeout=5, Environment={"Variables": {"COLOUR": "red"}})
    assert made["FunctionArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello"
    assert (made["Version"], made["State"], made["MemorySize"], made["Timeout"]) == ("$LATEST", "Active", 256, 5)
    answer, error, log = functions.call("hello", {"a": [1, "ü"]})
    assert error is None
    assert answer["event"] == {"a": [1, "ü"]} and answer["name"] == "hello" and answer["region"] == REGION
    assert 4000 < answer["left"] <= 5000
    lines = log.splitlines()
    assert lines[0].startswith("START RequestId: ") and lines[0].endswith("Version: $LATEST")
    assert "\tINFO\tcalled with { a: [ 1, 'ü' ] }" in lines[1]
    assert lines[-2].startswith("END RequestId: ")
    assert "\tMemory Size: 256 MB\t" in lines[-1] and "Init Duration: " in lines[-1]
    _, _, log = functions.call("hello")
    assert "Init Duration" not in log  # warm


def test_a_python_function_is_made_and_called(functions):
    functions.python("hello", """
        import logging, os
        logging.getLogger().setLevel(logging.INFO)
        count = 0
        def handler(event, context):
            global count
            count += 1
            print("printed")
            logging.info("logged")
            return {"event": event, "count": count, "arn": context.invoked_function_arn,
                    "left": context.get_remaining_time_in_millis(), "tmp": os.listdir("/tmp")}
        """.replace("\n        ", "\n"))
    answer, error, log = functions.call("hello", {"b": None})
    assert error is None and answer["event"] == {"b": None} and answer["count"] == 1 and answer["tmp"] == []
    assert answer["arn"].endswith(":function:hello") and 0 < answer["left"] <= 3000
    assert "\nprinted\n" in log and "[INFO]\t" in log and log.count("logged") == 1
    assert functions.call("hello")[0]["count"] == 2  # the same process
