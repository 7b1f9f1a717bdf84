#include "services/told.h"

void told_open(struct told *t)
{
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->said, NULL);
    t->text = STR_NONE;
}

void told_close(struct told *t)
{
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->said);
}

void told_say(struct told *t, str text)
{
    pthread_mutex_lock(&t->lock);
    t->text = text;
    pthread_cond_broadcast(&t->said);
    pthread_mutex_unlock(&t->lock);
}

str told_hear(struct told *t)
{
    pthread_mutex_lock(&t->lock);
    while (str_is_none(t->text))
        pthread_cond_wait(&t->said, &t->lock);
    str text = t->text;
    pthread_mutex_unlock(&t->lock);
    return text;
}
