"""Lambda: functions made, called and judged through the API, as people and their tools do it. One way to make a function
serves them all, so they stay together."""
import base64
import concurrent.futures
import contextlib
import errno
import http.client
import io
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import zipfile

import pytest

import conftest
import aws_cli
from conftest import ACCOUNT, BINARY, KEY, REGION, ROOT, SECRET, SLOW, Receiving, bucket_policy, eventually, refused, s3_action
from test_js import PLACE, node  # pylint: disable=unused-import

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
        import logging, os, tempfile
        logging.getLogger().setLevel(logging.INFO)
        count = 0
        def handler(event, context):
            global count
            count += 1
            print("printed")
            logging.info("logged")
            return {"event": event, "count": count, "arn": context.invoked_function_arn,
                    "left": context.get_remaining_time_in_millis(), "tmp": os.listdir(tempfile.gettempdir())}
        """.replace("\n        ", "\n"))
    answer, error, log = functions.call("hello", {"b": None})
    assert error is None and answer["event"] == {"b": None} and answer["count"] == 1 and answer["tmp"] == []
    assert answer["arn"].endswith(":function:hello") and 0 < answer["left"] <= 3000
    assert "\nprinted\n" in log and "[INFO]\t" in log and log.count("logged") == 1
    assert functions.call("hello")[0]["count"] == 2  # the same process


@pytest.mark.as_root
def test_a_function_has_a_tmp_of_its_own(functions):
    functions.python("mine", "import os\ndef handler(event, context):\n    return os.listdir('/tmp')\n")
    with tempfile.NamedTemporaryFile(dir="/tmp"):
        assert functions.call("mine", {})[:2] == ([], None)


# --- handlers of every make

@pytest.mark.parametrize("files, handler, want", [
    ({"index.mjs": "export const handler = async (event) => ({ esm: event.n });"}, "index.handler", {"esm": 7}),
    ({"package.json": '{"type": "module"}', "src/main.js": "export default { go: async (event) => event.n };"}, "src/main.go", 7),
    ({"index.js": "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, event.n + 1), 5); };"},
     "index.handler", 8),
    ({"index.js": "exports.handler = (event, context) => { context.succeed({ old: true }); };"}, "index.handler", {"old": True}),
    ({"index.js": "exports.handler = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false;"
                  " setInterval(() => {}, 1000); callback(null, 'at once'); };"}, "index.handler", "at once"),
    ({"index.js": "exports.handler = () => {};"}, "index.handler", None),
    ({"index.js": "exports.a = { b: async () => 'nested' };"}, "index.a.b", "nested"),
    ({"index.js": "const own = require('./lib/own'); exports.handler = async () => own;", "lib/own.js": "module.exports = 'required';"},
     "index.handler", "required"),
])
def test_node_handlers_of_every_make_answer(functions, files, handler, want):
    functions.create("made", files, handler=handler)
    for _ in range(2):  # cold, then warm
        answer, error, log = functions.call("made", {"n": 7})
        assert (answer, error) == (want, None), log


TRACED = """
const { execFileSync } = require('child_process');
exports.handler = async () => {
  const name = '_X_AMZN_TRACE_ID', own = process.env[name];
  process.env.OURS = 'set';
  return { own, spread: { ...process.env }[name], listed: Object.keys(process.env).includes(name), ours: process.env.OURS,
           child: execFileSync('/bin/sh', ['-c', `echo $${name} $OURS`]).toString().trim() };
};
"""


def test_each_call_of_a_node_function_finds_its_trace_in_the_environment(functions):
    functions.create("traced", {"index.js": TRACED})
    seen = set()
    for _ in range(3):
        answer, error, log = functions.call("traced")
        assert error is None, log
        assert answer["own"].startswith("Root=1-") and answer["own"] == answer["spread"]
        assert answer["child"] == answer["own"] + " set" and answer["listed"] and answer["ours"] == "set"
        seen.add(answer["own"])
    assert len(seen) == 3


def test_a_node_function_reads_events_of_every_size_whole(functions):
    functions.create("sized", {"index.js": "exports.handler = async (e) => [e.text.length, [...e.text].every((c) => c === 'ü'), e.n];"})
    for n, size in enumerate((1, 32_000, 32_700, 32_768, 100_000, 1_000_000, 2)):  # two bytes each; a read takes 64 KB
        answer, error, log = functions.call("sized", {"text": "ü" * size, "n": n})
        assert (answer, error) == ([size, True, n], None), log


@pytest.mark.parametrize("runtime, files, handler, kind, message", [
    ("nodejs20.x", {"index.js": "exports.handler = async () => { throw new TypeError('no good'); };"}, "index.handler",
     "TypeError", "no good"),
    ("nodejs20.x", {"index.js": "exports.handler = (e, c, callback) => callback(new RangeError('far'));"}, "index.handler",
     "RangeError", "far"),
    ("nodejs20.x", {"index.js": "exports.handler = (e, c, callback) => callback('just words');"}, "index.handler",
     "string", "just words"),
    ("nodejs20.x", {"index.js": "exports.handler = () => { setTimeout(() => { throw new Error('late'); }, 5);"
                                " return new Promise(() => {}); };"}, "index.handler", "Error", "late"),
    ("nodejs20.x", {"index.js": "exports.other = 1;"}, "index.handler", "Runtime.HandlerNotFound",
     "index.handler is undefined or not exported"),
    ("nodejs20.x", {"other.js": ""}, "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'index'"),
    ("nodejs20.x", {"index.js": "exports.handler = async () => {"}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
    ("nodejs20.x", {"index.js": "throw new Error('at the start');"}, "index.handler", "Error", "at the start"),
    ("python3.11", {"app.py": "def handler(e, c):\n    raise ValueError('no good')"}, "app.handler", "ValueError", "no good"),
    ("python3.11", {"app.py": "import nope"}, "app.handler", "Runtime.ImportModuleError",
     "Unable to import module 'app': No module named 'nope'"),
    ("python3.11", {"app.py": "x = 1"}, "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
    ("python3.11", {"app.py": "def handler(e, c):\n    return {1, 2}"}, "app.handler", "Runtime.MarshalError",
     "Unable to marshal response: Object of type set is not JSON serializable"),
])
def test_what_goes_wrong_is_told_in_lambdas_form(functions, runtime, files, handler, kind, message):
    functions.create("wrong", files, runtime, handler)
    answer, error, log = functions.call("wrong")
    assert error == "Unhandled" and answer["errorType"] == kind, (answer, log)
    assert answer["errorMessage"].startswith(message)
    assert ("trace" if runtime.startswith("node") else "stackTrace") in answer
    assert kind in log and "END RequestId" in log


SHELL = r"""#!/bin/sh
while :; do
    curl -sS -D "$TMPDIR/head" -o "$TMPDIR/event" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
    id=$(sed -n 's/^Lambda-Runtime-Aws-Request-Id: *\([^\r]*\).*/\1/p' "$TMPDIR/head")
    echo "seen $id"
    curl -sS -X POST -d "{\"handler\":\"$_HANDLER\",\"event\":$(cat "$TMPDIR/event")}" \
        "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" >/dev/null
