// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that nobody here wrote, beside a region in use: stress-ng's stressors
 * of memory and processes, and the fuzzer trinity on the calls that deal with
 * memory. They fork, map and unmap, and fill memory; the region, which is paged out
 * all the time, must keep its content, and the kernel log nothing. -s: seconds of
 * each stressor; -r: the fuzzer's seed; -q: with little memory, as a debug kernel
 * needs minutes for a round with half of it.
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
#define BANKS	8		/* of which one is in use, while the others rest */
#define PAGES	768UL
#define WORDS	(PAGE / sizeof(u64))
#define NOBODY	65534
#define MOST	24		/* arguments */

/* shared->flag */
#define STOP	0
/* shared->number + user: rounds that it has done */

/* In argv, what is in capitals stands for what it names. */
struct command {
	const char *argv[MOST];
	const char *report;	/* what it writes; NULL: its output */
	const char *did;	/* in that, the number after each of these is not 0 */
	bool unprivileged;
};

static char folder[32];

static u64 word_of(u64 round, u64 page, u64 word)
{
	return round * 0x9e3779b97f4a7c15ULL + page * 1009 + word;
}

/* All of a page, as the round left it that stored it; round 0: zeros. */
static void check_page(const char *p, u64 page, u64 round)
{
	const u64 *at = (const u64 *)(p + page * PAGE);
	u64 i;

	for (i = 0; i < WORDS; i++) {
		u64 want = round ? word_of(round, page, i) : 0;
		u64 have = __atomic_load_n(at + i, __ATOMIC_RELAXED);

		CHECK_MSG(have == want, "page %llu of round %llu, word %llu: %#llx",
			  (unsigned long long)page, (unsigned long long)round,
			  (unsigned long long)i, (unsigned long long)have);
	}
}

static void store_page(char *p, u64 page, u64 round)
{
	u64 *at = (u64 *)(p + page * PAGE);
	u64 i;

	for (i = 0; i < WORDS; i++)
		__atomic_store_n(at + i, word_of(round, page, i), __ATOMIC_RELAXED);
}

/*
 * Half of the pages are of anonymous memory, half of a memfd; each user has every
 * third. They rest between two rounds of their bank, long enough to be taken out.
 */
static void use(void *arg)
{
	const u64 me = (uintptr_t)arg;
	u64 last[BANKS] = { 0 }, round, bank, i;
	int fd = region_open("a", O_RDWR);
	char *p = region_map(fd, RW);

	for (round = 1; !flag_get(STOP); round++) {
		bank = round % BANKS;
		for (i = bank; i < PAGES; i += BANKS) {
			if (i / BANKS % USERS != me)
				continue;
			check_page(p, i, last[bank]);
			store_page(p, i, round);
		}
		last[bank] = round;
		shared->number[me] = round;
		usleep(100000);
	}
	for (i = 0; i < PAGES; i++)
		if (i / BANKS % USERS == me)
			check_page(p, i, last[i % BANKS]);
}

/* Whatever the command leaves of the memory, some of the region is in swap all the time. */
static void page_out(void *unused)
{
	char *p = region_map(region_open("a", O_RDWR), RW);

	(void)unused;
	for (; !flag_get(STOP); usleep(500000))
		CHECK_OK(madvise(p, PAGES * PAGE, MADV_PAGEOUT));
}

static void become_nobody(void)
{
	CHECK_OK(setgroups(0, NULL));
	CHECK_OK(setresgid(NOBODY, NOBODY, NOBODY));
	CHECK_OK(setresuid(NOBODY, NOBODY, NOBODY));
	/* Leaving root's identity has cleared it. */
	CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static const char *argument(const char *word)
{
	static char seconds[16], seed[32];

	if (!strcmp(word, "REGIONS"))
		return test_mnt;
	if (!strcmp(word, "HALF"))
		return opt_quick ? "16M" : "50%";
	if (!strcmp(word, "MUCH"))
		return opt_quick ? "4M" : "64M";
	if (!strcmp(word, "SECONDS")) {
		snprintf(seconds, sizeof(seconds), "%u", opt_seconds ?: 10);
		return seconds;
	}
	if (!strcmp(word, "SEED")) {
		snprintf(seed, sizeof(seed), "%llu", (unsigned long long)opt_seed);
		return seed;
	}
	return word;
}

static void execute(void *arg)
{
	const struct command *command = arg;
	const char *argv[MOST + 1] = { NULL };
	int i, in, out;

	for (i = 0; command->argv[i]; i++)
		argv[i] = argument(command->argv[i]);
	CHECK_OK(chdir(folder));
	in = open("/dev/null", O_RDONLY);
	CHECK_OK(in);
	out = open("output", O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK_OK(out);
	CHECK_OK(dup2(in, STDIN_FILENO));
	CHECK_OK(dup2(out, STDOUT_FILENO));
	CHECK_OK(setenv("HOME", folder, 1));
	if (command->unprivileged)
		become_nobody();
	execv(argv[0], (char **)argv);
	test_fail(__FILE__, __LINE__, "%s: %s", argv[0], strerror(errno));
}

/* It did something: its report has numbers after the word, and none is 0. */
static void check_report(const struct command *command)
{
	char path[64], line[512];
	int numbers = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, command->report ?: "output");
	file = fopen(path, "r");
	CHECK_MSG(file, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, command->did);
		long long n;

		if (!at)
			continue;
		n = strtoll(at + strlen(command->did), NULL, 10);
		CHECK_MSG(n > 0, "%s", line);
		test_note("%s %lld", command->did, n);
		numbers++;
	}
	fclose(file);
	CHECK_MSG(numbers, "%s says nowhere \"%s\"", path, command->did);
}

