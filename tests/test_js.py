"""The JavaScript SDK from npm, the newest client there is: the one that knows IamRoleArn by itself."""
import base64
import fcntl
import io
import json
import os
import pathlib
import shutil
import subprocess
import zipfile

import pytest

from conftest import KEY, ROOT, SECRET

HERE = pathlib.Path(__file__).resolve().parent / "js"
PLACE = ROOT / "build-js"


def install(here=HERE, place=PLACE):
    """The lock file's packages beside the builds; one of several workers at a time."""
    with open(ROOT / "build-js.lock", "w", encoding="ascii") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        lock = (here / "package-lock.json").read_bytes()
        stamp = place / "installed"
        if not stamp.exists() or stamp.read_bytes() != lock:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(here / name, place)
            done = subprocess.run(["npm", "ci"], cwd=place, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.write_bytes(lock)
        for script in here.glob("*.mjs"):  # in one step: a node of another worker may be about to read it
            shutil.copy(script, place / f"{script.name}.new")
            os.replace(place / f"{script.name}.new", place / script.name)


@pytest.fixture(scope="module")
def node():
    """Installs the packages; answers a Node new enough for them (20)."""
    install()
    for found in (shutil.which("node"), str(PLACE / "node_modules" / "node" / "bin" / "node")):
        if found and os.path.exists(found):
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            if int(version.lstrip("v").split(".")[0] or 0) >= 20:
                return found
    raise AssertionError("no Node 20 on the machine or among the packages")


def test_the_newest_client_receives_through_a_role(server, node):
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def run(*arguments):
        done = subprocess.run([node, str(PLACE / "receive.mjs"), server.api, *arguments], env=env, capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    made = run("set-up")
    assert made["rule"]["Actions"][0]["S3Action"]["IamRoleArn"] == "arn:aws:iam::111122223333:role/js-mailer"
    assert made["own"] == "put by the client" and made["metadata"] == {"a": "b"}
    message = server.send(b"Subject: js\r\n\r\nbody\r\n", to="user@js.example")
    server.settled(message, ["delivered"])
    read = run("read", f"in/{message}")
    assert f"in/{message}" in read["keys"] and read["text"].endswith("Subject: js\r\n\r\nbody\r\n")


def test_the_newest_clients_of_the_other_services(server, node):
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as made:
        made.writestr("index.js", "exports.handler = async (event) => event;")
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    done = subprocess.run([node, str(PLACE / "services.mjs"), server.api, base64.b64encode(octets.getvalue()).decode()], env=env,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout == "well\n", done.stderr
