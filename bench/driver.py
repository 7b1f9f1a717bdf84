#!/usr/bin/env python3
"""Run SMTP servers one after another under the same load and compare them.

  script/bench accept                 the usual table
  script/bench peers --peers postfix:hold,sesame:accept --base postfix:hold --runs 3 --secs 1

A peer is NAME:MODE (peers/NAME.sh, MODE in its environment). Runs are interleaved
(peer A, B, C, then A, B, C again) so that drift of the machine hits all alike.
"""
import argparse, json, os, signal, socket, statistics as st, subprocess, sys, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TMP, BIN = Path(os.environ["BENCH_TMP"]), Path(os.environ["BENCH_BIN"])
K, M = 1024, 1024 * 1024
# name: (size, sessions, messages per connection (0 = many), starttls)
CELLS = {}
for size, label in ((K, "1K"), (10 * K, "10K"), (100 * K, "100K")):
    for c in (1, 20, 200):
        CELLS[f"{label} c{c} many"] = (size, c, 0, False)
        if not (label == "100K" and c != 20):
            CELLS[f"{label} c{c} one"] = (size, c, 1, False)
CELLS["10M c1 many"] = (10 * M, 1, 0, False)
CELLS["10M c20 many"] = (10 * M, 20, 0, False)
CELLS["1K c20 one tls"] = (K, 20, 1, True)
CELLS["10K c20 many tls"] = (10 * K, 20, 0, True)
CELLS["10K c200 one tls"] = (10 * K, 200, 1, True)
CELLS["100K c20 many tls"] = (100 * K, 20, 0, True)
CELLS["10M c1 many tls"] = (10 * M, 1, 0, True)
PIPELINE = True
WARM = 2.0   # seconds of load before the first cell
QUIET, LOOK, BUSY = 0.2, 0.02, 0.05  # seconds, seconds, of one core
SRCS = 1    # source addresses of the load
CLIENT = {}    # extra arguments of the load generator for a peer
NO_TLS = {"smtp-sink", "gcsink"}


class Group:
    """A cgroup (v2, or v1 cpuacct) that counts CPU and lists processes."""
    def __init__(self, name):
        self.dir = None
        for root, stat in (("/sys/fs/cgroup", "cpu.stat"), ("/sys/fs/cgroup/cpuacct", "cpuacct.usage"),
                           ("/sys/fs/cgroup/unified", "cpu.stat")):
            d = Path(root) / f"{name}-{os.getpid()}"
            try:
                d.mkdir()
                if (d / stat).exists():
                    self.dir, self.stat = d, stat
                    return
                d.rmdir()
            except OSError:
                pass
        sys.exit("no cgroup to count CPU with")

    def join(self):
        (self.dir / "cgroup.procs").write_text(str(os.getpid()))

    def cpu(self):
        t = (self.dir / self.stat).read_text()
        if self.stat == "cpuacct.usage":
            return int(t) / 1e9
        return int(t.split()[1]) / 1e6

    def pids(self):
        return [int(x) for x in (self.dir / "cgroup.procs").read_text().split()]

    def memory(self):
        pss = n = 0
        for p in self.pids():
            try:
                for line in open(f"/proc/{p}/smaps_rollup"):
                    if line.startswith("Pss:"):
                        pss += int(line.split()[1])
                n += 1
            except OSError:
                pass
        return pss * 1024, n

    def remove(self):
        for _ in range(50):
            try:
                self.dir.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Server:
    def __init__(self, spec, port, env=None):
        self.spec, self.port = spec, port
        self.name, _, self.mode = spec.partition(":")
        # What is deleted here would slow the next peer down: ext4 steps over each inode that was freed in the last minutes.
        # So folders stay until the end, and each lies in a block group of its own, which goes by its name.
        subprocess.run(["chattr", "+T", str(TMP)], stderr=subprocess.DEVNULL, check=False)
        self.d = TMP / f"{self.name}-{self.mode}-{port}-{os.getpid()}"
        self.d.mkdir()
        self.group = Group(f"smtpbench-{port}")
        e = dict(os.environ, D=str(self.d), PORT=str(port), MODE=self.mode, **(env or {}))
        self.log = open(self.d / "stdout.log", "wb")
        # A private resolv.conf: look-ups fail at once instead of leaving the machine.
        (TMP / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        private = ["unshare", "-m", "--propagation", "private", "bash", "-c",
                   'mount --bind "$BENCH_TMP/resolv.conf" /etc/resolv.conf; exec $PREFIX "$0"']
        self.proc = subprocess.Popen(private + [str(HERE / "peers" / f"{self.name}.sh")], env=e, stdin=subprocess.DEVNULL,
                                     stdout=self.log, stderr=self.log, preexec_fn=self.group.join,
                                     start_new_session=True)
        for _ in range(150):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                    if s.recv(3) == b"220":
                        s.sendall(b"QUIT\r\n")
                        s.recv(512)
                        self.await_set_up()
                        time.sleep(1.5)
                        return
            except OSError:
                time.sleep(0.1)
        print((self.d / "stdout.log").read_text(errors="replace")[-2000:], file=sys.stderr)
        self.stop()
        raise RuntimeError(f"{spec} did not start")

    def await_set_up(self):
        """A peer with a NAME_setup.py says by a file that it is ready for mail."""
        if not (HERE / "peers" / f"{self.name}_setup.py").exists():
            return
        for _ in range(200):
            if (self.d / "set-up").exists():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.spec} was not set up: " +
                           (self.d / "stdout.log").read_text(errors="replace")[-2000:])

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(5)
        except subprocess.TimeoutExpired:
            pass
        for _ in range(20):
            left = self.group.pids()
            if not left:
                break
            for p in left:
                try:
                    os.kill(p, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.1)
        self.proc.wait()
        self.group.remove()
        os.sync()

    def settle(self, limit):
        """Wait until the server is quiet again (deliveries done); seconds until it was."""
        began = last = time.time()
        cpu = self.group.cpu()
        while last - began < limit and time.time() - last < QUIET:
            time.sleep(LOOK)
            now, before = self.group.cpu(), cpu
            cpu = now
            if now - before > BUSY * LOOK:
                last = time.time()
        return last - began