done
"""


def test_a_bootstrap_of_ones_own_runs_and_nobody_else_may_speak_for_it(functions):
    functions.create("own", {"bootstrap": SHELL}, "provided.al2023", "any.thing")
    for n in range(3):
        answer, error, log = functions.call("own", {"n": n})
        assert (answer, error) == ({"handler": "any.thing", "event": {"n": n}}, None), log
        assert "\nseen " in log
    if os.geteuid() == 0:  # each process is a user of its own, and this test is another one
        for address in {a for a in listening() if a not in (functions.server.api, )}:
            with contextlib.suppress(OSError, http.client.HTTPException):
                plug = http.client.HTTPConnection("127.0.0.1", address, timeout=2)
                plug.request("GET", "/2018-06-01/runtime/invocation/next")
                assert not plug.getresponse().getheader("Lambda-Runtime-Aws-Request-Id")


def listening():
    """Ports of 127.0.0.1 that the server of this test listens on, its API excepted."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[1].startswith("0100007F")}


# --- functions that misbehave

HANG = "exports.handler = async (event) => { if (event.hang) for (;;); return 'well'; };"


def test_a_function_that_hangs_is_ended_in_its_time_and_starts_anew(functions):
    functions.node("hang", HANG, Timeout=1)
    began = time.monotonic()
    answer, error, log = functions.call("hang", {"hang": True})
    assert 1 <= time.monotonic() - began < 5 * SLOW
    assert error == "Unhandled" and answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in log and "Status: timeout" in log
    assert functions.call("hang")[0] == "well"


@pytest.mark.parametrize("body, message", [
    ("process.exit(3)", "Runtime exited with error: exit status 3"),
    ("process.exit(0)", "Runtime exited without providing a reason"),
    ("process.kill(process.pid, 'SIGKILL'); for (;;);", None),
])
def test_a_function_that_crashes_is_said_to_have_and_starts_anew(functions, body, message):
    functions.node("crash", "exports.handler = async (event) => { if (event.crash) { %s } return 'well'; };" % body, Timeout=2)
    assert functions.call("crash")[0] == "well"
    answer, error, _ = functions.call("crash", {"crash": True})
    assert error == "Unhandled"
    if message:
        assert answer["errorType"] == "Runtime.ExitError" and answer["errorMessage"].endswith(message)
    assert functions.call("crash")[0] == "well"


