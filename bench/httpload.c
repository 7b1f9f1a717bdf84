/* httpload - callers that each POST the same JSON over a connection of their own and wait for the
 * answer: what a bare HTTP server makes of as many callers.
 *
 *   httpload -P PORT -c CALLERS -d SECONDS -f FILE     one JSON line out */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    int port, callers;
    double seconds;
    char *request;
    size_t len;
    double end;
} job = { .callers = 32, .seconds = 2 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((unsigned short)job.port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        exit(2);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* One whole answer with a Content-Length; 0 when the connection ended. */
static int take_answer(int fd, char *bytes, size_t room)
{
    size_t len = 0, want = 0;
    while (!want || len < want) {
        ssize_t n = read(fd, bytes + len, room - len - 1);
        if (n <= 0)
            return 0;
        len += (size_t)n;
        bytes[len] = '\0';
        char *end = want ? NULL : strstr(bytes, "\r\n\r\n");
        char *size = end ? strcasestr(bytes, "content-length:") : NULL;
        if (end)
            want = (size_t)(end + 4 - bytes) + (size ? strtoul(size + 15, NULL, 10) : 0);
    }
    return 1;
}

static void *call(void *count)
{
    char *bytes = malloc(1 << 20);
    int fd = dial();
    while (bytes && now() < job.end) {
        if (write(fd, job.request, job.len) != (ssize_t)job.len || !take_answer(fd, bytes, 1 << 20))
            exit(3);
        ++*(long *)count;
    }
    close(fd);
    free(bytes);
    return NULL;
}

static void read_request(const char *path)
{
    static char body[1 << 20];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(body, 1, sizeof body, file) : 0;
    if (!file)
        exit(2);
    fclose(file);
    job.request = malloc(len + 256);
    job.len = (size_t)sprintf(job.request,
                              "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              "Content-Length: %zu\r\n\r\n", len);
    memcpy(job.request + job.len, body, len);
    job.len += len;
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "P:c:d:f:")) != -1;) {
        if (o == 'P')
            job.port = atoi(optarg);
        else if (o == 'c')
            job.callers = atoi(optarg);
        else if (o == 'd')
            job.seconds = atof(optarg);
        else if (o == 'f')
            read_request(optarg);
        else
            return 2;
    }
    if (!job.port || !job.request || job.callers < 1)
        return 2;
    pthread_t threads[job.callers];
    long counts[job.callers], sum = 0;
    double begun = now();
    job.end = begun + job.seconds;
    for (int i = 0; i < job.callers; i++) {
        counts[i] = 0;
        pthread_create(&threads[i], NULL, call, &counts[i]);
    }
    for (int i = 0; i < job.callers; i++) {
        pthread_join(threads[i], NULL);
        sum += counts[i];
    }
    printf("{\"answers\": %ld, \"answers_s\": %.1f}\n", sum, (double)sum / (now() - begun));
    return 0;
}
