// SPDX-License-Identifier: GPL-2.0
/*
 * A small TAP harness; see harness.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define MOUNT_POINT	"/tmp/mshare-selftest"
#define CASE_SECONDS	60

bool opt_quick;
unsigned int opt_seconds;
unsigned long opt_rounds;
u64 opt_seed = 1;

const char *test_mnt = MOUNT_POINT;
const void *test_arg;
struct shared *shared;

static unsigned int opt_limit = CASE_SECONDS;
static const char *opt_only;
#define SETTINGS	8

/* What the test program and its cases share, beside what the cases see as shared. */
static struct control {
	struct shared shared;
	char skip_reason[256];
	unsigned int settings;
	struct setting {
		char path[128], was[128];
	} setting[SETTINGS];
} *control;

static void ksft_print_msg(const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	printf("# %s\n", text);
	fflush(stdout);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char text[900];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	test_note("%s:%d: [%d] %s", file, line, getpid(), text);
	_exit(KSFT_FAIL);
}

void test_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(control->skip_reason, sizeof(control->skip_reason), fmt, args);
	va_end(args);
	_exit(KSFT_SKIP);
}

void test_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	ksft_print_msg(fmt, args);
	va_end(args);
}

void test_check_ok(const char *file, int line, const char *what, long ret, int err)
{
	if (ret == -1)
		test_fail(file, line, "%s: %s", what, strerror(err));
}

void test_check_err(const char *file, int line, const char *what, long ret, int err,
		    int want, int or_want)
{
	if (ret != -1)
		test_fail(file, line, "%s: returned %ld, not %s", what, ret, strerror(want));
	if (err != want && (!or_want || err != or_want))
		test_fail(file, line, "%s: error %s, not %s", what, strerror(err), strerror(want));
}

pid_t spawn(void (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid == -1)
		test_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(arg);
	_exit(KSFT_PASS);
}

int join(pid_t pid)
{
	int status;

	CHECK_OK(waitpid(pid, &status, 0));
	return status;
}

void join_ok(pid_t pid)
{
	int status = join(pid);

	CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == KSFT_PASS, "wait status %#x", status);
}

void join_signal(pid_t pid, int sig)
{
	int status = join(pid);

	CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == sig, "wait status %#x", status);
}

void kill_join(pid_t pid)
{
	CHECK_OK(kill(pid, SIGKILL));
	join_signal(pid, SIGKILL);
}

void run_on_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	CHECK_OK(sched_setaffinity(0, sizeof(set), &set));
}

void flag_raise(int which)
{
	__atomic_add_fetch(&shared->flag[which], 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &shared->flag[which], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

u32 flag_get(int which)
{
	return __atomic_load_n(&shared->flag[which], __ATOMIC_SEQ_CST);
}

void flag_await(int which, u32 at_least)
{
	u32 now;

	for (now = flag_get(which); now < at_least; now = flag_get(which))
		syscall(SYS_futex, &shared->flag[which], FUTEX_WAIT, now, NULL, NULL, 0);
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool done;

	if (fd == -1)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

void test_set(const char *path, const char *value)
{
	struct setting *setting = &control->setting[control->settings];
	char text[256], *begin;
	FILE *file = fopen(path, "r");

	if (!file)
		test_skip("there is no %s", path);
	CHECK(fgets(text, sizeof(text), file));
	fclose(file);
	/* Of a choice, the word in brackets is in force. */
	begin = strchr(text, '[');
	begin = begin ? begin + 1 : text;
	begin[strcspn(begin, "]\n")] = 0;

	CHECK(control->settings < SETTINGS);
	snprintf(setting->path, sizeof(setting->path), "%s", path);
	snprintf(setting->was, sizeof(setting->was), "%.*s", (int)sizeof(setting->was) - 1, begin);
	control->settings++;
	if (!write_text(path, value))
		test_fail(__FILE__, __LINE__, "writing %s to %s: %s", value, path, strerror(errno));
}

/* Put back what the case has set, the last one first. */
static bool settings_back(void)
{
	bool done = true;

	while (control->settings) {
		struct setting *setting = &control->setting[--control->settings];

		if (write_text(setting->path, setting->was))
			continue;
		printf("# writing %s to %s: %s\n", setting->was, setting->path, strerror(errno));
		done = false;
	}
	return done;
}

/* Wait for the case; returns its wait status, or -1 when its time is over. */
static int wait_case(pid_t pid, unsigned int seconds)
{
	const struct timespec tick = { .tv_nsec = 100000000 };
	struct timespec start, now;
	sigset_t chld;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec >= (time_t)seconds)
			return -1;
		sigtimedwait(&chld, NULL, &tick);
	}
}

/* Kill what is left of the case's process group, and reap it (we are its subreaper). */
static bool end_processes(pid_t group)
{
	int tries;

	for (tries = 0; tries < 500; tries++) {
		pid_t pid;

		kill(-group, SIGKILL);
		do {
			pid = waitpid(-1, NULL, WNOHANG);
		} while (pid > 0);
		if (pid == -1)
			return true;
		usleep(10000);
	}
	return false;
}

static bool end_mount(void)
{
	int tries;

	for (tries = 0; tries < 200; tries++) {
		if (!umount(MOUNT_POINT))
			return true;
		if (errno != EBUSY)
			return false;
		usleep(10000);
	}
	return false;
}

static int run_case(const struct test_case *tc)
{
	int status, result;
	sigset_t chld;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	control->skip_reason[0] = 0;
	if (mount("msharefs", MOUNT_POINT, "msharefs", 0, tc->mount_opts)) {
		printf("# mount with options \"%s\": %s\n", tc->mount_opts ?: "", strerror(errno));
		return KSFT_FAIL;
	}
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigemptyset(&chld);
		sigaddset(&chld, SIGCHLD);
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		test_arg = tc->arg;
		tc->run();
		_exit(KSFT_PASS);
	}
	setpgid(pid, pid);
	status = wait_case(pid, opt_limit * (tc->slow ?: 1));
	result = KSFT_FAIL;
	if (status == -1)
		printf("# no end after %u s\n", opt_limit * (tc->slow ?: 1));
	else if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	else
		result = WEXITSTATUS(status);
	if (!end_processes(pid)) {
		printf("# processes of the case cannot be killed\n");
		result = KSFT_FAIL;
	}
	if (!settings_back())
		result = KSFT_FAIL;
	if (!end_mount()) {
		printf("# umount after the case: %s\n", strerror(errno));
		umount2(MOUNT_POINT, MNT_DETACH);
		result = KSFT_FAIL;
	}
	return result;
}