@pytest.mark.parametrize("runtime, files, handler", [
    ("nodejs20.x", {"index.js": "const kept = []; exports.handler = async (event) => {"
                                " for (; event.all;) kept.push(Buffer.alloc(1 << 20, 1)); return 'well'; };"}, "index.handler"),
    ("python3.11", {"app.py": "def handler(event, context):\n    kept = []\n    while event.get('all'):\n"
                              "        kept.append(bytearray(b'x' * (1 << 20)))\n    return 'well'"}, "app.handler"),
])
def test_a_function_that_allocates_without_end_is_ended(functions, runtime, files, handler):
    functions.create("greedy", files, runtime, handler, Timeout=20, MemorySize=128)
    answer, error, log = functions.call("greedy", {"all": True})
    assert error == "Unhandled" and answer["errorType"] == "Runtime.OutOfMemory", (answer, log)
    assert answer["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert functions.call("greedy")[0] == "well"


def processes(word):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def test_a_child_that_would_outlive_its_function_does_not(functions):
    mark = f"8{os.getpid()}.25"  # a sleep like no other
    functions.node("parent", f"""
        const {{ spawn }} = require('child_process');
        exports.handler = async (event) => {{
            spawn('/bin/sleep', ['{mark}'], {{ detached: event.detached, stdio: 'ignore' }}).on('error', () => {{}}).unref();
            await new Promise((done) => setTimeout(done, 100));
            if (event.hang) for (;;);
            return 'left';
        }};""", Timeout=1)
    assert functions.call("parent", {"hang": True})[1] == "Unhandled"
    assert eventually(lambda: not processes(mark))
    functions.call("parent", {"hang": True, "detached": True})
    assert eventually(lambda: not processes(mark))
    assert functions.call("parent", {})[0] == "left"
    assert processes(mark)  # with its process, which is kept warm
    functions.server.stop()
    assert eventually(lambda: not processes(mark))


@pytest.fixture
def functions_of_a_user(monkeypatch):
    """A server that nobody's rights were given to: no users, namespaces or cgroups to give away."""
    if os.geteuid() != 0:
        folder = tempfile.mkdtemp()
    else:
        folder = tempfile.mkdtemp(dir="/var/tmp")
        shutil.copy(BINARY, folder)
        shutil.copytree(ROOT / "share" / "lambda", pathlib.Path(folder) / "bootstraps")
        wrapper = pathlib.Path(folder) / "sesame-as-a-user"
        wrapper.write_text(f'#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups {folder}/sesame "$@"\n')
        wrapper.chmod(0o755)
        for path in (pathlib.Path(folder), *pathlib.Path(folder).rglob("*")):
            os.chown(path, 65534, 65534)
            path.chmod(0o755)
        monkeypatch.setattr(conftest, "BINARY", str(wrapper))
        monkeypatch.setenv("SESAME_FUNCTION_BOOTSTRAPS", folder + "/bootstraps")
    server = conftest.Server(folder, own_signing_key=True)  # the user could not read ours
    try:
        yield Functions(server.start())
    finally:
        server.discard()
        shutil.rmtree(folder)


def test_without_root_functions_are_bounded_all_the_same(functions_of_a_user):
    functions = functions_of_a_user
    mark = f"7{os.getpid()}.25"
    functions.node("greedy", "const kept = []; exports.handler = async (event) => {"
                             " for (; event.all;) { kept.push(Buffer.alloc(1 << 20, 1)); await 0; } return 'well'; };", Timeout=20)
    functions.node("parent", f"""
        const {{ spawn }} = require('child_process');
        exports.handler = async (event) => {{
            spawn('/bin/sh', ['-c', 'sleep {mark} & sleep {mark}'], {{ stdio: 'ignore' }}).unref();
            const away = spawn('/bin/sleep', ['{mark}'], {{ detached: true, stdio: 'ignore' }});
            await new Promise((done) => setTimeout(done, 100));
            for (;;);
        }};""", Timeout=1)
    functions.create("own", {"bootstrap": SHELL}, "provided.al2023", "x.y")
    assert functions.call("own", {"n": 1})[0] == {"handler": "x.y", "event": {"n": 1}}
    answer, error, log = functions.call("greedy", {"all": True})
    assert error == "Unhandled" and answer["errorType"] == "Runtime.OutOfMemory", (answer, log)
    assert functions.call("greedy")[0] == "well"
    assert functions.call("parent")[0]["errorType"] == "Sandbox.Timedout"
    assert eventually(lambda: not processes(mark))
    look_around(functions)


def test_a_function_sees_its_own_folder_and_little_else(functions):
    look_around(functions)


def look_around(functions):
    functions.python("curious", """
        import ctypes, os, socket
        def attempt(what):
            try:
                return what()
            except OSError as error:
                return type(error).__name__
        def handler(event, context):
            call = ctypes.CDLL(None, use_errno=True).syscall
            def refused(*numbers):
                return call(*numbers) == -1 and ctypes.get_errno()
            return {
                "data": attempt(lambda: os.listdir(event["data"])), "credentials": attempt(lambda: open(event["data"] + "/root-credentials").read()),
                "shadow": attempt(lambda: open("/etc/shadow").read()), "home": attempt(lambda: os.listdir("/root")),
                "code": attempt(lambda: open(os.environ["LAMBDA_TASK_ROOT"] + "/new", "w")),
                "bootstrap": attempt(lambda: open(os.environ["LAMBDA_RUNTIME_DIR"] + "/node.cjs", "a")),
                "scratch": attempt(lambda: open(os.environ["TMPDIR"] + "/x", "w").write("abc")),
                "ptrace": refused(101, 16, 1, 0, 0), "mount": refused(165, 0, 0, 0, 0, 0), "unshare": refused(272, 0x10000000),
                "bpf": refused(321, 0, 0, 0), "keyctl": refused(250, 0, 0), "io_uring": refused(425, 1, 0),
                "server": attempt(lambda: os.kill(event["pid"], 0)), "raw": attempt(lambda: socket.socket(38, 5, 0)),
                "uid": os.getuid(), "privileges": [l for l in open("/proc/self/status").read().split("\\n") if "NoNewPrivs" in l or "Seccomp:" in l],
            }
        """.replace("\n        ", "\n"))
    answer, error, _ = functions.call("curious", {"data": str(functions.server.data), "pid": functions.server.process.pid})
    assert error is None, answer
    for what in ("data", "credentials", "shadow", "home", "code", "bootstrap", "raw"):
        assert answer[what] in ("PermissionError", "FileNotFoundError"), (what, answer[what])
    assert answer["server"] in ("PermissionError", "ProcessLookupError")
    assert answer["scratch"] == 3
    for what in ("ptrace", "mount", "unshare", "bpf", "keyctl"):
        assert answer[what] == errno.EPERM, what
    assert answer["io_uring"] == errno.ENOSYS
    assert answer["privileges"] == ["NoNewPrivs:\t1", "Seccomp:\t2"]
    assert answer["uid"] != 0


# --- packages

def evil(name, link=None):
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as made:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (0o120777 if link else 0o100644) << 16
        made.writestr(info, link or "x")
        made.writestr("index.js", "exports.handler = async () => 1;")
    return octets.getvalue()


@pytest.mark.parametrize("octets", [b"no zip at all", evil("../out"), evil("/tmp/out"), evil("a/../../out"),
                                    evil("link", "/etc/passwd"), evil("a/link", "../../out")],
                         ids=["no zip", "up", "absolute", "up from inside", "link out", "link up"])
def test_a_package_that_is_none_or_leads_out_is_refused(functions, octets):
    answer = refused(lambda: functions.aws.create_function(
        FunctionName="bad", Runtime="nodejs20.x", Handler="index.handler", Role=functions.role, Code={"ZipFile": octets}),
        "InvalidParameterValueException")
    assert answer["Error"]["Message"].startswith("Could not unzip uploaded file.")
    assert functions.state() == {}


def test_a_package_may_hold_links_that_stay_inside(functions):
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as made:
        info = zipfile.ZipInfo("index.js")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        made.writestr(info, "lib/main.js")
        made.writestr("lib/main.js", "exports.handler = async () => 'through the link';")
    functions.aws.create_function(FunctionName="linked", Runtime="nodejs20.x", Handler="index.handler", Role=functions.role,
                                  Code={"ZipFile": octets.getvalue()})
    assert functions.call("linked")[0] == "through the link"


def test_code_comes_from_a_bucket_and_is_updated(functions):
    s3 = functions.server.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="one.zip", Body=package({"index.js": "exports.handler = async () => 1;"}))
    made = functions.aws.create_function(FunctionName="f", Runtime="nodejs20.x", Handler="index.handler", Role=functions.role,
                                         Code={"S3Bucket": "code", "S3Key": "one.zip"})
    assert functions.call("f")[0] == 1
    changed = functions.aws.update_function_code(FunctionName="f", ZipFile=package({"index.js": "exports.handler = async () => 2;"}))
    assert changed["CodeSha256"] != made["CodeSha256"] and changed["RevisionId"] != made["RevisionId"]
    assert functions.call("f")[0] == 2
    refused(lambda: functions.aws.update_function_code(FunctionName="f", S3Bucket="code", S3Key="nope.zip"),
            "InvalidParameterValueException")
    refused(lambda: functions.aws.update_function_code(FunctionName="f", ZipFile=b"x", RevisionId=made["RevisionId"]),
            "InvalidParameterValueException")
    refused(lambda: functions.aws.update_function_configuration(FunctionName="f", Timeout=9, RevisionId=made["RevisionId"]),
            "PreconditionFailedException")
    functions.aws.update_function_configuration(FunctionName="f", Timeout=9, Environment={"Variables": {"AB": "c"}})
    assert functions.state()["f"]["Timeout"] == 9
    kept = list((functions.server.data / "functions" / "code").glob("*.zip"))
    assert len(kept) == 1  # the first package is needed by nobody
    functions.server.restart()
    again = Functions.__new__(Functions)
    again.server, again.aws = functions.server, functions.server.client("lambda")
    assert again.call("f")[0] == 2
    again.aws.delete_function(FunctionName="f")
    refused(lambda: again.call("f"), "ResourceNotFoundException", f"Function not found: arn:aws:lambda:{REGION}:{ACCOUNT}:function:f")
    assert not list((functions.server.data / "functions" / "code").glob("*"))


