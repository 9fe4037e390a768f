/* A small C program on libhiredis: strings, maps, expiry, transactions, pipelines, scan.
 * argv: host port. Prints "done"; any surprise is printed and exits 1. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *c;

static void fail(const char *what, redisReply *r) {
    fprintf(stderr, "%s: %s\n", what, r == NULL ? c->errstr : r->str != NULL ? r->str : "wrong reply");
    exit(1);
}

static void expect_status(const char *what, redisReply *r, const char *text) {
    if (r == NULL || r->type != REDIS_REPLY_STATUS || strcmp(r->str, text) != 0) fail(what, r);
    freeReplyObject(r);
}

static void expect_integer(const char *what, redisReply *r, long long n) {
    if (r == NULL || r->type != REDIS_REPLY_INTEGER || r->integer != n) fail(what, r);
    freeReplyObject(r);
}

static void expect_bytes(const char *what, redisReply *r, const char *bytes, size_t len) {
    if (r == NULL || r->type != REDIS_REPLY_STRING || r->len != len || memcmp(r->str, bytes, len) != 0) fail(what, r);
    freeReplyObject(r);
}

static void expect_nil(const char *what, redisReply *r) {
    if (r == NULL || r->type != REDIS_REPLY_NIL) fail(what, r);
    freeReplyObject(r);
}

static void expect_error(const char *what, redisReply *r, const char *prefix) {
    if (r == NULL || r->type != REDIS_REPLY_ERROR || strncmp(r->str, prefix, strlen(prefix)) != 0) fail(what, r);
    freeReplyObject(r);
}

static void strings_and_maps(void) {
    expect_status("FLUSHALL", redisCommand(c, "FLUSHALL"), "OK");
    expect_status("SET", redisCommand(c, "SET %b %b", "\xff\x00", (size_t)2, "a\r\n\0", (size_t)4), "OK");
    expect_bytes("GET", redisCommand(c, "GET %b", "\xff\x00", (size_t)2), "a\r\n\0", 4);
    expect_nil("GET none", redisCommand(c, "GET none"));
    expect_integer("INCRBY", redisCommand(c, "INCRBY n 41"), 41);
    expect_integer("HSET", redisCommand(c, "HSET h a 1 b 2"), 2);
    redisReply *r = redisCommand(c, "HGETALL h");
    if (r == NULL || r->elements != 4 || strcmp(r->element[3]->str, "2") != 0) fail("HGETALL", r);
    freeReplyObject(r);
    expect_error("HGET on a string", redisCommand(c, "HGET n f"), "WRONGTYPE");
    expect_integer("EXPIRE", redisCommand(c, "EXPIRE n 100"), 1);
    expect_integer("TTL", redisCommand(c, "TTL n"), 100);
}

static void pipeline(void) {
    void *reply;
    for (int i = 0; i < 1000; i++) redisAppendCommand(c, "SET p%d %d", i, i);
    for (int i = 0; i < 1000; i++) redisAppendCommand(c, "GET p%d", i);
    for (int i = 0; i < 1000; i++) {
        if (redisGetReply(c, &reply) != REDIS_OK) fail("pipeline", NULL);
        expect_status("pipelined SET", reply, "OK");
    }
    for (int i = 0; i < 1000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", i);
        if (redisGetReply(c, &reply) != REDIS_OK) fail("pipeline", NULL);
        expect_bytes("pipelined GET", reply, text, (size_t)len);
    }
}

static void transaction(void) {
    expect_status("MULTI", redisCommand(c, "MULTI"), "OK");
    expect_status("queue", redisCommand(c, "SET {t}a 1"), "QUEUED");
    expect_status("queue", redisCommand(c, "INCR {t}a"), "QUEUED");
    redisReply *r = redisCommand(c, "EXEC");
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 2 || r->element[1]->integer != 2) fail("EXEC", r);
    freeReplyObject(r);
    expect_error("EXEC without MULTI", redisCommand(c, "EXEC"), "ERR EXEC without MULTI");
}

static void scan(void) {
    int seen = 0;
    char cursor[32] = "0";
    do {
        redisReply *r = redisCommand(c, "SCAN %s MATCH p* COUNT 100", cursor);
        if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 2) fail("SCAN", r);
        seen += (int)r->element[1]->elements;
        snprintf(cursor, sizeof cursor, "%s", r->element[0]->str);
        freeReplyObject(r);
    } while (strcmp(cursor, "0") != 0);
    if (seen < 1000) fail("SCAN saw too little", NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    c = redisConnect(argv[1], atoi(argv[2]));
    if (c == NULL || c->err) fail("connect", NULL);
    strings_and_maps();
    pipeline();
    transaction();
    scan();
    redisFree(c);
    puts("done");
    return 0;
}
