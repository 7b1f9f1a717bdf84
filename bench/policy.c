/* What a decision costs: one thread, policies read once, each request built from nothing.
 *
 * Prints a table of nanoseconds (the best of several rounds: the rest is noise of the machine), the
 * bar of each, and how many times the allocator was called while deciding. Exit 1 with --strict
 * when a bar is missed. The last line is one of JSON, for the comparison with others.
 *
 *   policy_bench [--strict] [ROUNDS] */
#include "policy/decision.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    DECISIONS = 200000,
    COMPILES = 400,
    CODES = 128,
    BIG_STATEMENTS = 100,
    BIG_BYTES = 20 * 1024
};

/* ---- the allocator, counted ---- */

static uint64_t allocations;

void *malloc(size_t size)
{
    static void *(*next)(size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    allocations++;
    return next(size);
}

void *realloc(void *old, size_t size)
{
    static void *(*next)(void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "realloc");
    allocations++;
    return next(old, size);
}

/* ---- the policies ---- */

#define ACCOUNT "111122223333"
#define RULE    "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store"
#define SOURCES                                                                                    \
    "\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"" ACCOUNT                            \
    "\",\"AWS:SourceArn\":\"" RULE "\"}}"
#define DOC(statement) "{\"Version\":\"2012-10-17\",\"Statement\":[" statement "]}"

static const char trust_text[] =
    DOC("{\"Sid\":\"AllowSESAssume\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
        "\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"," SOURCES "}");
static const char role_text[] =
    DOC("{\"Sid\":\"S3Access\",\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":"
        "\"arn:aws:s3:::demo-mail/*\"},"
        "{\"Sid\":\"SNSAccess\",\"Effect\":\"Allow\",\"Action\":\"sns:Publish\",\"Resource\":"
        "\"arn:aws:sns:us-east-1:111122223333:my-topic\"},"
        "{\"Sid\":\"KMSAccess\",\"Effect\":\"Allow\",\"Action\":\"kms:GenerateDataKey*\","
        "\"Resource\":\"arn:aws:kms:us-east-1:111122223333:key/"
        "1234abcd-12ab-34cd-56ef-1234567890ab\"}");
static const char bucket_text[] =
    DOC("{\"Sid\":\"AllowSESPuts\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
        "\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\",\"Resource\":"
        "\"arn:aws:s3:::demo-mail/*\"," SOURCES "}");

/* 20 KB in 100 statements, each for a prefix and a rule of its own; only the last is this rule's.
 */
static str big_policy(struct arena *arena)
{
    str text = STR("{\"Version\":\"2012-10-17\",\"Statement\":[");
    for (int i = 1; i <= BIG_STATEMENTS; i++)
        text = arena_strf(arena,
                          STR_FMT "%s{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                                  "\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\",\"Resource\":"
                                  "\"arn:aws:s3:::demo-mail/*\",\"Condition\":{\"StringEquals\":{"
                                  "\"AWS:SourceArn\":\"%.*s%s\"}}}",
                          STR_ARG(text), i == 1 ? "" : ",", (int)sizeof(RULE) - 6, RULE,
                          i == BIG_STATEMENTS ? "store" : arena_strf(arena, "rule-%03d", i).ptr);
    return arena_strf(arena, STR_FMT "]}", STR_ARG(text));
}

static const struct document *read_policy(str text, struct arena *arena)
{
    struct document *document = ARENA_NEW(arena, struct document);
    const struct fault *why = policy_parse(text, arena, document);
    if (why) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(why->says));
        exit(2);
    }
    return document;
}

/* ---- the questions, each with its request built from nothing ---- */

struct bench {
    struct arena *scratch; /* of one request; its memory is kept */
    struct arn rule, role, session, object;
    struct exhibit trust, role_policy, bucket, big;
    struct trace *trace; /* NULL: none wanted */
};

static struct arn arn_of(const char *text)
{
    struct arn arn;
    if (!arn_parse(str_of(text), &arn))
        exit(2);
    return arn;
}

static enum verdict ask(struct bench *b, const struct caller *caller, str action,
                        struct arn resource, const struct exhibit *exhibit)
{
    arena_reset(b->scratch);
    struct request request = {
        .caller = caller, .action = action, .resource = resource, .resource_account = STR(ACCOUNT)
    };
    if (request_context(caller, 1772600767000, NULL, 0, b->scratch, &request.context,
                        &request.context_count))
        exit(2);
    if (b->trace)
        b->trace->used = 0;
    return policy_decide(&request, exhibit, 1, b->trace);
}

/* AssumeRole, and then PutObject as the session: two decisions. */
static bool role_flow(struct bench *b)
{
    const struct caller ses = caller_ses(STR(ACCOUNT), b->rule);
    const bool may = ask(b, &ses, STR("sts:AssumeRole"), b->role, &b->trust) == VERDICT_ALLOW;
    const struct caller session = { .kind = CALLER_ASSUMED_ROLE,
                                    .account = STR(ACCOUNT),
                                    .secure_transport = true,
                                    .assumed_role = { .role = b->role, .session = b->session } };
    return may &&
           ask(b, &session, STR("s3:PutObject"), b->object, &b->role_policy) == VERDICT_ALLOW;
}

