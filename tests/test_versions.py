"""What a newer Sesame has written is refused in one sentence and left as it is; what this one wrote is read."""
import sqlite3
import subprocess

import pytest

from conftest import BINARY, Receiving

MAIL = b"Subject: x\r\n\r\nbody\r\n"


def newer_database(path):
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    database.close()


def newer_spool(path):
    path.write_text(path.read_text().replace("sesame spool 1", "sesame spool 2"))


WRITTEN = {"state.sqlite": newer_database, "queues.sqlite": newer_database, "objects/index.sqlite": newer_database,
           "spool/format": newer_spool}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_newer_format_is_refused_in_one_sentence(make_server, name):
    server = make_server()
    Receiving(server).store()
    message = server.send(MAIL)
    server.settled(message, ["delivered"])
    server.restart()  # written and read by the same one
    assert server.timeline(message)["state"] == "delivered"
    server.stop()
    path = server.data / name
    WRITTEN[name](path)
    as_it_was = path.read_bytes()
    done = subprocess.run([BINARY, "serve", "--data", str(server.data), "--smtp", "127.0.0.1:0", "--api", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 1 and done.stdout == "" and len(said) == 1, (done.returncode, done.stderr)
    assert "newer" in said[0] and str(server.data / name.split("/")[0]) in said[0], said
    assert path.read_bytes() == as_it_was
