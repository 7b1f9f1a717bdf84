"""What the serving process has given up: tried from inside it, as one who has taken it over would."""
import errno
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import ROOT, Receiving, Server, eventually

MAIL = b"Subject: x\r\n\r\nbody\r\n"
EPERM, ENOSYS, EACCES = errno.EPERM, errno.ENOSYS, errno.EACCES
FORBIDDEN = {"fork": EPERM, "vfork by clone": EPERM, "execve": EPERM, "ptrace": EPERM, "mount": EPERM, "unshare": EPERM,
             "setuid": EPERM, "capset": EPERM, "bpf": EPERM, "io_uring": ENOSYS, "packet socket": EPERM, "raw socket": EPERM,
             "bluetooth socket": EPERM, "make outside": EACCES, "write outside": EACCES, "remove outside": EACCES,
             "mkdir outside": EACCES}
ALLOWED = {"tcp socket": 0, "make inside": 0}

pytestmark = pytest.mark.own_memory  # a sanitizer wants to be loaded first, and forks at its end


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("shim") / "forbidden.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(path), str(ROOT / "tests" / "forbidden.c")], check=True)
    return path


def noted(server):
    [event] = [line for line in server.log() if line.get("event") == "privileges"]
    return event


def attempts(server):
    os.kill(server.process.pid, signal.SIGRTMIN + 3)
    says = pathlib.Path(server.env["FORBIDDEN_SAYS"])
    assert eventually(lambda: says.read_text().endswith("end 0\n")), says.read_text()
    return {what: int(code) for what, code in (line.rsplit(" ", 1) for line in says.read_text().splitlines()[:-1])}


def with_shim(make_server, shim, folder, *flags):
    (folder / "kept").touch()
    return make_server(*flags, env={"LD_PRELOAD": str(shim), "FORBIDDEN_SAYS": str(folder / "says"), "FORBIDDEN_KEPT": str(folder / "kept"),
                                    "FORBIDDEN_OUTSIDE": str(folder / "outside"), "FORBIDDEN_INSIDE": str(folder / "server0/data/inside")})


def test_the_server_cannot_do_what_it_does_not_need(make_server, shim, tmp_path):
    server = with_shim(make_server, shim, tmp_path)
    event = noted(server)
    assert (event["files"], event["calls"]) == ("held", "held"), event
    found = attempts(server)
    assert {what: found[what] for what in FORBIDDEN} == FORBIDDEN
    assert {what: found[what] for what in ALLOWED} == ALLOWED
    Receiving(server).store()
    server.settled(server.send(MAIL), ["delivered"])  # and goes on as if nothing had been


def test_it_holds_for_every_thread(make_server):
    server = make_server()
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", status["Name"]


def capabilities(pid):
    """Of every thread: its sets, as numbers."""
    found = set()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        found.add(tuple(int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")))
    return found


DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, NET_BIND_SERVICE, CHOWN, SETGID, SETUID = (1 << n for n in (1, 2, 3, 10, 0, 6, 7))


@pytest.mark.as_root
def test_of_roots_capabilities_it_keeps_those_for_files_and_ports(make_server):
    server = make_server()
    kept = DAC_OVERRIDE | DAC_READ_SEARCH | FOWNER | NET_BIND_SERVICE
    assert capabilities(server.process.pid) == {(0, kept, kept, kept, 0)}
    assert noted(server)["capabilities"] == "dac_override dac_read_search fowner net_bind_service"
    Receiving(server).store()
    server.settled(server.send(MAIL), ["delivered"])


def runner_of(server):
    """The process that starts functions."""
    pids = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    [runner] = [pid for pid in pids if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "sesame-runner"]
    return runner


@pytest.mark.as_root
def test_the_parent_of_functions_keeps_what_starting_one_takes(make_server):
    server = make_server()
    KILL, SYS_ADMIN = 1 << 5, 1 << 21
    kept = DAC_OVERRIDE | DAC_READ_SEARCH | FOWNER | CHOWN | SETGID | SETUID | KILL | SYS_ADMIN
    assert capabilities(runner_of(server)) == {(0, kept, kept, kept, 0)}


def test_the_parent_of_functions_has_a_filter_too(make_server):
    status = pathlib.Path(f"/proc/{runner_of(make_server())}/status").read_text()
    assert "\nSeccomp:\t2\n" in status and "\nNoNewPrivs:\t1\n" in status


@pytest.mark.as_root
def test_with_a_user_it_keeps_none_and_can_get_none():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-user-"))  # pytest's own folders are closed to others
    folder.chmod(0o755)
    server = Server(folder, "--user", "nobody").start()
    try:
        bound = DAC_OVERRIDE | DAC_READ_SEARCH | FOWNER | NET_BIND_SERVICE | CHOWN | SETGID | SETUID
        assert capabilities(server.process.pid) == {(0, 0, 0, bound, 0)}
        assert noted(server)["capabilities"] == ""
    finally:
        server.discard()
        shutil.rmtree(folder, ignore_errors=True)


def test_with_allow_reset_it_says_that_nothing_was_given_up(make_server):
    event = noted(make_server("--allow-reset"))
    assert (event["files"], event["calls"]) == ("free", "free") and "--allow-reset" in event["says"]