static bool bucket_policy(struct bench *b)
{
    const struct caller ses = caller_ses(STR(ACCOUNT), b->rule);
    return ask(b, &ses, STR("s3:PutObject"), b->object, &b->bucket) == VERDICT_ALLOW;
}

static bool big_bucket_policy(struct bench *b)
{
    const struct caller ses = caller_ses(STR(ACCOUNT), b->rule);
    return ask(b, &ses, STR("s3:PutObject"), b->object, &b->big) == VERDICT_ALLOW;
}

/* ---- measuring ---- */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double best_ns(struct bench *b, bool (*question)(struct bench *), unsigned rounds,
                      unsigned times)
{
    double best = 1e18;
    for (unsigned r = 0; r < rounds; r++) {
        const double began = now_ns();
        for (unsigned i = 0; i < times; i++) {
            if (!question(b)) {
                fprintf(stderr, "denied, which is not what is measured\n");
                exit(2);
            }
        }
        const double took = (now_ns() - began) / times;
        best = took < best ? took : best;
    }
    return best;
}

static double compile_ns_per_kb(str text, unsigned rounds)
{
    double best = 1e18;
    AUTO_ARENA *arena = arena_new(16 << 20);
    for (unsigned r = 0; r < rounds; r++) {
        const double began = now_ns();
        for (unsigned i = 0; i < COMPILES; i++) {
            arena_reset(arena);
            read_policy(text, arena);
        }
        const double took = (now_ns() - began) / COMPILES / ((double)text.len / 1024);
        best = took < best ? took : best;
    }
    return best;
}

static bool strict, missed;

static void row(const char *what, double ns, double bar)
{
    const bool met = ns < bar;
    missed |= !met;
    printf("%-58s %9.0f %9.0f   %s\n", what, ns, bar, met ? "met" : "missed");
}

int main(int argc, char **argv)
{
    strict = argc > 1 && strcmp(argv[1], "--strict") == 0;
    const int at = strict ? 2 : 1;
    const unsigned rounds = argc > at ? (unsigned)atoi(argv[at]) : 15;
    AUTO_ARENA *arena = arena_new(64 << 20);
    const str big = big_policy(arena);
    struct bench b = {
        .scratch = arena_new(1 << 20),
        .rule = arn_of(RULE),
        .role = arn_of("arn:aws:iam::111122223333:role/writer"),
        .session = arn_of(
            "arn:aws:sts::111122223333:assumed-role/writer/o3vrnil0e2ic28trm7dfhrc2v0k4v1d4nbp0g1"),
        .object = arn_of("arn:aws:s3:::demo-mail/o3vrnil0e2ic28trm7dfhrc2v0k4v1d4nbp0g1"),
        .trust = { .kind = EXHIBIT_TRUST, .document = read_policy(str_of(trust_text), arena) },
        .role_policy = { .kind = EXHIBIT_IDENTITY,
                         .document = read_policy(str_of(role_text), arena) },
        .bucket = { .kind = EXHIBIT_RESOURCE, .document = read_policy(str_of(bucket_text), arena) },
        .big = { .kind = EXHIBIT_RESOURCE, .document = read_policy(big, arena) },
    };
    uint32_t codes[CODES];
    struct trace trace = { .codes = codes, .room = CODES };
    best_ns(&b, role_flow, 1, 1000); /* the arena takes its memory */
    printf("%-58s %9s %9s\n", "", "ns", "bar");
    const uint64_t before = allocations;
    const double flow = best_ns(&b, role_flow, rounds, DECISIONS / 2);
    const double bucket = best_ns(&b, bucket_policy, rounds, DECISIONS);
    const double large = best_ns(&b, big_bucket_policy, rounds, DECISIONS / 20);
    b.trace = &trace;
    const double flow_traced = best_ns(&b, role_flow, rounds, DECISIONS / 2);
    const double bucket_traced = best_ns(&b, bucket_policy, rounds, DECISIONS);
    const uint64_t calls = allocations - before;
    row("a decision of the role flow (AssumeRole, PutObject)", flow / 2, 200);
    row("a decision on the bucket policy", bucket, 200);
    row("the role flow's, with the codes of every statement", flow_traced / 2, 250);
    row("the bucket policy's, with the codes of every statement", bucket_traced, 250);
    char what[96];
    snprintf(what, sizeof(what), "a bucket policy of %.1f KB, %d statements, the last applies",
             (double)big.len / 1024, BIG_STATEMENTS);
    row(what, large, 2000);
    row("reading and compiling 1 KB: the bucket policy",
        compile_ns_per_kb(str_of(bucket_text), rounds), 20000);
    row("reading and compiling 1 KB: the large one", compile_ns_per_kb(big, rounds), 20000);
    printf("%-58s %9llu %9d   %s\n", "calls of the allocator while deciding",
           (unsigned long long)calls, 0, calls ? "missed" : "met");
    printf("{\"flow_ns\":%.1f,\"bucket_ns\":%.1f,\"allocations\":%llu}\n", flow, bucket,
           (unsigned long long)calls);
    arena_free(b.scratch);
    return strict && (missed || calls) ? EXIT_FAILURE : EXIT_SUCCESS;
}
