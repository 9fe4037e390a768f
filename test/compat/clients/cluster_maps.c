/* How a C program works with maps of a kv cluster, on plain libhiredis: follows MOVED, sets both timeouts, and connects again after a GOODBYE, a node's stop or its
 * death. One connection a node; a table says which node has which bucket, as MOVED taught it.
 *
 *   gcc -O1 -Wall -o cluster_maps cluster_maps.c -lhiredis
 *   ./cluster_maps SECONDS host:port host:port ...
 *
 * It sets fields of maps for so many seconds, then reads every map back and compares. A write whose answer is lost may have happened or not: the program goes by what the
 * map says. Setting a field to a value is the same done twice, so it may be repeated; an HINCRBY would not.
 * It prints "sent N maps M reconnects R moved V" and exits 0 if every map holds what was written last. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 16384
#define NODES_MAX 64
#define MAPS 50
#define FIELDS 20
/* A node must take a connection in this time, and answer a request in that. */
static const struct timeval CONNECT_TIMEOUT = {1, 0};
static const struct timeval REPLY_TIMEOUT = {2, 0};
/* A failed node is left alone for so long; everything is given up after that. */
#define PAUSE_MS 100
#define GIVE_UP_S 30

struct node {
    char host[256];
    int port;
    redisContext *c;   /* NULL: not connected */
    long long retry_at; /* ms; before that the node is not tried */
};

static struct node nodes[NODES_MAX];
static int node_count;
static int owner[BUCKETS]; /* index into nodes, -1: not known */
static long reconnects, moved;

