/* main/commands.h - the commands. Each gets the arguments behind its name and answers the exit
 * code: 0, 1 (it could not, said in one sentence), 2 (it was asked wrongly). */
#ifndef SESAME_MAIN_COMMANDS_H
#define SESAME_MAIN_COMMANDS_H

#include "base/fault.h"

struct command {
    const char *name;
    unsigned settings; /* FOR_SERVE, FOR_ASK, or 0: takes no flags */
    int (*run)(int argc, char *const *argv);
    const char *help;
};
extern const struct command commands[];
extern const size_t command_count;

int command_check(int argc, char *const *argv);
int command_serve(int argc, char *const *argv);
int command_decrypt(int argc, char *const *argv);
int command_explain(int argc, char *const *argv);
int command_log(int argc, char *const *argv);
int command_logs(int argc, char *const *argv);
int command_objects(int argc, char *const *argv);
int command_policy(int argc, char *const *argv);
int command_redrive(int argc, char *const *argv);
int command_send(int argc, char *const *argv);

/* "sesame: <sentence>" on standard error; 2 for a mistake in the question, else 1. */
int command_failed(const struct fault *, struct arena *);

#endif
