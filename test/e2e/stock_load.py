"""redis-py's RedisCluster under load; argv: name of the writer, then ports. Each key has this one writer, as in stock-worker.ts.

Ends at SIGTERM: reads every key once more and prints, as its last line, {"ok", "errors", "wrongReads", "isOver": true}. Until then such a
line without isOver says from time to time how far it is.

All options have their defaults. redis-py 4.3: a command whose connection fails is tried 5 times on the same node, 0.25 s apart, then the slots
are read again, three times over; each MOVED corrects one slot, each tenth reads all slots; no timeout on sockets. A cluster has no MULTI in it.
"""
import json
import logging
import signal
import sys
import time

from redis.cluster import ClusterNode, RedisCluster

# It logs each redirection as an exception.
logging.disable(logging.CRITICAL)

KEYS = 40
PAUSE_S = 0.004
PROGRESS_S = 0.5

owner = sys.argv[1]
nodes = [ClusterNode("127.0.0.1", int(port)) for port in sys.argv[2:]]
cluster = RedisCluster(startup_nodes=nodes)
acknowledged = {}
unknown = {}
errors = {}
wrong_reads = []
ok = 0
count = 0
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)


def begin(name):
    """A new value for the cell, whose write is about to be sent."""
    global count
    count += 1
    value = f"{owner}:{name}:{count}"
    unknown.setdefault(name, set()).add(value)
    return value


def acknowledge(name, value):
    acknowledged[name] = value
    unknown[name].discard(value)


def read(name, reply):
    value = None if reply is None else reply.decode()
    if value == acknowledged.get(name):
        return
    if value in unknown.get(name, ()):
        acknowledge(name, value)
    else:
        wrong_reads.append(f"{name} is {value}, not {[acknowledged.get(name), *unknown.get(name, ())]}")


def attempt(run):
    """One operation; its error is counted by its text."""
    global ok
    try:
        run()
        ok += 1
        return True
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        errors[text] = errors.get(text, 0) + 1
        return False


def write_string(i):
    key = f"{owner}:s{i}"
    value = begin(key)
    cluster.set(key, value)
    acknowledge(key, value)


def read_string(i):
    key = f"{owner}:s{i}"
    read(key, cluster.get(key))


def write_map(i):
    key = f"{owner}:m{i}"
    value = begin(key)
    cluster.hset(key, "f", value)
    acknowledge(key, value)


def read_map(i):
    key = f"{owner}:m{i}"
    read(key, cluster.hget(key, "f"))


def pipeline(i):
    """Over several buckets and nodes, which redis-py allows."""
    keys = [f"{owner}:p{j % KEYS}" for j in range(i, i + 4)]
    values = [begin(key) for key in keys]
    pipe = cluster.pipeline()
    for key, value in zip(keys, values):
        pipe.set(key, value)
    replies = pipe.execute()
    for key, value, reply in zip(keys, values, replies):
        assert reply is True, reply
        acknowledge(key, value)
    for key in keys:
        pipe.get(key)
    for key, reply in zip(keys, pipe.execute()):
        read(key, reply)


def read_again(name):
    if f"{owner}:m" in name:
        read(name, cluster.hget(name, "f"))
    else:
        read(name, cluster.get(name))


def report(**more):
    print(json.dumps({"ok": ok, "errors": errors, "wrongReads": wrong_reads, **more}), flush=True)


turn = 0
reported = time.monotonic()
steps = (write_string, read_string, write_map, read_map, pipeline)
while not stopping:
    i = turn % KEYS
    for step in steps:
        attempt(lambda: step(i))
        time.sleep(PAUSE_S)
    # One that was written a while ago.
    older = (turn + KEYS // 2) % KEYS
    attempt(lambda: read_string(older))
    attempt(lambda: read_map(older))
    turn += 1
    if time.monotonic() - reported > PROGRESS_S:
        reported = time.monotonic()
        report()

# Faults are over: whatever went wrong before, this must work.
for name in list(unknown):
    deadline = time.monotonic() + 10
    while True:
        try:
            read_again(name)
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
report(isOver=True)