def load(port, size, c, per, tls, secs, extra=()):
    a = [str(BIN / "smtpload"), "-P", str(port), "-c", str(c), "-s", str(size), "-m", str(per), "-n", "100000000",
         "-d", str(secs), "-b", str(SRCS), "-g", "5"] + (["-p"] if PIPELINE else []) + (["-t"] if tls else []) + list(extra)
    if tls and per == 1:    # with one thread for all its handshakes the client would be measured too
        a += ["-j", "2"]
    r = subprocess.run(a, capture_output=True, text=True)
    try:
        return json.loads(r.stdout)
    except ValueError:
        return {"ok": 0, "msg_s": 0, "mb_s": 0, "seconds": 0, "note": r.stderr[-300:]}


def bench(spec, port, cells, secs, settle):
    out = {}
    s = Server(spec, port)
    try:
        extra = CLIENT.get(s.name, ())
        load(port, 10 * K, 200, 0, False, WARM, extra)    # process pools fill, code gets compiled
        s.settle(settle)
        for name, (size, c, per, tls) in cells.items():
            if tls and s.name in NO_TLS:
                continue
            a = s.group.cpu()
            r = load(port, size, c, per, tls, secs, extra)
            r["drain_s"] = round(s.settle(settle), 2)
            r["cpu_s"] = round(s.group.cpu() - a, 4)
            if r["ok"]:
                r["cpu_s_per_1000"] = round(r["cpu_s"] * 1000 / r["ok"], 4)
                r["empty_s"] = round(r["ok"] / (r["seconds"] + r["drain_s"]), 1)
            out[name] = r
    finally:
        s.stop()
    return out