/* A folder that is removed with all that is in it. */
static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/others-XXXXXX");
	CHECK(mkdtemp(folder));
	CHECK_OK(mount("tmpfs", folder, "tmpfs", 0, "mode=1777"));
}

static void remove_folder(void)
{
	CHECK_OK(umount2(folder, MNT_DETACH));
	CHECK_OK(rmdir(folder));
}

static void beside(void)
{
	const struct command *command = test_arg;
	u64 before[USERS], swapped;
	pid_t user[USERS], pager;
	int fd, memory, status;
	uintptr_t i;

	if (access(command->argv[0], X_OK))
		test_skip("there is no %s", command->argv[0]);
	/* For shm_open; in the mount namespace of the test. */
	if (access("/dev/shm", F_OK)) {
		CHECK_OK(mkdir("/dev/shm", 01777));
		CHECK_OK(mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL));
	}
	make_folder();
	fd = region_new("a", 1);
	memory = memfd_create("others", MFD_CLOEXEC);
	CHECK_OK(memory);
	CHECK_OK(ftruncate(memory, PAGES / 2 * PAGE));
	CHECK_OK(object_add(fd, 0, PAGES / 2 * PAGE));
	CHECK_OK(object_create(fd, PAGES / 2 * PAGE, PAGES / 2 * PAGE, RW, MAP_SHARED | MAP_FIXED,
			       memory, 0));
	/* One for the fuzzer to write to. */
	CHECK_OK(object_add(region_new("b", 1), 0, PAGES * PAGE));
	CHECK_OK(chmod(in_mnt("b"), 0666));
	for (i = 0; i < USERS; i++)
		user[i] = spawn(use, (void *)i);
	for (i = 0; i < USERS; i++)
		while (!(before[i] = __atomic_load_n(&shared->number[i], __ATOMIC_ACQUIRE)))
			usleep(10000);

	swapped = vm_stat("pswpout");
	pager = spawn(page_out, NULL);
	status = join(spawn(execute, (void *)command));
	CHECK_MSG(!status, "%s: wait status %#x", command->argv[0], status);
	swapped = vm_stat("pswpout") - swapped;

	flag_raise(STOP);
	join_ok(pager);
	for (i = 0; i < USERS; i++) {
		join_ok(user[i]);
		CHECK_MSG(shared->number[i] > before[i], "user %d did nothing meanwhile", (int)i);
	}
	check_report(command);
	test_note("%llu rounds of the first user, %llu pages swapped out",
		  (unsigned long long)shared->number[0], (unsigned long long)swapped);
	CHECK(swapped || mem_kib("SwapTotal") <= 0);
	remove_folder();
}

#define STRESS_NG \
	"/usr/bin/stress-ng", "--quiet", "--timeout", "SECONDS", "--oomable", "--metrics-brief", \
	"--yaml", "report.yaml"
#define OF_STRESS_NG	.report = "report.yaml", .did = "bogo-ops: "

static const struct command vm = {
	{ STRESS_NG, "--vm", "2", "--vm-bytes", "HALF", "--vm-method", "all", "--verify" },
	OF_STRESS_NG,
};

static const struct command mapping = {
	{ STRESS_NG, "--mmap", "2", "--mmap-bytes", "MUCH" }, OF_STRESS_NG,
};

static const struct command shm = {
	{ STRESS_NG, "--shm", "2", "--shm-bytes", "4M", "--shm-sysv", "2" }, OF_STRESS_NG,
};

static const struct command forks = {
	{ STRESS_NG, "--fork", "2", "--fork-vm" }, OF_STRESS_NG,
};

/* Without what it makes of sockets and counters, which it does not survive everywhere. */
static const struct command calls = {
	{ "/usr/bin/trinity", "-q", "-D", "-l", "off", "-a", "64", "-g", "vm", "-C", "4", "-s",
	  "SEED", "-N", "5000", "--disable-fds=sockets", "--disable-fds=perf", "-V", "REGIONS" },
	.did = "[main] Ran ", .unprivileged = true,
};

static const struct test_case cases[] = {
	{ "stress-ng: vm", beside, .arg = &vm, .slow = 4 },
	{ "stress-ng: mmap", beside, .arg = &mapping, .slow = 4 },
	{ "stress-ng: shm", beside, .arg = &shm, .slow = 4 },
	{ "stress-ng: fork", beside, .arg = &forks, .slow = 4 },
	{ "trinity: calls of memory", beside, .arg = &calls, .slow = 4 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
