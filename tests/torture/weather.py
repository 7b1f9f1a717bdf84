"""A server in hard weather: src/testing/weather.h as Python sees it."""
import ctypes
import json
import mmap
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import time

import conftest

CALLS = ("open", "create", "read", "write", "sync", "sync directory", "sync all", "rename", "unlink", "make directory",
         "remove directory", "truncate", "allocate", "punch", "accept", "memory")
DISK = CALLS[:-2]
PLACES = ("log", "bodies", "history", "dead", "spool", "index", "objects", "state", "queues", "functions", "other", "none")
MODES = ("calm", "kill before", "kill half", "kill after", "fail once", "fail on", "fail half")
LIBRARY = pathlib.Path(os.environ.get("WEATHER", pathlib.Path(conftest.BINARY).parent / "src" / "testing" / "weather.so"))
PATIENCE = 60.0  # for a start, and for an end


class Control(ctypes.Structure):
    _fields_ = [("mode", ctypes.c_uint32), ("error", ctypes.c_uint32), ("calls", ctypes.c_uint64), ("places", ctypes.c_uint64),
                ("countdown", ctypes.c_int64), ("wall_offset_ns", ctypes.c_int64), ("struck", ctypes.c_uint64),
                ("last_call", ctypes.c_uint32), ("last_place", ctypes.c_uint32), ("recorded", ctypes.c_uint64),
                ("counts", ctypes.c_uint64 * len(PLACES) * len(CALLS))]


def bits(names, chosen):
    return sum(1 << names.index(name) for name in chosen)


class Failed(Exception):
    """What must hold does not."""


class StartFailed(Failed):
    def __init__(self, code, said):
        super().__init__(f"exit {code}: {said}")
        self.code, self.said = code, said


def free_port():
    """Below those that the system gives out, so that it is free again after each start."""
    while True:
        port = random.randrange(12000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class StormyServer(conftest.Server):
    """A server under the preloaded library; its API keeps its port from start to start."""

    def __init__(self, folder, *flags, record=None):
        super().__init__(folder, *flags)
        self.folder = pathlib.Path(folder).resolve()
        self.data = self.folder / "data"
        self.port_of_api, self.record, self.ready, self.lives = free_port(), record, None, []
        control = self.folder / "weather"
        control.write_bytes(bytes(ctypes.sizeof(Control)))
        with open(control, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), ctypes.sizeof(Control))
        self.weather = Control.from_buffer(self.memory)
        if not LIBRARY.is_file():  # the loader would only warn, and nothing would ever fail
            raise FileNotFoundError(f"{LIBRARY} is not built")
        self.env = {"LD_PRELOAD": str(LIBRARY), "WEATHER_CONTROL": str(control), "WEATHER_ROOT": str(self.data)}
        if record:
            self.env["WEATHER_LOG"] = str(record)

    def arm(self, mode, countdown=1, calls=DISK, places=PLACES, error=0):
        """The n-th call that is meant from now on."""
        self.weather.mode = 0
        self.weather.calls, self.weather.places = bits(CALLS, calls), bits(PLACES, places)
        self.weather.countdown, self.weather.error, self.weather.struck = countdown, error, 0
        self.weather.mode = MODES.index(mode)

    def calm(self):
        """Whether it struck, and what it struck last."""
        self.weather.mode = 0
        struck = self.weather.struck
        return (CALLS[self.weather.last_call], PLACES[self.weather.last_place]) if struck else None

    def counts(self):
        return {(call, place): self.weather.counts[c][p] for c, call in enumerate(CALLS) for p, place in enumerate(PLACES)
                if self.weather.counts[c][p]}

    def launch(self):
        """Starts the process and waits for nothing."""
        command = [conftest.BINARY, "serve", "--data", str(self.data), "--smtp", "127.0.0.1:0",
                   "--api", f"127.0.0.1:{self.port_of_api}", *self.flags]
        env = {**os.environ, "SESAME_ROOT_ACCESS_KEY_ID": conftest.KEY, "SESAME_ROOT_SECRET_ACCESS_KEY": conftest.SECRET, **self.env}
        self.stderr_from = self.stderr_path.stat().st_size if self.stderr_path.exists() else 0
        self.stderr = open(self.stderr_path, "ab")
        self.lives.append(time.time())
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr, env=env)

    def start(self, *_):
        """Ready; StartFailed when it ended instead, Failed when it did neither."""
        self.launch()
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if readable else None
        if line is None:
            self.stop(signal.SIGABRT, None)
            raise Failed(f"neither ready nor ended after {PATIENCE:.0f} s: {self.said()}")
        if not line:
            code = self.process.wait(PATIENCE)
            self.process.stdout.close()
            self.stderr.close()
            self.process = None
            raise StartFailed(code, self.said())
        self.ready = json.loads(line)
        self.addresses = [a.rsplit(":", 1) for a in self.ready["smtp"]]
        self.host, self.port, self.api = self.addresses[0][0], int(self.addresses[0][1]), self.ready["api"]
        return self

    def said(self, most=3000):
        """What this life wrote to standard error."""
        with open(self.stderr_path, "rb") as file:
            file.seek(self.stderr_from)
            return file.read().decode(errors="replace")[-most:]

    def gone(self, seconds):
        """Whether the process ends by itself in this time."""
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        """SIGTERM; the exit code. It must drain and end."""
        self.process.send_signal(signal.SIGTERM)
        if not self.gone(PATIENCE):
            self.stop(signal.SIGABRT, None)
            raise Failed(f"does not end within {PATIENCE:.0f} s of SIGTERM: {self.said()}")
        return self.stop(0, None)

    def stop(self, how=signal.SIGTERM, expect=None):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.stderr.close()
        self.process = None
        return code

    def revive(self):
        """In calm weather, whatever became of it: one failure shall not look like many."""
        self.calm()
        self.weather.wall_offset_ns = 0
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()

    def close(self):
        self.stop(signal.SIGKILL)

    def health(self):
        """The page, whatever its status says."""
        import urllib.error
        import urllib.request
        try:
            with urllib.request.urlopen(self.api + "/_sesame/health", timeout=20) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())


def until(probe, seconds, every=0.02):
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every)
