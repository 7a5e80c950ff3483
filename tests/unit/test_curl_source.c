/* The HTTP source against a real server with each fault: tests/e2e/faultserver.py. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/http.h"
#include "molt/host/curl_source.h"
#include "molt/host/file_source.h"

#define SIZE 200000u

struct server {
    pid_t pid;
    int input;
    int port;
};

static struct fixture {
    char folder[64];
    uint8_t data[SIZE];
    struct server plain;
} fixture;

/* tls: a kind of certificate, or NULL. */
static void start_server(struct server *server, const char *tls)
{
    int to[2], from[2];
    char keys[96], text[16] = "";
    snprintf(keys, sizeof keys, "%s/keys-%s", fixture.folder, tls ? tls : "");
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(to[1]);
        close(from[0]);
        execlp("python3", "python3", TEST_DATA "/e2e/faultserver.py", fixture.folder,
               tls ? "--tls" : NULL, tls, "--keys", keys, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    server->input = to[1];
    for (size_t n = 0; n < sizeof text - 1 && read(from[0], text + n, 1) == 1; n++) {
        if (text[n] == '\n') {
            break;
        }
    }
    close(from[0]);
    server->port = atoi(text);
    assert_true(server->port > 0);
}

static void stop_server(struct server *server)
{
    int status;
    close(server->input);
    waitpid(server->pid, &status, 0);
}

static int setup(void **state)
{
    char path[96];
    (void)state;
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    strcpy(fixture.folder, "/tmp/molt-http.XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    uint32_t x = 1;
    for (uint32_t i = 0; i < SIZE; i++) {
        x = x * 1664525 + 1013904223;
        fixture.data[i] = (uint8_t)(x >> 24);
    }
    snprintf(path, sizeof path, "%s/data", fixture.folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(fixture.data, 1, SIZE, file), SIZE);
    fclose(file);
    snprintf(path, sizeof path, "%s/empty", fixture.folder);
    fclose(fopen(path, "wb"));
    start_server(&fixture.plain, NULL);
    return 0;
}

static int teardown(void **state)
{
    char command[96];
    (void)state;
    stop_server(&fixture.plain);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture.folder);
    return system(command);
}

static const struct molt_http_options quick = {
    .stall_ms = 400, .stall_bytes = 64, .tries = 3, .backoff_ms = 1};

struct client {
    struct molt_curl_source *curl;
    struct molt_source source;
};

static void open_url(struct client *c, const char *url, const struct molt_http_options *options)
{
    struct molt_message message = {0};
    int code = molt_curl_source_open(&c->curl, url, options, &c->source, &message);
    if (code < 0) {
        print_error("%s\n", message.text);
    }
    assert_int_equal(code, MOLT_OK);
}

static void open_fault(struct client *c, const char *fault)
{
    char url[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/data", fixture.plain.port, fault);
    open_url(c, url, &quick);
}

/* As the engine reads: head, then ranges announced with expect, in pieces of 512. */
static int read_range(struct client *c, uint32_t offset, uint32_t n)
{
    uint8_t piece[512];
    int code = c->source.ops->expect(c->source.context, offset, n);
    for (uint32_t at = offset; code >= 0 && at < offset + n; at += (uint32_t)code) {
        uint32_t want = offset + n - at < sizeof piece ? offset + n - at : sizeof piece;
        code = c->source.ops->read(c->source.context, at, piece, want);
        if (code == 0) {
            return MOLT_E_TRUNCATED;
        }
        if (code > 0) {
            assert_true((uint32_t)code <= want);
            assert_memory_equal(piece, fixture.data + at, (size_t)code);
        }
    }
    return code < 0 ? code : MOLT_OK;
}

static int read_all(struct client *c, uint32_t *length)
{
    struct molt_source_info info = {0};
    uint8_t head[12];
    int code = c->source.ops->info(c->source.context, &info);
    *length = info.length;
    if (code == MOLT_OK) {
        code = c->source.ops->read(c->source.context, 0, head, sizeof head);
        if (code >= 0) {
            assert_memory_equal(head, fixture.data, (size_t)code);
        }
    }
    for (uint32_t at = 300; code >= 0 && at < SIZE; at += 60000) {
        code = read_range(c, at, SIZE - at < 60000 ? SIZE - at : 60000);
    }
    return code < 0 ? code : c->source.ops->read(c->source.context, SIZE, head, sizeof head);
}

/* Reads all of the file through a fault: the result, and a part of the message when it fails. */
static void expect_result(const char *fault, int expected, const char *words)
{
    struct client c;
    uint32_t length;
    open_fault(&c, fault);
    int code = read_all(&c, &length);
    const struct molt_message *message = molt_curl_source_message(c.curl);
    if (code != expected) {
        print_error("%s: %s: %s\n", fault, molt_strerror(code), message->text);
    }
    assert_int_equal(code, expected);
    if (code < 0) {
        assert_int_equal(message->error, expected);
        assert_non_null(strstr(message->text, words));
        assert_non_null(strstr(message->text, "/data: "));
    }
    molt_curl_source_close(c.curl);
}

static void test_ranges(void **state)
{
    (void)state;
    struct client c;
    struct molt_http_counters counters;
    uint32_t length = 0;
    open_fault(&c, "ok");
    assert_int_equal(read_all(&c, &length), 0);
    assert_int_equal(length, SIZE);
    molt_curl_source_counters(c.curl, &counters);
    assert_int_equal(counters.requests, 5); /* the first 4 KB, four ranges */
    assert_int_equal(counters.retries, 0);
    assert_true(counters.bytes <= SIZE + 4096);
    molt_curl_source_close(c.curl);
}

/* The engine looks at the first bytes of a chunk and begins again: no second request. */
static void test_look_back(void **state)
{
    (void)state;
    struct client c;
    struct molt_http_counters counters;
    uint8_t piece[512];
    open_fault(&c, "ok,tag=back");
    assert_int_equal(c.source.ops->expect(c.source.context, 5000, 60000), MOLT_OK);
    assert_int_equal(c.source.ops->read(c.source.context, 5000, piece, 512), 512);
    assert_int_equal(read_range(&c, 5000, 60000), MOLT_OK);
    molt_curl_source_counters(c.curl, &counters);
    assert_int_equal(counters.requests, 1);
    /* Too far back: asked for again. */
    assert_int_equal(read_range(&c, 4000, 1000), MOLT_OK);
    molt_curl_source_counters(c.curl, &counters);
    assert_int_equal(counters.requests, 2);
    molt_curl_source_close(c.curl);
}

static void test_without_expect(void **state)
{
    (void)state;
    struct client c;
    uint8_t piece[100];
    open_fault(&c, "ok,tag=free");
    for (uint32_t at = 150000; at > 1000; at = at / 2) {
        assert_int_equal(c.source.ops->read(c.source.context, at, piece, sizeof piece), 100);
        assert_memory_equal(piece, fixture.data + at, 100);
    }
    /* across the end, at it, behind it */
    assert_int_equal(c.source.ops->read(c.source.context, SIZE - 10, piece, 100), 10);
    assert_int_equal(c.source.ops->read(c.source.context, SIZE, piece, 100), 0);
    assert_int_equal(c.source.ops->read(c.source.context, UINT32_MAX, piece, 100), 0);
    molt_curl_source_close(c.curl);
}

static void test_whole_answers(void **state)
{
    (void)state;
    struct client c;
    struct molt_http_counters counters;
    uint32_t length;
    open_fault(&c, "norange");
    assert_int_equal(read_all(&c, &length), 0);
    assert_int_equal(length, SIZE);
    molt_curl_source_counters(c.curl, &counters);
    assert_int_equal(counters.requests, 1); /* the one transfer goes on */
    molt_curl_source_close(c.curl);
    expect_result("chunked", 0, "");
    open_fault(&c, "chunkedplain");
    assert_int_equal(read_all(&c, &length), 0);
    assert_int_equal(length, 0); /* nobody said it */
    molt_curl_source_close(c.curl);
}

static void test_resumes(void **state)
{
    (void)state;
    expect_result("short=20000,tag=r", 0, "");
    expect_result("short=0,times=2", 0, "");
    expect_result("short=0,after=1,times=2", 0, "");
    expect_result("stall=1000,after=1,times=1", 0, "");
    expect_result("status=503,times=2", 0, "");
    expect_result("reset,times=2", 0, "");
    expect_result("norange,after=2", 0, "");
    expect_result("redirect=5", 0, "");
}

static void test_gives_up(void **state)
{
    (void)state;
    expect_result("short=0", MOLT_E_TRUNCATED, "the connection ended at byte 0");
    expect_result("short=10,after=1", MOLT_E_TRUNCATED, "the connection ended at byte");
    expect_result("stall=0", MOLT_E_STALLED, "stalled: 0 bytes in 400 ms, expected at least 64");
    expect_result("stall=0,after=2", MOLT_E_STALLED, "stalled");
    expect_result("drip,after=1", MOLT_E_STALLED, "stalled");
    expect_result("reset", MOLT_E_CONNECT, "cannot connect");
    expect_result("status=503", MOLT_E_HTTP_STATUS, "status 503");
    expect_result("status=404", MOLT_E_HTTP_STATUS,
                  "status 404, expected 200 or 206: no such file");
    expect_result("status=404,after=2", MOLT_E_HTTP_STATUS, "status 404");
    expect_result("redirect=6", MOLT_E_HTTP_STATUS, "more than 5 redirects");
    expect_result("loop", MOLT_E_HTTP_STATUS, "more than 5 redirects");
    expect_result("elsewhere=ftp:||127.0.0.1", MOLT_E_URL, "something else than http");
}

static void test_wrong_ranges(void **state)
{
    (void)state;
    expect_result("badrange=shifted", MOLT_E_HTTP_RANGE, "answered with bytes 1 to 4096");
    expect_result("badrange=beyond", MOLT_E_HTTP_RANGE, "expected 0 to 4095");
    expect_result("badrange=missing", MOLT_E_HTTP_RANGE, "without saying which");
    expect_result("badrange=garbage", MOLT_E_HTTP_RANGE, "without saying which");
    expect_result("badrange=part200,after=1", MOLT_E_HTTP_RANGE, "answered with status 200");
    expect_result("encoded", MOLT_E_HTTP_RANGE, "compressed");
}

static void test_changes(void **state)
{
    (void)state;
    expect_result("changed,after=2", MOLT_E_SOURCE_CHANGED, "changed on the server");
    expect_result("quiet,after=3", MOLT_E_SOURCE_CHANGED, "changed on the server");
    expect_result("badrange=total,after=2", MOLT_E_SOURCE_CHANGED, "changed on the server");
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct client c;
    struct molt_source_info info;
    /* Port 1 is tcpmux: nobody has that. */
    open_url(&c, "http://127.0.0.1:1/data", &quick);
    assert_int_equal(c.source.ops->info(c.source.context, &info), MOLT_E_CONNECT);
    molt_curl_source_close(c.curl);
    open_url(&c, "http://no-such-host.invalid/data", &quick);
    assert_int_equal(c.source.ops->info(c.source.context, &info), MOLT_E_CONNECT);
    molt_curl_source_close(c.curl);
    open_url(&c, "http://[::/data", &quick);
    assert_int_equal(c.source.ops->info(c.source.context, &info), MOLT_E_URL);
    molt_curl_source_close(c.curl);
}

static void test_urls(void **state)
{
    (void)state;
    struct molt_curl_source *curl;
    struct molt_source source;
    struct molt_message message;
    static const char *const bad[] = {"", "data", "ftp://127.0.0.1/data", "file:///etc/passwd"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(molt_curl_source_open(&curl, bad[i], NULL, &source, &message), MOLT_E_URL);
        assert_null(curl);
    }
    char longest[3000] = "http://127.0.0.1/";
    memset(longest + strlen(longest), 'x', sizeof longest - strlen(longest) - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(molt_curl_source_open(&curl, longest, NULL, &source, &message), MOLT_E_URL);
}

static int cancel(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    (void)done;
    (void)total;
    return ++*(int *)context > 2;
}

static void test_cancel(void **state)
{
    (void)state;
    struct client c;
    struct molt_source_info info;
    char url[100];
    int calls = 0;
    struct molt_progress progress = {cancel, &calls};
    struct molt_http_options options = {.progress = &progress};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/stall=0,tag=c/data", fixture.plain.port);
    open_url(&c, url, &options);
    assert_int_equal(c.source.ops->info(c.source.context, &info), MOLT_OK);
    uint8_t byte;
    assert_int_equal(c.source.ops->read(c.source.context, 0, &byte, 1), MOLT_E_CANCELLED);
    molt_curl_source_close(c.curl);
}

/* MOLT_OK, or why info fails. trusted: --ca */
static int over_tls(const char *kind, bool trusted, const char *fault, char *text)
{
    struct server server;
    struct client c;
    struct molt_source_info info = {0};
    char url[200], ca[128];
    start_server(&server, kind);
    struct molt_http_options options = quick;
    options.stall_ms = 10000;
    snprintf(ca, sizeof ca, "%s/keys-%s/ca.pem", fixture.folder, kind);
    options.ca_file = trusted ? ca : NULL;
    snprintf(url, sizeof url, "https://localhost:%d/%s/data", server.port, fault);
    open_url(&c, url, &options);
    int code = c.source.ops->info(c.source.context, &info);
    strcpy(text, molt_curl_source_message(c.curl)->text);
    if (code == MOLT_OK) {
        assert_int_equal(info.length, SIZE);
        assert_int_equal(read_range(&c, 1000, 100000), MOLT_OK);
    }
    molt_curl_source_close(c.curl);
    stop_server(&server);
    return code;
}

static void test_tls(void **state)
{
    (void)state;
    char text[600], fault[100];
    assert_int_equal(over_tls("good", true, "ok", text), MOLT_OK);
    assert_int_equal(over_tls("good", false, "ok", text), MOLT_E_TLS);
    assert_non_null(strstr(text, "certificate"));
    assert_int_equal(over_tls("wrongname", true, "ok", text), MOLT_E_TLS);
    assert_int_equal(over_tls("expired", true, "ok", text), MOLT_E_TLS);
    assert_int_equal(over_tls("untrusted", true, "ok", text), MOLT_E_TLS);
    snprintf(fault, sizeof fault, "elsewhere=http:||127.0.0.1:%d|ok", fixture.plain.port);
    assert_int_equal(over_tls("good", true, fault, text), MOLT_E_URL);
    assert_non_null(strstr(text, "from https to http"));
}

static int get(const char *path, size_t limit, size_t *n)
{
    char url[200];
    uint8_t *bytes;
    struct molt_message message = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", fixture.plain.port, path);
    int code = molt_http_get(url, limit, &quick, &bytes, n, &message);
    if (code == MOLT_OK) {
        assert_memory_equal(bytes, fixture.data, *n);
    } else {
        assert_null(bytes);
        assert_int_equal(message.error, code);
        assert_non_null(strstr(message.text, "http://127.0.0.1"));
    }
    free(bytes);
    return code;
}

static void test_get(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(get("ok/data", SIZE, &n), MOLT_OK);
    assert_int_equal(n, SIZE);
    assert_int_equal(get("ok/empty", 10, &n), MOLT_OK);
    assert_int_equal(n, 0);
    assert_int_equal(get("chunkedplain/data", SIZE, &n), MOLT_OK);
    assert_int_equal(get("redirect=3,tag=g/data", SIZE, &n), MOLT_OK);
    assert_int_equal(get("short=5,times=2,tag=g/data", SIZE, &n), MOLT_OK);
    assert_int_equal(n, SIZE);
    assert_int_equal(get("ok/data", SIZE - 1, &n), MOLT_E_RANGE);
    assert_int_equal(get("chunkedplain/data", SIZE - 1, &n), MOLT_E_RANGE);
    assert_int_equal(get("short=5,tag=h/data", SIZE, &n), MOLT_E_TRUNCATED);
    assert_int_equal(get("stall=5,tag=h/data", SIZE, &n), MOLT_E_STALLED);
    assert_int_equal(get("ok/none", SIZE, &n), MOLT_E_HTTP_STATUS);
    assert_int_equal(get("encoded/data", SIZE, &n), MOLT_E_HTTP_RANGE);
    assert_int_equal(get("status=416/data", SIZE, &n), MOLT_E_HTTP_STATUS);
}

static void test_empty_file(void **state)
{
    (void)state;
    struct client c;
    struct molt_source_info info = {7};
    char url[100];
    uint8_t byte;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok/empty", fixture.plain.port);
    open_url(&c, url, &quick);
    assert_int_equal(c.source.ops->info(c.source.context, &info), MOLT_OK);
    assert_int_equal(info.length, 0);
    assert_int_equal(c.source.ops->read(c.source.context, 0, &byte, 1), 0);
    molt_curl_source_close(c.curl);
}

/* What servers write, and what they must not. */
static void test_content_range(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool good;
        uint64_t first, last, total;
    } rows[] = {
        {"Content-Range: bytes 0-99/1234", true, 0, 99, 1234},
        {"content-range:bytes 5-5/6", true, 5, 5, 6},
        {"Content-Range: Bytes 7-9/*  ", true, 7, 9, HTTP_UNKNOWN},
        {"Content-Range: bytes */1234", true, HTTP_UNKNOWN, HTTP_UNKNOWN, 1234},
        {"Content-Range: bytes 9-5/20", false, 0, 0, 0},
        {"Content-Range: bytes 5-20/20", false, 0, 0, 0},
        {"Content-Range: bytes 5/20", false, 0, 0, 0},
        {"Content-Range: bytes 5-6", false, 0, 0, 0},
        {"Content-Range: bytes 5-6/", false, 0, 0, 0},
        {"Content-Range: bytes 5-6/20x", false, 0, 0, 0},
        {"Content-Range: items 5-6/20", false, 0, 0, 0},
        {"Content-Range: bytes 18446744073709551616-18446744073709551617/*", false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_answer answer = {0};
        http_answer_line(&answer, rows[i].line, strlen(rows[i].line));
        assert_int_equal(answer.has_range, rows[i].good);
        assert_int_equal(answer.bad_range, !rows[i].good);
        if (rows[i].good) {
            assert_int_equal(answer.first, rows[i].first);
            assert_int_equal(answer.last, rows[i].last);
            assert_int_equal(answer.total, rows[i].total);
        }
    }
}

static void test_validators(void **state)
{
    (void)state;
    struct http_answer answer = {0};
    char line[300] = "ETag: \"";
    http_answer_line(&answer, "etag:  \"abc\" ", 13);
    assert_string_equal(answer.etag, "\"abc\"");
    http_answer_line(&answer, "HTTP/1.1 200 OK", 15); /* another answer begins */
    assert_string_equal(answer.etag, "");
    memset(line + strlen(line), 'x', 200);
    http_answer_line(&answer, line, 207); /* too long to be kept: no validator, not half of one */
    assert_string_equal(answer.etag, "");
    http_answer_line(&answer, "ETag: \"a\rb\"", 11); /* it would be sent back */
    http_answer_line(&answer, "Last-Modified: Mon\x01", 19);
    assert_string_equal(answer.etag, "");
    assert_string_equal(answer.modified, "");
    http_answer_line(&answer, "Content-Encoding: identity", 26);
    assert_false(answer.encoded);
    http_answer_line(&answer, "Content-Encoding: br", 20);
    assert_true(answer.encoded);
    http_answer_line(&answer, "Content-Length: 12", 18);
    assert_int_equal(answer.length, 12);
    http_answer_line(&answer, "Content-Length: 12, 13", 22);
    assert_int_equal(answer.length, HTTP_UNKNOWN);
}

static void test_file_source(void **state)
{
    (void)state;
    struct molt_file_source file;
    struct molt_source source;
    struct molt_source_info info;
    struct molt_message message;
    uint8_t piece[100];
    char path[96];
    snprintf(path, sizeof path, "%s/copy", fixture.folder);
    assert_int_equal(molt_file_source_open(&file, path, &source, &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_file_source_open(&file, fixture.folder, &source, &message),
                     MOLT_E_ARGUMENT);
    FILE *out = fopen(path, "wb");
    assert_int_equal(fwrite(fixture.data, 1, 1000, out), 1000);
    fclose(out);
    assert_int_equal(molt_file_source_open(&file, path, &source, &message), MOLT_OK);
    assert_int_equal(source.ops->info(source.context, &info), MOLT_OK);
    assert_int_equal(info.length, 1000);
    assert_int_equal(source.ops->read(source.context, 950, piece, 100), 50);
    assert_memory_equal(piece, fixture.data + 950, 50);
    assert_int_equal(source.ops->read(source.context, 1000, piece, 100), 0);
    assert_int_equal(truncate(path, 500), 0);
    assert_int_equal(source.ops->read(source.context, 700, piece, 100), MOLT_E_SOURCE_CHANGED);
    assert_non_null(strstr(file.message.text, "had 1000 bytes"));
    molt_file_source_close(&file);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),       cmocka_unit_test(test_without_expect),
        cmocka_unit_test(test_look_back),    cmocka_unit_test(test_whole_answers),
        cmocka_unit_test(test_resumes),      cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_wrong_ranges), cmocka_unit_test(test_changes),
        cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_urls),
        cmocka_unit_test(test_cancel),       cmocka_unit_test(test_tls),
        cmocka_unit_test(test_get),          cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_file_source),  cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_validators),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
