"""redis-py's RedisCluster doing the usual work; argv: host port. Prints one line per thing that worked; exits 1 at the first that did not."""
import logging
import sys
import time

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import ResponseError, WatchError

# It logs every error that it raises; what we expect is not news.
logging.disable(logging.CRITICAL)

host, port = sys.argv[1], int(sys.argv[2])
cluster = RedisCluster(host=host, port=port)
cluster.flushall()


def check(what, got, want):
    if got != want:
        print(f"{what}: got {got!r}, want {want!r}", file=sys.stderr)
        sys.exit(1)
    print(f"ok {what}")


check("set", cluster.set("k", "v"), True)
check("get", cluster.get("k"), b"v")
check("get none", cluster.get("none"), None)
check("bytes", (cluster.set(b"\xff\x00\r\n", b"\x80\x00"), cluster.get(b"\xff\x00\r\n")), (True, b"\x80\x00"))
check("set nx", cluster.set("k", "w", nx=True), None)
check("mset", cluster.mset({"{t}a": 1, "{t}b": 2}), True)
check("mget", cluster.mget("{t}a", "{t}b", "{t}c"), [b"1", b"2", None])
check("mset over buckets", cluster.mset_nonatomic({f"x{i}": i for i in range(50)}), [True] * 50)
check("incrby", cluster.incrby("n", 41), 41)
check("incrbyfloat", cluster.incrbyfloat("n", 0.5), 41.5)
check("del over buckets", cluster.delete("x1", "x2", "x3", "none"), 3)

check("hset", cluster.hset("h", mapping={"a": 1, "b": 2}), 2)
check("hgetall", cluster.hgetall("h"), {b"a": b"1", b"b": b"2"})
check("hmget", cluster.hmget("h", "a", "none"), [b"1", None])
check("hincrby", cluster.hincrby("h", "a", 5), 6)
check("hdel", cluster.hdel("h", "a"), 1)

check("set px", cluster.set("e", "v", px=40), True)
time.sleep(0.1)
check("expired", cluster.get("e"), None)
check("expire", (cluster.set("e", "v"), cluster.expire("e", 100), cluster.ttl("e")), (True, True, 100))
check("persist", (cluster.persist("e"), cluster.ttl("e")), (True, -1))

pipe = cluster.pipeline()
for i in range(500):
    pipe.set(f"p{i}", i)
    pipe.get(f"p{i}")
replies = pipe.execute()
check("pipeline", replies[1::2], [str(i).encode() for i in range(500)])

node = Redis(host=host, port=port)
with node.pipeline(transaction=True) as tx:
    tx.set("{t}x", 1).incr("{t}x").hset("{t}m", "f", "v")
    check("transaction", tx.execute(), [True, 2, 1])
with node.pipeline(transaction=True) as tx:
    tx.watch("{t}w")
    cluster.set("{t}w", "theirs")
    tx.multi()
    tx.set("{t}w", "mine")
    try:
        tx.execute()
        check("watch", "no WatchError", "WatchError")
    except WatchError:
        check("watch", "WatchError", "WatchError")

for i in range(300):
    cluster.set(f"scan:{i}", i)
check("scan_iter", len(set(cluster.scan_iter(match="scan:*", count=20))), 300)
cluster.hset("big", mapping={f"f{i}": i for i in range(300)})
check("hscan_iter", len(dict(cluster.hscan_iter("big", count=20))), 300)

try:
    cluster.incr("k")
    check("error", "none", "one")
except ResponseError as error:
    check("error", str(error), "value is not an integer or out of range")
check("keyslot", cluster.cluster_keyslot("foo"), 12182)
check("info", cluster.info(target_nodes=RedisCluster.RANDOM)["redis_mode"], "cluster")
check("client name", (node.client_setname("py"), node.client_getname()), (True, "py"))
check("dbsize", cluster.dbsize() > 300, True)
print("done")