@pytest.mark.parametrize("change, code", [
    ({"Runtime": "java21"}, "NotImplemented"),
    ({"Runtime": "cobol"}, "InvalidParameterValueException"),
    ({"PackageType": "Image"}, "NotImplemented"),
    ({"Layers": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l:1"]}, "NotImplemented"),
    ({"Timeout": 901}, "ValidationException"),
    ({"MemorySize": 64}, "ValidationException"),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException"),
    ({"Environment": {"Variables": {"A" * 10: "b" * 5000}}}, "InvalidParameterValueException"),
    ({"Role": "arn:aws:iam::111122223333:role/nope"}, "InvalidParameterValueException"),
    ({"Role": "arn:aws:iam::444455556666:role/fn"}, "AccessDeniedException"),
    ({"DeadLetterConfig": {"TargetArn": f"arn:aws:s3:::bucket"}}, "ValidationException"),
])
def test_what_lambda_would_not_make_is_not_made(functions, change, code):
    wish = {"FunctionName": "f", "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": functions.role,
            "Code": {"ZipFile": package({"index.js": ""})}, **change}
    lenient = functions.server.client("lambda", parameter_validation=False)
    refused(lambda: lenient.create_function(**wish), code)
    assert functions.state() == {}


# --- who may

def test_a_role_must_trust_lambda_and_be_passed_by_who_may(functions):
    server, iam = functions.server, functions.iam
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    wish = {"FunctionName": "f", "Runtime": "nodejs20.x", "Handler": "index.handler",
            "Code": {"ZipFile": package({"index.js": "exports.handler = async () => 1;"})}}
    refused(lambda: functions.aws.create_function(Role=other, **wish), "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.")
    functions.aws.create_function(Role=functions.role, **wish)
    assert functions.call("f")[0] == 1
    iam.update_assume_role_policy(RoleName="fn", PolicyDocument=json.dumps(trust))
    functions.aws.update_function_configuration(FunctionName="f", Timeout=4)  # a new process, which takes the role anew
    refused(lambda: functions.call("f"), "AccessDeniedException")

    iam.update_assume_role_policy(RoleName="fn", PolicyDocument=json.dumps(TRUST))
    maker = iam.create_role(RoleName="maker", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]

    def maker_may(*actions):
        iam.put_role_policy(RoleName="maker", PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}))
    maker_may("lambda:*")
    # Whoever a function is, it is so by its role's credentials.
    functions.aws.create_function(Role=maker, **{**wish, "FunctionName": "keys", "Code": {"ZipFile": package({
        "index.js": "exports.handler = async () => ['ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN'].map((n) => process.env['AWS_' + n]);"})}})
    client = server.client("lambda", **dict(zip(("key", "secret", "token"), functions.call("keys")[0])))
    answer = refused(lambda: client.create_function(Role=functions.role, **{**wish, "FunctionName": "g"}), "AccessDeniedException")
    assert "is not authorized to perform: iam:PassRole on resource: " + functions.role in answer["Error"]["Message"]
    maker_may("lambda:CreateFunction", "iam:PassRole")
    client.create_function(Role=functions.role, **{**wish, "FunctionName": "g"})
    answer = refused(lambda: client.invoke(FunctionName="g"), "AccessDeniedException")
    assert f"lambda:InvokeFunction on resource: arn:aws:lambda:{REGION}:{ACCOUNT}:function:g" in answer["Error"]["Message"]