def idle(spec, port, counts):
    out = {}
    for n in counts:
        s = Server(spec, port, {"MAXPROC": str(n + 50)})
        try:
            load(port, K, 1, 0, False, 0.3)
            s.settle(3)
            base, procs0 = s.group.memory()
            k0 = kernel_tcp()
            p = subprocess.Popen([str(BIN / "smtpload"), "-I", "-P", str(port), "-c", str(n), "-d", "100",
                                  "-e", "200", *CLIENT.get(s.name, ())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            t = time.time()
            line = p.stdout.readline().split()
            ramp = time.time() - t
            time.sleep(1)
            full, procs = s.group.memory()
            k1 = kernel_tcp()
            p.stdin.close()
            p.wait()
            got = int(line[1]) if len(line) > 1 else 0
            out[str(n)] = {"held": got, "errors": int(line[3]) if len(line) > 3 else -1, "ramp_s": round(ramp, 2),
                           "idle_bytes": base, "full_bytes": full, "procs_idle": procs0, "procs_full": procs,
                           "bytes_per_conn": round((full - base) / got) if got else None,
                           "kernel_slab_per_conn_both_ends": round((k1 - k0) / got) if got else None}
        finally:
            s.stop()
        print(spec, n, out[str(n)], flush=True)
    return out


def trace(spec, port, n=5):
    """Is there a sync between 354 and the final 250? Watched with strace."""
    global PIPELINE
    PIPELINE = False    # one reply per write, so that 354 and 250 can be told apart
    f = TMP / f"trace-{port}"
    s = Server(spec, port, {"PREFIX": f"strace -f -qq -s 40 -o {f} -e trace=fsync,fdatasync,write,writev,sendto,sendmsg"})
    try:
        time.sleep(1)
        mark = f.stat().st_size
        r = load(port, 10 * K, 1, 0, False, 10, ["-n", str(n)])
        time.sleep(0.5)
        with open(f, errors="replace") as h:
            h.seek(mark)
            lines = h.read().splitlines()
    finally:
        s.stop()
    per, cur, total = [], None, 0
    for line in lines:
        done = "= 0" in line
        if ("fsync(" in line or "fdatasync(" in line or "fsync resumed" in line or "fdatasync resumed" in line) and done:
            total += 1
            if cur is not None:
                cur += 1
        elif '"354' in line:
            cur = 0
        elif '"250' in line and cur is not None:
            per.append(cur)
            cur = None
    out = {"messages": r["ok"], "syncs_between_354_and_250": per, "syncs_in_all": total}
    print(spec, out, flush=True)
    return out


def kernel_tcp():
    for line in open("/proc/meminfo"):
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024


def table(runs, base):
    """runs: {peer: [ {cell: result} ]} -> text"""
    med = {}
    for p, rs in runs.items():
        for r in rs:
            for c, v in r.items():
                med.setdefault(c, {}).setdefault(p, []).append(v)
    for c, by in med.items():
        print(f"\n== {c}")
        ref = st.median(x["msg_s"] for x in by[base]) if base in by else 0
        ref_empty = st.median(x.get("empty_s", 0) for x in by[base]) if base in by else 0
        for p, v in by.items():
            g = lambda k: [x.get(k, 0) or 0 for x in v]
            m = g("msg_s")
            err = sum(sum(x.get(k, 0) for k in ("err_connect", "err_io", "err_4xx", "err_5xx", "unfinished")) for x in v)
            print(f"{p:22s} {st.median(m):9.1f} msg/s [{min(m):.1f}-{max(m):.1f}] {st.median(g('mb_s')):8.1f} MB/s"
                  f"  p50 {st.median(g('p50_ms')):8.2f} p99 {st.median(g('p99_ms')):8.2f} ms"
                  f"  cpu/1000 {st.median(g('cpu_s_per_1000')):8.3f}  drain {st.median(g('drain_s')):.1f}s"
                  f"  until empty {st.median(g('empty_s')):9.1f} msg/s  err {err}"
                  + (f"  x{st.median(m) / ref:.2f}" if ref else "")
                  + (f"  (until empty x{st.median(g('empty_s')) / ref_empty:.2f})" if ref_empty else ""))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--peers", required=True)
    ap.add_argument("--base", default="")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--secs", type=float, default=1.0)
    ap.add_argument("--settle", type=float, default=5)
    ap.add_argument("--cells", default="", help="comma separated substrings that choose cells, all if empty")
    ap.add_argument("--idle", default="", help="idle connection counts instead of load")
    ap.add_argument("--no-pipelining", action="store_true")
    ap.add_argument("--trace", action="store_true", help="look for the sync before 250 instead of load")
    ap.add_argument("--port", type=int, default=2700)
    ap.add_argument("--out", default="")
    a = ap.parse_args()
    global PIPELINE
    PIPELINE = not a.no_pipelining
    peers = a.peers.split(",")
    want = [x for x in a.cells.split(",") if x]
    cells = {k: v for k, v in CELLS.items() if not want or any(w == k or (w.endswith("*") and k.startswith(w[:-1])) for w in want)}
    runs, port, absent = {}, a.port, []
    if a.trace:
        for p in peers:
            try:
                runs[p] = trace(p, port)
            except RuntimeError as e:
                print(e, file=sys.stderr)
                absent.append(p)
            port += 1
    elif a.idle:
        for p in peers:
            try:
                runs[p] = idle(p, port, [int(x) for x in a.idle.split(",")])
            except RuntimeError as e:
                print(e, file=sys.stderr)
                absent.append(p)
            port += 1
    else:
        for i in range(a.runs):
            for p in peers:
                t = time.time()
                try:
                    runs.setdefault(p, []).append(bench(p, port, cells, a.secs, a.settle))
                except RuntimeError as e:
                    print(e, file=sys.stderr)
                    absent.append(p)
                print(f"run {i + 1} {p} {time.time() - t:.0f}s load {os.getloadavg()[0]:.2f}", file=sys.stderr, flush=True)
                port += 1
                if a.out:
                    Path(a.out).write_text(json.dumps(runs))
        table(runs, a.base)
    if a.out:
        Path(a.out).write_text(json.dumps(runs))
    if absent:
        sys.exit("not compared, because they did not run: " + " ".join(absent))


if __name__ == "__main__":
    main()