static bool filesystem_known(void)
{
	FILE *file = fopen("/proc/filesystems", "r");
	bool known = false;
	char line[128];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		known |= !!strstr(line, "msharefs");
	fclose(file);
	return known;
}

static void skip_all(const char *reason)
{
	printf("1..0 # SKIP %s\n", reason);
	exit(KSFT_SKIP);
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "qs:n:r:t:c:")) != -1) {
		switch (c) {
		case 'q':
			opt_quick = true;
			break;
		case 's':
			opt_seconds = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			opt_rounds = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			opt_seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			opt_limit = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			opt_only = optarg;
			break;
		default:
			fprintf(stderr,
				"usage: %s [-q] [-s seconds] [-n rounds] [-r seed] [-t limit of a case, s] [-c part of a case's name]\n",
				argv[0]);
			exit(KSFT_FAIL);
		}
	}
}

static void set_up(void)
{
	sigset_t chld;

	if (geteuid())
		skip_all("needs root");
	if (!filesystem_known())
		skip_all("this kernel has no msharefs");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip_all("cannot make a mount namespace");
	if (mkdir(MOUNT_POINT, 0700) && errno != EEXIST)
		skip_all("cannot make " MOUNT_POINT);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (control == MAP_FAILED)
		skip_all("no memory");
	shared = &control->shared;
}

static bool selected(const struct test_case *tc)
{
	return !opt_only || strstr(tc->name, opt_only);
}

int test_main(int argc, char **argv, const struct test_case *cases, size_t n)
{
	size_t i, planned = 0, number = 0, passed = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_options(argc, argv);
	printf("TAP version 13\n");
	set_up();
	for (i = 0; i < n; i++)
		planned += selected(&cases[i]);
	printf("1..%zu\n", planned);
	for (i = 0; i < n; i++) {
		struct timespec start, end;
		int result;

		if (!selected(&cases[i]))
			continue;
		number++;
		clock_gettime(CLOCK_MONOTONIC, &start);
		result = run_case(&cases[i]);
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (end.tv_sec - start.tv_sec >= 2)
			printf("# %ld s\n", (long)(end.tv_sec - start.tv_sec));
		if (result == KSFT_SKIP) {
			printf("ok %zu %s # SKIP %s\n", number, cases[i].name,
			       control->skip_reason);
		} else if (result == KSFT_PASS) {
			printf("ok %zu %s\n", number, cases[i].name);
			passed++;
		} else {
			printf("not ok %zu %s\n", number, cases[i].name);
			failed++;
		}
	}
	printf("# Totals: pass:%zu fail:%zu xfail:0 xpass:0 skip:%zu error:0\n", passed, failed,
	       number - passed - failed);
	if (failed)
		return KSFT_FAIL;
	return passed ? KSFT_PASS : KSFT_SKIP;
}