def test_versions_and_aliases_each_have_their_own_policy(functions):
    aws, other = functions.aws, functions.server.client("lambda", account="444455556666")
    functions.node("f", "exports.handler = async (e, c) => process.env.AWS_LAMBDA_FUNCTION_VERSION + ' ' + c.invokedFunctionArn;")
    one = aws.publish_version(FunctionName="f", Description="first")
    assert one["Version"] == "1" and one["FunctionArn"].endswith(":function:f:1")
    assert aws.publish_version(FunctionName="f", Description="first")["Version"] == "1"  # nothing has changed
    functions.aws.update_function_code(FunctionName="f", ZipFile=package({"index.js": "exports.handler = async () => 'newer';"}))
    assert aws.publish_version(FunctionName="f")["Version"] == "2"
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    refused(lambda: aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1"), "ResourceConflictException")
    refused(lambda: aws.create_alias(FunctionName="f", Name="dead", FunctionVersion="9"), "ResourceNotFoundException")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    assert functions.call("f", Qualifier="live")[0] == f"1 {arn}:live"
    assert functions.call(f"{arn}:1")[0] == f"1 {arn}:1"
    assert functions.call("f")[0] == "newer"
    aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    assert functions.call("f", Qualifier="live")[0] == "newer"
    assert [a["Name"] for a in aws.list_aliases(FunctionName="f")["Aliases"]] == ["live"]
    assert [v["Version"] for v in aws.list_versions_by_function(FunctionName="f")["Versions"]] == ["$LATEST", "1", "2"]

    refused(lambda: other.invoke(FunctionName=arn), "AccessDeniedException")
    statement = json.loads(aws.add_permission(FunctionName="f", StatementId="other", Action="lambda:InvokeFunction",
                                              Principal="444455556666", Qualifier="live")["Statement"])
    assert statement == {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
                         "Action": "lambda:InvokeFunction", "Resource": arn + ":live"}
    assert json.loads(other.invoke(FunctionName=arn + ":live")["Payload"].read()) == "newer"
    refused(lambda: other.invoke(FunctionName=arn), "AccessDeniedException")
    refused(lambda: other.invoke(FunctionName=arn + ":2"), "AccessDeniedException")
    refused(lambda: aws.get_policy(FunctionName="f"), "ResourceNotFoundException")
    policy = json.loads(aws.get_policy(FunctionName="f", Qualifier="live")["Policy"])
    assert policy == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    refused(lambda: aws.add_permission(FunctionName="f", StatementId="other", Action="lambda:InvokeFunction",
                                       Principal="444455556666", Qualifier="live"), "ResourceConflictException")
    aws.remove_permission(FunctionName="f", StatementId="other", Qualifier="live")
    refused(lambda: other.invoke(FunctionName=arn + ":live"), "AccessDeniedException")
    refused(lambda: aws.remove_permission(FunctionName="f", StatementId="other", Qualifier="live"), "ResourceNotFoundException")
    refused(lambda: aws.delete_function(FunctionName="f", Qualifier="2"), "ResourceConflictException")
    aws.delete_alias(FunctionName="f", Name="live")
    aws.delete_function(FunctionName="f", Qualifier="2")
    assert [v["Version"] for v in aws.list_versions_by_function(FunctionName="f")["Versions"]] == ["$LATEST", "1"]


def test_lists_come_in_pages(functions):
    aws = functions.aws
    functions.node("f", "exports.handler = async () => 0;")
    for n in range(11):
        aws.update_function_configuration(FunctionName="f", Description=str(n))
        version = aws.publish_version(FunctionName="f")["Version"]
        aws.create_alias(FunctionName="f", Name=f"a{version}", FunctionVersion=version)
        aws.put_function_event_invoke_config(FunctionName="f", Qualifier=version, MaximumRetryAttempts=1)

    def listed(operation, member, of, size, **more):
        pages = aws.get_paginator(operation).paginate(FunctionName="f", PaginationConfig={"PageSize": size}, **more)
        got = [[of(item) for item in page[member]] for page in pages]
        assert all(len(page) == size for page in got[:-1]) and 0 < len(got[-1]) <= size, got
        return sum(got, [])
    numbers = [str(n) for n in range(1, 12)]
    assert listed("list_versions_by_function", "Versions", lambda v: v["Version"], 5) == ["$LATEST", *numbers]
    assert listed("list_aliases", "Aliases", lambda a: a["Name"], 4) == sorted("a" + n for n in numbers)
    assert listed("list_aliases", "Aliases", lambda a: a["Name"], 1, FunctionVersion="7") == ["a7"]
    qualifier = lambda c: c["FunctionArn"].rsplit(":", 1)[1]  # noqa: E731
    assert listed("list_function_event_invoke_configs", "FunctionEventInvokeConfigs", qualifier, 3) == sorted(numbers)
    first = aws.list_versions_by_function(FunctionName="f", MaxItems=3)
    aws.delete_alias(FunctionName="f", Name="a2")
    aws.delete_function(FunctionName="f", Qualifier="2")  # what the next page is to follow may be gone
    rest = aws.list_versions_by_function(FunctionName="f", Marker=first["NextMarker"])
    assert [v["Version"] for v in rest["Versions"]] == numbers[2:] and "NextMarker" not in rest


def test_concurrency_tags_and_asynchronous_settings(functions):
    aws = functions.aws
    made = functions.node("f", "exports.handler = async () => 1;", Tags={"team": "mail"})
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    refused(lambda: functions.call("f"), "TooManyRequestsException")
    assert aws.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    assert aws.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 0
    aws.delete_function_concurrency(FunctionName="f")
    assert functions.call("f")[0] == 1
    aws.tag_resource(Resource=made["FunctionArn"], Tags={"a": "b"})
    aws.untag_resource(Resource=made["FunctionArn"], TagKeys=["team"])
    assert aws.list_tags(Resource=made["FunctionArn"])["Tags"] == {"a": "b"} == aws.get_function(FunctionName="f")["Tags"]
    refused(lambda: aws.get_function_event_invoke_config(FunctionName="f"), "ResourceNotFoundException")
    aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    aws.update_function_event_invoke_config(FunctionName="f", MaximumEventAgeInSeconds=120)
    config = aws.get_function_event_invoke_config(FunctionName="f")
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (1, 120)
    assert config["FunctionArn"] == made["FunctionArn"] + ":$LATEST"
    aws.delete_function_event_invoke_config(FunctionName="f")
    assert aws.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"] == []


# --- calls

def test_dry_run_event_and_unfit_events(functions):
    s3 = functions.server.client("s3")
    s3.create_bucket(Bucket="seen")
    functions.node("f", "exports.handler = async (event) => { console.log('event', event.n); };")
    assert functions.aws.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
    done = functions.aws.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 41}')
    assert done["StatusCode"] == 202 and done["Payload"].read() == b""
    log = functions.server.data / "functions" / "logs" / f"{ACCOUNT}.{REGION}.f.0"
    assert eventually(lambda: log.exists() and "\tINFO\tevent 41" in log.read_text())
    assert log.read_text().count("START RequestId: " + done["ResponseMetadata"]["RequestId"]) == 1
    refused(lambda: functions.aws.invoke(FunctionName="f", Payload=b"{oops"), "InvalidRequestContentException")
    refused(lambda: functions.aws.invoke(FunctionName="f", Payload=b'"' + b"x" * (7 << 20) + b'"'), "RequestEntityTooLarge")
    large = b'"' + b"x" * (5 << 20) + b'"'
    functions.node("echo", "exports.handler = async (event) => event;")
    assert functions.aws.invoke(FunctionName="echo", Payload=large)["Payload"].read() == large
    functions.node("long", "exports.handler = async () => 'x'.repeat(7 << 20);")
    answer, error, _ = functions.call("long")
    assert error == "Unhandled" and answer["errorType"] == "Function.ResponseSizeTooLarge"


