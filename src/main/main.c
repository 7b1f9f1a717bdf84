/* main/main.c - the table of commands. */
#include "main/commands.h"

#include "api/catalogue.h"
#include "main/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int command_version(int argc, char *const *argv)
{
    (void)argc, (void)argv;
    puts("sesame " SESAME_VERSION);
    return 0;
}

static int command_help(int argc, char *const *argv);

/* clang-format off */
const struct command commands[] = {
    { "serve",   FOR_SERVE, command_serve,   "receive mail and serve the API until SIGTERM" },
    { "explain", FOR_ASK | FOR_EXPLAIN, command_explain, "why a message went where it went, or did not: --message ID; what was tried when a rule was made: --setup [SET/RULE]; what a rule would meet: --rule SET/RULE; what a request would: --request FILE --policies FILE" },
    { "policy",  FOR_POLICY, command_policy, "print the policies that a rule needs: [KIND] --rule SET/RULE, of a server or with --bucket NAME ..." },
    { "check",   FOR_CHECK, command_check,   "would AWS take these policies, and do they say what is meant: FILE..." },
    { "decrypt", FOR_DECRYPT, command_decrypt, "open a message that the S3 action encrypted: s3://BUCKET/KEY, or FILE --metadata FILE" },
    { "log",     FOR_LOG,   command_log,     "who was turned away of late, and why: refused" },
    { "logs",    FOR_LOGS,  command_logs,    "what a Lambda function printed lately: FUNCTION" },
    { "objects", FOR_OBJECTS, command_objects, "what lies in the buckets of DIR, and where; with --output as files: [s3://BUCKET[/PREFIX]]; no server is asked" },
    { "redrive", FOR_ASK,   command_redrive, "put a dead letter back into the queue: --message ID" },
    { "send",    FOR_SEND,  command_send,    "send a test message: --to ADDRESS [FILE]; -: standard input" },
    { "version", 0,         command_version, "print the version" },
    { "help",    0,         command_help,    "print this, or with a command's name its settings" },
};
/* clang-format on */
const size_t command_count = sizeof commands / sizeof commands[0];

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_commands(void)
{
    for (size_t i = 0; i < command_count; i++)
        printf("  sesame %-8s  %s\n", commands[i].name, commands[i].help);
}

static int unknown(const char *name)
{
    fprintf(stderr, "sesame: there is no command %s; try: sesame help\n", name);
    return 2;
}

/* What tools/tables puts into docs/operating.md and docs/apis.md; every table stands below a line
 * `[name]`. */
static void print_tables(void)
{
    AUTO_BUF text = buf_new(1 << 20);
    buf_add(&text, STR("[commands]\n| command | |\n| --- | --- |\n"));
    for (size_t i = 0; i < command_count; i++)
        buf_addf(&text, "| `sesame %s` | %s |\n", commands[i].name, commands[i].help);
    buf_add(&text, STR("[serve]\n"));
    config_markdown(FOR_SERVE, &text);
    buf_add(&text, STR("[ask]\n"));
    config_markdown(FOR_ASK, &text);
    buf_add(&text, STR("[log]\n"));
    config_markdown(FOR_LOG, &text);
    buf_add(&text, STR("[send]\n"));
    config_markdown(FOR_SEND, &text);
    buf_add(&text, STR("[decrypt]\n"));
    config_markdown(FOR_DECRYPT, &text);
    buf_add(&text, STR("[objects]\n"));
    config_markdown(FOR_OBJECTS, &text);
    buf_add(&text, STR("[operations]\n"));
    catalogue_write(&text);
    fwrite(text.ptr, 1, text.len, stdout);
}

static void print_settings(const struct command *command)
{
    AUTO_BUF text = buf_new(1 << 16);
    config_help(command->settings, &text);
    printf("sesame %s - %s\n", command->name, command->help);
    if (command->settings)
        printf("\nEach setting is also a SESAME_... variable and a line of the config "
               "file.\n\n" STR_FMT,
               STR_ARG(buf_str(&text)));
}

static int command_help(int argc, char *const *argv)
{
    if (argc && strcmp(argv[0], "--markdown") == 0) {
        print_tables();
        return 0;
    }
    if (argc) {
        const struct command *command = find(argv[0]);
        if (!command)
            return unknown(argv[0]);
        print_settings(command);
        return 0;
    }
    puts("Sesame receives mail as Amazon SES does, on your own machine.\n");
    print_commands();
    puts("\nTry: sesame serve --demo");
    return 0;
}

int command_failed(const struct fault *f, struct arena *a)
{
    str says = a ? fault_sentence(f, a) : f->says;
    fprintf(stderr, "sesame: " STR_FMT "\n", STR_ARG(says));
    return f->kind == FAULT_SYNTAX ? 2 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("sesame: which command? Try: sesame help\n", stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = find(name);
    if (!command)
        return unknown(name);
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        print_settings(command);
        return 0;
    }
    if (command->run != command_help && !command->settings && argc > 2) {
        fprintf(stderr, "sesame: %s takes no arguments\n", name);
        return 2;
    }
    return command->run(argc - 2, argv + 2);
}
