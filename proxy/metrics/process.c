#include "proxy/metrics/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void process_init(struct process *process)
{
    process->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    process->descriptors = opendir("/proc/self/fd");
    process->start_time = now();
}

void process_fini(struct process *process)
{
    if (process->statm >= 0)
        close(process->statm);
    if (process->descriptors)
        closedir(process->descriptors);
}

static uint64_t resident(int statm)
{
    char text[128];
    ssize_t len = statm < 0 ? -1 : pread(statm, text, sizeof(text), 0);
    struct str total, rest, pages;
    uint64_t count = 0;

    if (len <= 0)
        return 0;
    str_cut(str_of(text, (size_t)len), ' ', &total, &rest);
    str_cut(rest, ' ', &pages, &rest);
    return str_to_u64(pages, &count) ? 0
                                     : count * (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned count_entries(DIR *dir)
{
    unsigned count = 0;

    if (!dir)
        return 0;
    rewinddir(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    return count;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void process_look(const struct process *process, struct process_view *view)
{
    struct rusage usage;
    struct rlimit limit;

    view->start_time = process->start_time;
    view->now = now();
    view->memory = resident(process->statm);
    view->descriptors = count_entries(process->descriptors);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        view->cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        view->descriptors_max = (unsigned)limit.rlim_cur;
}
