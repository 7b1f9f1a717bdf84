"""The AWS CLI without its half second of imports at each command: a process that has them already forks for each. What runs
in the child is what /usr/bin/aws runs; tests of the README's own lines and of the demo start that itself."""
import atexit
import json
import os
import subprocess
import sys
import tempfile

SERVE = """
import json, os, sys
import awscli.clidriver, awscli.handlers, botocore.parsers, botocore.serialize
models = os.environ["AWS_DATA_PATH"]  # where the import found its own
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 255
        try:
            os.chdir(asked["cwd"])
            os.environ.clear()
            os.environ.update(asked["env"], AWS_DATA_PATH=os.pathsep.join(filter(None, (asked["env"].get("AWS_DATA_PATH"), models))))
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(asked[name], os.O_WRONLY), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["aws", *asked["arguments"]]
            code = awscli.clidriver.main()
            sys.stdout.flush(), sys.stderr.flush()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
            sys.stdout.flush(), sys.stderr.flush()
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
process = None


def end():
    process.stdin.close()
    process.wait(10)


def aws(*arguments, env, cwd=None):
    """As subprocess.run(["aws", *arguments], capture_output=True, text=True) would answer."""
    global process
    if process is None:
        process = subprocess.Popen([sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env={name: value for name, value in os.environ.items() if name != "AWS_DATA_PATH"})
        atexit.register(end)
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        process.stdin.write(json.dumps({"arguments": arguments, "env": dict(env), "cwd": str(cwd or os.getcwd()),
                                        "out": out.name, "err": err.name}) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(["aws", *arguments], code, out.read().decode(), err.read().decode())
