// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that nobody here wrote, beside a region in use: stress-ng's stressors
 * of memory and processes, and the fuzzer trinity on the calls that deal with
 * memory. They press for memory, fork, map and unmap; the region's content must
 * stay, and the kernel log nothing. -s: seconds of each.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"

#define USERS	3
#define PAGES	256UL
#define NOBODY	65534
#define MOST	20	/* arguments */

/* shared->flag */
#define STOP	0
/* shared->number + user: rounds that it has done */

struct command {
	const char *argv[MOST];	/* "SECONDS" stands for how many there are */
	bool unprivileged;
	int tries;		/* 0: one. A fuzzer may trip over its own feet */
};

static char *seconds_text(void)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u", opt_seconds ?: 10);
	return text;
}

static u64 *word(char *p, u64 page, u64 round)
{
	return (u64 *)(p + page * PAGE + round % 512 * 8);
}

/* Half of the pages are of anonymous memory, half of a memfd; each user has every third. */
static void use(void *arg)
{
	const unsigned int me = (uintptr_t)arg;
	int fd = region_open("a", O_RDWR);
	char *p = region_map(fd, RW);
	u64 round, i;

	for (round = 1; !flag_get(STOP); round++) {
		for (i = me; i < PAGES; i += USERS)
			__atomic_store_n(word(p, i, round), round * PAGES + i, __ATOMIC_RELAXED);
		usleep(1000);
		for (i = me; i < PAGES; i += USERS) {
			u64 have = __atomic_load_n(word(p, i, round), __ATOMIC_RELAXED);

			CHECK_MSG(have == round * PAGES + i, "round %llu, page %llu: %#llx",
				  (unsigned long long)round, (unsigned long long)i,
				  (unsigned long long)have);
		}
		shared->number[me] = round;
	}
}

static void become_nobody(void)
{
	CHECK_OK(setgroups(0, NULL));
	CHECK_OK(setresgid(NOBODY, NOBODY, NOBODY));
	CHECK_OK(setresuid(NOBODY, NOBODY, NOBODY));
	/* Leaving root's identity has cleared it. */
	CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static void execute(void *arg)
{
	const struct command *command = arg;
	const char *argv[MOST + 1] = { NULL };
	static char folder[32];
	int i, null = open("/dev/null", O_RDWR);

	CHECK_OK(null);
	snprintf(folder, sizeof(folder), "/tmp/others-XXXXXX");
	CHECK(mkdtemp(folder));
	CHECK_OK(chmod(folder, 0777));
	CHECK_OK(chdir(folder));
	for (i = 0; command->argv[i]; i++) {
		argv[i] = command->argv[i];
		if (!strcmp(argv[i], "SECONDS"))
			argv[i] = seconds_text();
		if (!strcmp(argv[i], "REGIONS"))
			argv[i] = test_mnt;
	}
	CHECK_OK(setenv("HOME", folder, 1));
	if (command->unprivileged)
		become_nobody();
	CHECK_OK(dup2(null, STDIN_FILENO));
	CHECK_OK(dup2(null, STDOUT_FILENO));
	execv(argv[0], (char **)argv);
	test_fail(__FILE__, __LINE__, "%s: %s", argv[0], strerror(errno));
}

static void beside(void)
{
	const struct command *command = test_arg;
	u64 before[USERS];
	pid_t user[USERS];
	int fd, memory, status, tries = 0;
	uintptr_t i;

	if (access(command->argv[0], X_OK))
		test_skip("there is no %s", command->argv[0]);
	/* For shm_open. Whoever has one keeps it. */
	mkdir("/dev/shm", 01777);
	mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
	fd = region_new("a", 1);
	CHECK_OK(chmod(in_mnt("a"), 0666));
	memory = memfd_create("others", MFD_CLOEXEC);
	CHECK_OK(memory);
	CHECK_OK(ftruncate(memory, PAGES / 2 * PAGE));
	CHECK_OK(object_add(fd, 0, PAGES / 2 * PAGE));
	CHECK_OK(object_create(fd, PAGES / 2 * PAGE, PAGES / 2 * PAGE, RW, MAP_SHARED | MAP_FIXED,
			       memory, 0));
	for (i = 0; i < USERS; i++)
		user[i] = spawn(use, (void *)i);
	for (i = 0; i < USERS; i++)
		while (!(before[i] = __atomic_load_n(&shared->number[i], __ATOMIC_ACQUIRE)))
			usleep(10000);

	do {
		status = join(spawn(execute, (void *)command));
	} while (status && ++tries < command->tries);
	CHECK_MSG(!status, "%s: wait status %#x", command->argv[0], status);

	flag_raise(STOP);
	for (i = 0; i < USERS; i++) {
		join_ok(user[i]);
		CHECK_MSG(shared->number[i] > before[i], "user %d did nothing meanwhile", (int)i);
	}
	test_note("%llu rounds of the first user", (unsigned long long)shared->number[0]);
}

#define STRESS_NG	"/usr/bin/stress-ng", "--quiet", "--timeout", "SECONDS", "--oomable"

static const struct command vm = {
	{ STRESS_NG, "--vm", "2", "--vm-bytes", "192M", "--vm-method", "all", "--verify" },
};

static const struct command mapping = { { STRESS_NG, "--mmap", "2", "--mmap-bytes", "64M" } };
static const struct command shm = {
	{ STRESS_NG, "--shm", "2", "--shm-bytes", "4M", "--shm-sysv", "2" },
};

static const struct command forks = { { STRESS_NG, "--fork", "2", "--fork-vm" } };

static const struct command calls = {
	{ "/usr/bin/trinity", "-qq", "-D", "-l", "off", "-a", "64", "-g", "vm", "-C", "4",
	  "-N", "2000", "--disable-fds=sockets", "--disable-fds=perf", "-V", "REGIONS" },
	.unprivileged = true,
	.tries = 3,
};

static const struct test_case cases[] = {
	{ "stress-ng: vm", beside, .arg = &vm, .slow = 4 },
	{ "stress-ng: mmap", beside, .arg = &mapping, .slow = 4 },
	{ "stress-ng: shm", beside, .arg = &shm, .slow = 4 },
	{ "stress-ng: fork", beside, .arg = &forks, .slow = 4 },
	{ "trinity: calls of memory", beside, .arg = &calls, .slow = 6 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