static long long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void die(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static int node_at(const char *host, int port) {
    for (int i = 0; i < node_count; i++)
        if (nodes[i].port == port && strcmp(nodes[i].host, host) == 0) return i;
    if (node_count == NODES_MAX) die("too many nodes");
    snprintf(nodes[node_count].host, sizeof nodes[0].host, "%s", host);
    nodes[node_count].port = port;
    return node_count++;
}

/* CRC16 (XMODEM) of the key, or of its {hash tag}: the cluster's bucket. */
static int bucket_of(const char *key) {
    const char *from = key, *open = strchr(key, '{'), *to = key + strlen(key);
    if (open != NULL) {
        const char *close = strchr(open, '}');
        if (close != NULL && close > open + 1) from = open + 1, to = close;
    }
    unsigned crc = 0;
    for (; from < to; from++) {
        crc ^= (unsigned char)*from << 8;
        for (int bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
        crc &= 0xffff;
    }
    return (int)(crc % BUCKETS);
}

/* The connection is of no use any more; the node gets a pause. */
static void fail_node(struct node *n) {
    if (n->c != NULL) redisFree(n->c);
    n->c = NULL;
    n->retry_at = now_ms() + PAUSE_MS;
}

static redisContext *connect_node(struct node *n) {
    if (n->c != NULL) return n->c;
    if (now_ms() < n->retry_at) return NULL;
    n->c = redisConnectWithTimeout(n->host, n->port, CONNECT_TIMEOUT);
    if (n->c == NULL) die("no memory");
    if (n->c->err != 0 || redisSetTimeout(n->c, REPLY_TIMEOUT) != REDIS_OK) {
        fail_node(n);
        return NULL;
    }
    reconnects++;
    return n->c;
}

/* Any node: the next one that takes a connection. */
static int any_node(void) {
    static int turn;
    for (int i = 0; i < node_count; i++) {
        int candidate = (turn + i) % node_count;
        if (connect_node(&nodes[candidate]) != NULL) {
            turn = candidate + 1;
            return candidate;
        }
    }
    return -1;
}

/* Sends a request until it is answered. It must be one that may be done twice. */
static redisReply *request(const char *key, int argc, const char **argv) {
    int bucket = bucket_of(key);
    long long give_up_at = now_ms() + GIVE_UP_S * 1000LL;
    while (now_ms() < give_up_at) {
        int at = owner[bucket] >= 0 ? owner[bucket] : any_node();
        redisContext *c = at < 0 ? NULL : connect_node(&nodes[at]);
        redisReply *r = c == NULL ? NULL : redisCommandArgv(c, argc, argv, NULL);
        if (r == NULL) {
            /* Not there, closed (GOODBYE, stop, crash), or silent for too long: whoever else is there knows more. */
            if (c != NULL) fail_node(&nodes[at]);
            owner[bucket] = -1;
            usleep(20 * 1000);
            continue;
        }
        if (r->type != REDIS_REPLY_ERROR) {
            owner[bucket] = at;
            return r;
        }
        char host[256];
        int port;
        const char *colon = strrchr(r->str, ':');
        if (sscanf(r->str, "MOVED %*d %255s", host) == 1 && colon != NULL) {
            port = atoi(colon + 1);
            *strrchr(host, ':') = '\0';
            owner[bucket] = node_at(host, port);
            moved++;
        } else if (strncmp(r->str, "CLUSTERDOWN", 11) == 0 || strncmp(r->str, "LOADING", 7) == 0) {
            owner[bucket] = -1; /* nothing was done; in a moment it is otherwise */
            usleep(50 * 1000);
        } else {
            die(r->str);
        }
        freeReplyObject(r);
    }
    die("the cluster did not answer");
    return NULL;
}

static void set_field(const char *map, const char *field, const char *value) {
    const char *argv[] = {"HSET", map, field, value};
    freeReplyObject(request(map, 4, argv));
}

static void check_map(const char *map, int expected[FIELDS]) {
    const char *argv[] = {"HGETALL", map};
    redisReply *r = request(map, 2, argv);
    int fields = 0;
    for (int i = 0; i < FIELDS; i++) fields += expected[i] >= 0;
    if (r->type != REDIS_REPLY_ARRAY || (int)r->elements != 2 * fields) die("a map has other fields than were set");
    for (size_t i = 0; i < r->elements; i += 2) {
        int field = atoi(r->element[i]->str + 1);
        if (atoi(r->element[i + 1]->str) != expected[field]) die("a map lost a write");
    }
    freeReplyObject(r);
}

/* The server is asked to close the connection: the next request finds it closed, and connects again. */
static void say_goodbye(void) {
    for (int i = 0; i < node_count; i++) {
        if (nodes[i].c == NULL) continue;
        redisReply *r = redisCommand(nodes[i].c, "GOODBYE");
        if (r == NULL) fail_node(&nodes[i]);
        else freeReplyObject(r);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) die("usage: cluster_maps SECONDS host:port...");
    for (int i = 0; i < BUCKETS; i++) owner[i] = -1;
    for (int i = 2; i < argc; i++) {
        char *colon = strrchr(argv[i], ':');
        if (colon == NULL) die("an address is host:port");
        *colon = '\0';
        node_at(argv[i], atoi(colon + 1));
    }
    static int values[MAPS][FIELDS];
    memset(values, -1, sizeof values);
    long long end_at = now_ms() + atoi(argv[1]) * 1000LL, goodbye_at = now_ms() + 500;
    int sent = 0;
    for (; now_ms() < end_at; sent++) {
        int map = sent % MAPS, field = sent / MAPS % FIELDS;
        char name[32], field_name[16], value[16];
        snprintf(name, sizeof name, "c-map:%d", map);
        snprintf(field_name, sizeof field_name, "f%d", field);
        snprintf(value, sizeof value, "%d", sent);
        set_field(name, field_name, value);
        values[map][field] = sent;
        if (now_ms() >= goodbye_at) {
            say_goodbye();
            goodbye_at = now_ms() + 500;
        }
        if (sent == 0) {
            puts("working");
            fflush(stdout);
        }
    }
    for (int map = 0; map < MAPS; map++) {
        char name[32];
        snprintf(name, sizeof name, "c-map:%d", map);
        check_map(name, values[map]);
    }
    printf("sent %d maps %d reconnects %ld moved %ld\n", sent, MAPS, reconnects, moved);
    return 0;
}