def test_what_a_function_printed_is_kept_in_bounds_and_shown(functions):
    functions.node("chatty", "exports.handler = async (event) => { for (let i = 0; i < event.lines; i++) console.log('line', i); };", Timeout=20)
    functions.call("chatty", {"lines": 2})

    def logs(*words):
        return subprocess.run([BINARY, "logs", "--data", str(functions.server.data), *words], capture_output=True, text=True,
                              timeout=60, check=False)
    shown = logs("chatty")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("START RequestId: ") and shown.stdout.count("\tINFO\tline ") == 2
    assert logs(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:chatty").stdout == shown.stdout
    assert logs("nobody").returncode == 1 and "has no function nobody" in logs("nobody").stderr
    assert logs().returncode == 2
    for _ in range(40):  # 5 MB
        functions.call("chatty", {"lines": 2000})
    files = sorted((functions.server.data / "functions" / "logs").iterdir())
    assert [f.name[-2:] for f in files] == [".0", ".1", ".2", ".3"]
    assert sum(f.stat().st_size for f in files) <= 4 << 20
    assert logs("chatty").stdout.rstrip().splitlines()[-1].startswith("REPORT RequestId: ")


@pytest.mark.turned_clock
def test_an_asynchronous_call_survives_a_crash_and_is_tried_three_times(functions):
    server = functions.server
    functions.node("f", "exports.handler = async (event) => { console.log('tried', event.n); throw new Error('always'); };")
    functions.aws.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 5}')
    log = server.data / "functions" / "logs" / f"{ACCOUNT}.{REGION}.f.0"

    def tried(times):
        return eventually(lambda: log.exists() and log.read_text().count("\tINFO\ttried 5") == times)
    assert tried(1) and eventually(lambda: server.get("/_sesame/health")["retrying"] == 1)
    server.kill()
    server.turn(70)
    assert tried(2)
    assert eventually(lambda: server.get("/_sesame/health")["retrying"] == 1)
    server.turn(200)
    assert tried(3)
    assert eventually(lambda: server.get("/_sesame/health")["dead"] == 1)
    ids = {line.split()[2] for line in log.read_text().splitlines() if line.startswith("START")}
    assert len(ids) == 1  # by which a function knows a repetition


