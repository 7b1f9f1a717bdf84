#!/usr/bin/env python3
"""Accepting and delivering beside Postfix, row by row, with the bar and the aim of each.

  script/bench                    # --strict: exit 1 when a bar is missed; RUNS=5, SECS=2 as in the other modes

Rounds: in each, every server runs once, one after the other, so that drift of the machine hits all alike. A row's ratio
is taken within a round; the table has the median of the rounds and their spread. Ratios are to Postfix `hold` (queue
file synced, no delivery) unless the row says otherwise. While accepting, an active rule matches and has no action: each
message is committed, planned and settled.
"""
import argparse
import os
import statistics
import sys
import time

import driver

HOLD, MAILDIR, SINK, OURS, DELIVERS, BARE = (
    "postfix:hold", "postfix:maildir", "smtp-sink:x", "sesame:accept", "sesame:deliver", "gcsink:recycle")
# what, cells, value, ours, theirs, bar, aim; a bar below one: less is better
ROWS = (
    ("1 KB, 20 sessions reused", "1K c20 many", "msg_s", OURS, HOLD, 8, 12),
    ("10 KB, 20 sessions reused", "10K c20 many", "msg_s", OURS, HOLD, 8, 12),
    ("1 KB, 200 sessions reused", "1K c200 many", "msg_s", OURS, HOLD, 12, 20),
    ("10 KB, 200 sessions reused", "10K c200 many", "msg_s", OURS, HOLD, 12, 20),
    ("10 KB, 20 sessions, to smtp-sink", "10K c20 many", "msg_s", OURS, SINK, 1, 1.5),
    ("10 KB, 200 sessions, to smtp-sink", "10K c200 many", "msg_s", OURS, SINK, 1, 1.5),
    ("10 KB, one per connection, 200", "10K c200 one", "msg_s", OURS, HOLD, 5, 7),
    ("10 KB, a single session", "10K c1 many", "msg_s", OURS, HOLD, 2.5, 4),
    ("100 KB, 20 sessions", "100K c20 many", "msg_s", OURS, HOLD, 6, 9),
    ("10 MB, 20 sessions", "10M c20 many", "msg_s", OURS, HOLD, 2, 3),
    ("STARTTLS, 10 KB reused, 20", "10K c20 many tls", "msg_s", OURS, HOLD, 5, 8),
    ("STARTTLS, one per connection, 200", "10K c200 one tls", "msg_s", OURS, HOLD, 3.5, 4.5),
    ("delivered, 10 KB, 20, to maildir", "10K c20 many", "empty_s", DELIVERS, MAILDIR, 8, 15),
    ("CPU seconds per 1000, 10 KB, 20", "10K c20 many", "cpu_s_per_1000", OURS, HOLD, 0.1, 0.05),
    ("p99, 10 KB, 20 sessions", "10K c20 many", "p99_ms", OURS, HOLD, 0.3, 0.2),
)
UNITS = {"msg_s": "msg/s", "empty_s": "msg/s", "cpu_s_per_1000": "s", "p99_ms": "ms"}


def cells_of(server):
    names = {cell for _, cell, _, ours, theirs, *_ in ROWS if server in (ours, theirs) or
             (server == BARE and (ours, theirs) == (OURS, HOLD))}
    return {name: driver.CELLS[name] for name in driver.CELLS if name in names}


def told(rounds, strict):
    well = True
    print(f"{'':34} {'ours':>10} {'theirs':>9}         {'ratio':>7} {'spread':>15} {'must':>6} {'aim':>6}          bare sink")
    for what, cell, value, ours, theirs, bar, aim in ROWS:
        pairs = [(r[ours][cell][value], r[theirs][cell][value]) for r in rounds
                 if r.get(ours, {}).get(cell, {}).get(value) and r.get(theirs, {}).get(cell, {}).get(value)]
        if not pairs:
            continue
        lost = sum(r[ours][cell].get(k, 0) for r in rounds for k in ("err_connect", "err_io", "err_4xx", "err_5xx", "unfinished"))
        ratios = [a / b for a, b in pairs]
        ratio = statistics.median(ratios)
        good = ratio <= bar if bar < 1 else ratio >= bar
        best = ratio <= aim if bar < 1 else ratio >= aim
        well = well and good and not lost
        bare = [r[BARE][cell][value] / r[theirs][cell][value] for r in rounds
                if theirs == HOLD and r.get(BARE, {}).get(cell, {}).get(value)]
        print(f"{what:34} {statistics.median(p[0] for p in pairs):10.4g} {statistics.median(p[1] for p in pairs):9.4g} {UNITS[value]:5}"
              f"  {ratio:6.2f}x {f'[{min(ratios):.2f}-{max(ratios):.2f}]':>15} {bar:5g}x {aim:5g}x  {'aim' if best else 'ok' if good else 'MISSED':6}"
              + (f"  {statistics.median(bare):5.2f}x" if bare else "") + (f"  ({lost} errors)" if lost else ""))
    return 0 if well or not strict else 1


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--secs", type=float, default=2)
    arguments.add_argument("--settle", type=float, default=60)
    arguments.add_argument("--port", type=int, default=2700)
    arguments.add_argument("--strict", action="store_true")
    a = arguments.parse_args()
    port, rounds = a.port, []
    for i in range(a.runs):
        rounds.append({})
        for server in (HOLD, OURS, SINK, BARE, MAILDIR, DELIVERS):
            began, port = time.monotonic(), port + 1
            rounds[-1][server] = driver.bench(server, port, cells_of(server), a.secs, a.settle)
            print(f"round {i + 1}, {server}: {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    sys.exit(told(rounds, a.strict))


main()
