"""Who may open a data directory: one server at a time, and none that is older than what wrote it."""
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


def refused_start(data):
    """The one sentence a start says that cannot be."""
    done = subprocess.run([BINARY, "serve", "--data", str(data), "--smtp", "127.0.0.1:0", "--api", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 1 and done.stdout == "" and len(said) == 1, (done.returncode, done.stderr)
    return said[0]


def test_a_second_server_is_refused_and_the_first_goes_on(make_server):
    server = make_server()
    Receiving(server).store()
    assert refused_start(server.data) == f"sesame: the data directory {server.data} is in use by another sesame"
    server.settled(server.send(MAIL), ["delivered"])
    server.stop()
    server.start()  # its lock ended with it


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
    said = refused_start(server.data)
    assert "newer" in said and str(server.data / name.split("/")[0]) in said, said
    assert path.read_bytes() == as_it_was