def test_functions_that_call_the_api_do_not_wait_for_those_who_wait_for_them(make_server):
    functions = Functions(make_server("--api-workers", "1", "--function-processes", "4"))
    functions.server.client("s3").create_bucket(Bucket="mail")
    functions.server.client("s3").put_object(Bucket="mail", Key="k", Body=b"read")
    functions.iam.put_role_policy(RoleName="fn", PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::mail/*"}]}))
    functions.python("reader", "import boto3\ns3 = boto3.client('s3')\ndef handler(event, context):\n"
                               "    return s3.get_object(Bucket='mail', Key='k')['Body'].read().decode()", Timeout=20, MemorySize=512)
    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        clients = [functions.server.client("lambda") for _ in range(48)]
        calls = [pool.submit(lambda c=c: json.loads(c.invoke(FunctionName="reader")["Payload"].read())) for c in clients]
        assert [call.result() for call in calls] == ["read"] * 48


def test_a_given_up_call_goes_to_the_dead_letter_queue_if_the_role_may(functions):
    sqs = functions.server.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    functions.node("f", "exports.handler = async (event) => { throw new Error('always'); };", DeadLetterConfig={"TargetArn": queue})
    functions.aws.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    functions.aws.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 1}')
    assert eventually(lambda: functions.server.get("/_sesame/health")["dead"] == 1)  # the role may not send
    functions.iam.put_role_policy(RoleName="fn", PolicyName="dead", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}]}))
    done = functions.aws.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 2}')
    [message] = eventually(lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))
    assert json.loads(message["Body"]) == {"n": 2}
    said = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert said["RequestID"] == done["ResponseMetadata"]["RequestId"] and said["ErrorCode"] == "200" and said["ErrorMessage"]


def test_many_callers_share_few_processes_one_call_at_a_time_in_each(make_server):
    functions = Functions(make_server("--function-processes", "3"))
    functions.node("f", """
        let inside = 0;
        exports.handler = async () => {
            if (++inside > 1) throw new Error('two at a time');
            await new Promise((done) => setTimeout(done, 20));
            inside--;
            return process.env.AWS_LAMBDA_LOG_STREAM_NAME;
        };""")
    functions.node("g", "exports.handler = async () => 'g';")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        clients = [functions.server.client("lambda") for _ in range(12)]
        calls = [pool.submit(lambda c=c: [json.loads(c.invoke(FunctionName="f")["Payload"].read()) for _ in range(8)]) for c in clients]
        assert functions.call("g")[0] == "g"  # gets its turn between them
        streams = [s for call in calls for s in call.result()]
    assert len(streams) == 96 and all(s.startswith("[$LATEST]") for s in streams)
    assert 1 <= len(set(streams)) <= 6  # three places; g took one for a while


# --- by the tools and SDKs people have

def test_the_aws_cli_makes_permits_and_calls(functions, tmp_path):
    (tmp_path / "f.zip").write_bytes(package({"index.js": "exports.handler = async (event) => event.key;"}))
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}

    def aws(*words):
        done = aws_cli.aws("--endpoint-url", functions.server.api, "--output", "json", "lambda", *words, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")
    aws("create-function", "--function-name", "f", "--runtime", "nodejs20.x", "--handler", "index.handler", "--role", functions.role,
        "--zip-file", "fileb://f.zip")
    rule = f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/main:receipt-rule/r"
    made = aws("add-permission", "--function-name", "f", "--statement-id", "GiveSESPermissionToInvokeFunction",
               "--action", "lambda:InvokeFunction", "--principal", "ses.amazonaws.com", "--source-account", ACCOUNT, "--source-arn", rule)
    assert json.loads(made["Statement"]) == {
        "Sid": "GiveSESPermissionToInvokeFunction", "Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f",
        "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": rule}}}
    (tmp_path / "event.json").write_text('{"key": "value"}')
    done = aws("invoke", "--function-name", "f", "--payload", "fileb://event.json",
               "--log-type", "Tail", "out.json")
    assert done["StatusCode"] == 200 and (tmp_path / "out.json").read_text() == '"value"'
    assert base64.b64decode(done["LogResult"]).startswith(b"START RequestId: ")


def mail_in(functions, receiving_domain="example.com"):
    """A bucket with mail, a rule that stores and then calls `filter`, and a role that may read."""
    receiving = Receiving(functions.server, domain=receiving_domain)
    receiving.bucket("mail", bucket_policy("mail", receiving.arn("store")))
    functions.iam.put_role_policy(RoleName="fn", PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::mail/*"}]}))
    functions.aws.add_permission(FunctionName="filter", StatementId="ses", Action="lambda:InvokeFunction", Principal="ses.amazonaws.com",
                                 SourceAccount=ACCOUNT, SourceArn=receiving.arn("store"))
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:filter"
    receiving.rule("store", s3_action("mail", "in/"), {"LambdaAction": {"FunctionArn": arn, "InvocationType": "RequestResponse"}},
                   s3_action("mail", "after/"))
    return receiving


def check_filtering(functions):
    receiving = mail_in(functions)
    wanted = functions.server.send(b"Subject: hello\r\n\r\nfine words\r\n")
    unwanted = functions.server.send(b"Subject: offer\r\n\r\nBUY NOW\r\n")
    functions.server.settled(wanted, ["delivered"])
    functions.server.settled(unwanted, ["delivered"])
    keys = receiving.keys()
    assert f"in/{wanted}" in keys and f"after/{wanted}" in keys
    assert f"in/{unwanted}" in keys and f"after/{unwanted}" not in keys  # STOP_RULE


NODE_FILTER = """
const { S3Client, GetObjectCommand } = require('@aws-sdk/client-s3');
const s3 = new S3Client({});
exports.handler = async (event) => {
    const mail = event.Records[0].ses;
    const object = await s3.send(new GetObjectCommand({ Bucket: 'mail', Key: `in/${mail.mail.messageId}` }));
    const text = await object.Body.transformToString();
    return { disposition: text.includes('BUY NOW') ? 'STOP_RULE' : 'CONTINUE' };
};
"""
PYTHON_FILTER = """
import boto3
s3 = boto3.client("s3")

def handler(event, context):
    mail = event["Records"][0]["ses"]
    text = s3.get_object(Bucket="mail", Key="in/" + mail["mail"]["messageId"])["Body"].read().decode()
    return {"disposition": "STOP_RULE" if "BUY NOW" in text else "CONTINUE"}
"""


def test_a_python_function_as_deployed_for_ses_filters_mail(functions):
    functions.python("filter", PYTHON_FILTER, Timeout=20, MemorySize=512)
    check_filtering(functions)


def test_a_node_function_as_deployed_for_ses_filters_mail(functions, node):
    assert node
    modules = {str(path.relative_to(PLACE)): path.read_bytes() for path in (PLACE / "node_modules").rglob("*")
               if path.is_file() and path.suffix in (".js", ".cjs", ".mjs", ".json") and "dist-es" not in path.parts
               and "client-ses" not in path.parts and "client-iam" not in path.parts and path.parts[-3:-1] != ("node", "bin")}
    functions.create("filter", {"index.js": NODE_FILTER, **modules}, Timeout=20, MemorySize=512)
    check_filtering(functions)


def test_an_sdk_too_old_for_the_endpoint_variable_is_told_by_the_bootstrap(make_server):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        place = pathlib.Path(folder) / "modules" / "aws-sdk"
        (place / "clients").mkdir(parents=True)
        (place / "index.js").write_text("module.exports = require('./global');")
        (place / "global.js").write_text("exports.config = { said: [], update(options) { this.said.push(options); } };")
        (place / "clients" / "s3.js").write_text("module.exports = { global: require('../global') };")
        for path in (pathlib.Path(folder), *pathlib.Path(folder).rglob("*")):
            path.chmod(0o755)
        functions = Functions(make_server("--function-modules", str(place.parent)))
        for name in ("aws-sdk", "aws-sdk/clients/s3"):
            functions.node("f" + str(len(name)), f"const sdk = require('{name}'); exports.handler = async () => (sdk.global || sdk).config.said;")
            assert functions.call("f" + str(len(name)))[0] == [{"endpoint": functions.server.api, "s3ForcePathStyle": True}]
