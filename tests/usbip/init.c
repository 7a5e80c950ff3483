/*
 * The first process of the emulated guest: loads the kernel modules that /modules names, in that
 * order, makes this machine's files the guest's (read over 9p, changes stay in memory), runs
 * /exchange/run, leaves its exit code in /exchange/code, and turns the guest off. Static: the
 * initramfs holds nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P9 "trans=virtio,version=9p2000.L,msize=512000"

static void end(const char *what, const char *name)
{
    if (what) {
        fprintf(stderr, "init: %s: %s: %s\n", what, name, strerror(errno));
    }
    sync();
    reboot(RB_POWER_OFF);
    exit(1); /* the kernel panics: that ends the emulator too */
}

static void load(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "/%s", name);
    int file = open(path, O_RDONLY);
    if (file < 0 || (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST)) {
        end("module", path);
    }
    close(file);
}

static void load_all(void)
{
    char line[256];
    FILE *list = fopen("/modules", "r");
    if (!list) {
        end("list", "/modules");
    }
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = 0;
        load(line);
    }
    fclose(list);
}

static void attach(const char *source, const char *place, const char *kind, unsigned long flags,
                   const char *options)
{
    mkdir(place, 0755);
    if (mount(source, place, kind, flags, options) != 0) {
        end("mount", place);
    }
}

static void mount_all(void)
{
    attach("tmpfs", "/over", "tmpfs", 0, "mode=755");
    attach("host", "/host", "9p", MS_RDONLY, P9 ",cache=loose");
    mkdir("/over/upper", 0755);
    mkdir("/over/work", 0755);
    attach("root", "/new", "overlay", 0, "lowerdir=/host,upperdir=/over/upper,workdir=/over/work");
    attach("proc", "/new/proc", "proc", 0, "");
    attach("sysfs", "/new/sys", "sysfs", 0, "");
    attach("devtmpfs", "/new/dev", "devtmpfs", 0, "");
    attach("tmpfs", "/new/run", "tmpfs", 0, "");
    attach("tmpfs", "/new/dev/shm", "tmpfs", 0, "");
    attach("exchange", "/new/exchange", "9p", 0, P9);
    if (chdir("/new") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0) {
        end("root", "/new");
    }
}

static int run(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        execl("/exchange/run", "run", (char *)NULL);
        fprintf(stderr, "init: /exchange/run: %s\n", strerror(errno));
        _exit(127);
    }
    for (pid_t ended = 0; ended != child;) { /* orphans end here too */
        int one;
        ended = wait(&one);
        status = ended == child ? one : status;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
    load_all();
    mount_all();
    int code = run();
    FILE *file = fopen("/exchange/code", "w");
    if (!file || fprintf(file, "%d\n", code) < 0 || fclose(file) != 0) {
        end("write", "/exchange/code");
    }
    end(NULL, NULL);
}
