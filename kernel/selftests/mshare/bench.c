// SPDX-License-Identifier: GPL-2.0
/*
 * What a region costs and saves, beside a memfd and huge pages in the same run.
 *
 * This measures and judges nothing: a line of JSON for each measurement, notes
 * on lines that begin with "#". Rounds go through all kinds of memory in turn,
 * so that what disturbs the machine disturbs them alike.
 *
 * Options: -q small and quick, -p processes, -m MiB, -n rounds, -t seconds that
 * one measurement may take.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "region.h"

#define MOST		256	/* processes */
#define COUNTS		9	/* 1, 2, 4, ... MOST */
#define CREATED		1024	/* regions or files that are there at once */
#define MAPPED		4096	/* mappings that are there at once */
#define FEW		3	/* processes that touch in each round */
#define RANDOM		32	/* processes that touch randomly at once */

#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"

/* shared->flag: processes that got so far, and the word to go on. */
#define STARTED		0
#define GO		1
#define TOUCHED		2
#define END		3

struct memory {
	const char *name;
	int (*make)(unsigned int number, u64 size);	/* returns a descriptor */
	u64 unit;					/* the mapping is a multiple of it */
};

/* One process of a sequence. Each waits for its own turn, so that the others sleep. */
struct client {
	u32 turn;
	long faults;
	u64 attach, touch, detach;	/* ns */
};

/* What a process that measures tells the one that started it. */
struct results {
	struct client client[MOST];
	u64 ns[2];
	long count;
};

struct task {
	const struct memory *memory;
	int fd;
	u64 size;
	unsigned long count;
	bool touches;
	unsigned int me;
};

static unsigned int processes = MOST, rounds = 5, limit = 600;
static u64 size = 64 * MIB;
static struct results *results;

static u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int make_region(unsigned int number, u64 length)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "r%u", number);
	fd = region_new(name, (length + granule() - 1) / granule());
	CHECK_OK(object_add(fd, 0, length));
	CHECK_OK(unlink(in_mnt(name)));
	return fd;
}

static int make_memfd(unsigned int number, u64 length)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	(void)number;
	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, length));
	return fd;
}

static int make_hugetlb(unsigned int number, u64 length)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_HUGETLB);

	(void)number;
	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, length));
	return fd;
}

static struct memory memories[] = {
	{ "msharefs", make_region },
	{ "memfd", make_memfd, PAGE },
	{ "hugetlb", make_hugetlb },
};

#define KINDS	((int)ARRAY_SIZE(memories))

static u64 length_of(const struct memory *memory, u64 length)
{
	return (length + memory->unit - 1) / memory->unit * memory->unit;
}

static char *attach(const struct memory *memory, int fd, u64 length)
{
	char *p = mmap(NULL, length_of(memory, length), RW, MAP_SHARED, fd, 0);

	CHECK_OK(p);
	return p;
}

static void detach(const struct memory *memory, char *p, u64 length)
{
	CHECK_OK(munmap(p, length_of(memory, length)));
}

/* A byte of each base page, also where pages are huge. */
static void touch(char *p, u64 length, bool store)
{
	u64 i;

	for (i = 0; i < length; i += PAGE) {
		if (store)
			__atomic_store_n(p + i, 1, __ATOMIC_RELAXED);
		else
			__atomic_load_n(p + i, __ATOMIC_RELAXED);
	}
}

/* Random pages, every second touch a store. */
static void touch_randomly(char *p, u64 length, unsigned long count, u64 seed)
{
	u64 x = seed * 0x9e3779b97f4a7c15ULL + 1;
	unsigned long i;

	for (i = 0; i < count; i++) {
		u64 at;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at = x % (length / PAGE) * PAGE;
		if (i & 1)
			__atomic_store_n(p + at, 1, __ATOMIC_RELAXED);
		else
			__atomic_load_n(p + at, __ATOMIC_RELAXED);
	}
}

/* Run the code that measures over a page of our own, so that its own faults are behind us. */
static void warm_up(void)
{
	char *own = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_OK(own);
	touch(own, PAGE, true);
	touch(own, PAGE, false);
	touch_randomly(own, PAGE, 2, now());
	faults();
	faults();
	CHECK_OK(munmap(own, PAGE));
}

static void begin(const char *measure, const struct memory *memory, unsigned int round)
{
	test_note("%s: %s, round %u", measure, memory->name, round + 1);
	memset(shared, 0, sizeof(*shared));
	memset(results, 0, sizeof(*results));
	alarm(limit);
}

/* The beginning of a line of JSON. */
static void head(const char *measure, const struct memory *memory, unsigned int round)
{
	printf("{\"measure\": \"%s\", \"memory\": \"%s\", \"round\": %u", measure, memory->name,
	       round);
}

static void number(const char *key, long long value)
{
	printf(", \"%s\": %lld", key, value);
}

static void tail(void)
{
	printf("}\n");
}

static void turn_give(struct client *client)
{
	__atomic_add_fetch(&client->turn, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &client->turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void turn_await(struct client *client, u32 at_least)
{
	u32 is;

	for (is = __atomic_load_n(&client->turn, __ATOMIC_SEQ_CST); is < at_least;
	     is = __atomic_load_n(&client->turn, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &client->turn, FUTEX_WAIT, is, NULL, NULL, 0);
}

static void sequence_client(void *arg)
{
	const struct task *task = arg;
	struct client *client = &results->client[task->me];
	u64 start;
	long before;
	char *p;

	warm_up();
	flag_raise(STARTED);

	turn_await(client, 1);
	start = now();
	p = attach(task->memory, task->fd, task->size);
	client->attach = now() - start;
	before = faults();
	start = now();
	touch(p, task->size, task->touches);
	client->touch = now() - start;
	client->faults = faults() - before;
	flag_raise(TOUCHED);

	turn_await(client, 2);
	start = now();
	detach(task->memory, p, task->size);
	client->detach = now() - start;
	flag_raise(END);
}

static void print_clients(const char *key, unsigned int n, size_t member)
{
	unsigned int i;

	printf(", \"%s\": [", key);
	for (i = 0; i < n; i++)
		printf("%s%lld", i ? ", " : "",
		       *(long long *)((char *)&results->client[i] + member));
	printf("]");
}

/*
 * Processes are there from the beginning; one after the other attaches and
 * touches every page. So PageTables grows by what attaching and touching take,
 * and not by what a process takes anyway. The first process stores. Of few, the
 * others load and store in turn; of many, all others load: they build the same
 * page tables with fewer faults.
 */
static void measure_sequence(const char *measure, const struct memory *memory, int fd, u64 length,
			     unsigned int n, unsigned int round)
{
	struct task task = { .memory = memory, .fd = fd, .size = length };
	unsigned int i, counts = 0;
	long before, growth[COUNTS];
	pid_t pids[MOST];

	begin(measure, memory, round);
	for (i = 0; i < n; i++) {
		task.me = i;
		task.touches = !i || (n == FEW && !(i & 1));
		pids[i] = spawn(sequence_client, &task);
	}
	flag_await(STARTED, n);
	mem_kib("PageTables");
	before = mem_kib("PageTables");
	for (i = 0; i < n; i++) {
		turn_give(&results->client[i]);
		flag_await(TOUCHED, i + 1);
		if (!(i & (i + 1)))	/* i + 1 is a power of two */
			growth[counts++] = mem_kib("PageTables") - before;
	}
	for (i = 0; i < n; i++) {
		turn_give(&results->client[i]);
		flag_await(END, i + 1);
	}
	for (i = 0; i < n; i++)
		join_ok(pids[i]);

	head(measure, memory, round);
	number("bytes", length);
	printf(", \"tables_kib\": [");
	for (i = 0; i < counts; i++)
		printf("%s%ld", i ? ", " : "", growth[i]);
	printf("]");
	print_clients("faults", n, offsetof(struct client, faults));
	print_clients("attach_ns", n, offsetof(struct client, attach));
	print_clients("touch_ns", n, offsetof(struct client, touch));
	print_clients("detach_ns", n, offsetof(struct client, detach));
	tail();
}

static void measure_many(const struct memory *memory, u64 length)
{
	int fd = memory->make(0, length);

	measure_sequence("many", memory, fd, length, processes, 0);
	CHECK_OK(close(fd));
}

static void attach_task(void *arg)
{
	const struct task *task = arg;
	unsigned long i;
	u64 start;

	warm_up();
	start = now();
	for (i = 0; i < task->count; i++) {
		char *p = attach(task->memory, task->fd, task->size);

		if (task->touches)
			touch(p, PAGE, true);
		detach(task->memory, p, task->size);
	}
	results->ns[0] = now() - start;
}

static void mapped_task(void *arg)
{
	const struct task *task = arg;
	unsigned long i;
	long before;

	warm_up();
	mem_kib("Slab");
	before = mem_kib("Slab");
	for (i = 0; i < task->count; i++)
		attach(task->memory, task->fd, task->size);
	results->count = mem_kib("Slab") - before;
}

static void measure_attach(const struct memory *memory, int fd, unsigned int round)
{
	struct task task = { .memory = memory, .fd = fd, .size = size };
	int touches;

	for (touches = 0; touches < 2; touches++) {
		begin("attach", memory, round);
		task.touches = touches;
		task.count = opt_quick ? 200 : 1000;
		join_ok(spawn(attach_task, &task));
		head("attach", memory, round);
		number("touched_bytes", touches);
		number("count", task.count);
		number("ns", results->ns[0]);
		tail();
	}
	begin("mapped", memory, round);
	task.count = MAPPED;
	join_ok(spawn(mapped_task, &task));
	head("mapped", memory, round);
	number("count", task.count);
	number("slab_kib", results->count);
	tail();
}

static void fork_task(void *arg)
{
	const struct task *task = arg;
	char *p = attach(task->memory, task->fd, task->size);
	unsigned long i;

	warm_up();
	touch(p, task->size, false);
	for (i = 0; i < task->count; i++) {
		u64 start = now();
		pid_t pid = fork();
		long before;
		int status;

		CHECK_OK(pid);
		if (!pid) {
			before = faults();
			if (task->touches)
				touch(p, task->size, false);
			results->count += faults() - before;
			_exit(KSFT_PASS);
		}
		results->ns[0] += now() - start;
		CHECK_OK(waitpid(pid, &status, 0));
		results->ns[1] += now() - start;
		CHECK(status == 0);
	}
}

static void measure_fork(const struct memory *memory, int fd, unsigned int round)
{
	struct task task = { .memory = memory, .fd = fd, .size = size };
	int touches;

	for (touches = 0; touches < 2; touches++) {
		begin("fork", memory, round);
		task.touches = touches;
		task.count = touches ? 4 : opt_quick ? 20 : 100;
		join_ok(spawn(fork_task, &task));
		head("fork", memory, round);
		number("touched_bytes", touches ? size : 0);
		number("count", task.count);
		number("fork_ns", results->ns[0]);
		number("ns", results->ns[1]);
		number("faults", results->count);
		tail();
	}
}

static void random_client(void *arg)
{
	const struct task *task = arg;
	struct client *client = &results->client[task->me];
	char *p = attach(task->memory, task->fd, task->size);
	long before;
	u32 pass;

	warm_up();
	flag_raise(STARTED);
	for (pass = 1; pass <= 2; pass++) {
		flag_await(GO, pass);
		before = faults();
		touch_randomly(p, task->size, task->count, task->me + 1);
		client->faults = faults() - before;
		flag_raise(TOUCHED);
	}
}

/* The same touches twice; at first each process has only what others faulted in for it. */
static void measure_random(const struct memory *memory, int fd, unsigned int round)
{
	struct task task = {
		.memory = memory, .fd = fd, .size = size, .count = opt_quick ? 2000 : 20000,
	};
	unsigned int i, pass, n = processes < RANDOM ? processes : RANDOM;
	pid_t pids[RANDOM];

	begin("random", memory, round);
	for (i = 0; i < n; i++) {
		task.me = i;
		pids[i] = spawn(random_client, &task);
	}
	flag_await(STARTED, n);
	for (pass = 1; pass <= 2; pass++) {
		long sum = 0;
		u64 start = now(), took;

		flag_raise(GO);
		flag_await(TOUCHED, pass * n);
		took = now() - start;
		for (i = 0; i < n; i++)
			sum += results->client[i].faults;
		head("random", memory, round);
		number("pass", pass);
		number("processes", n);
		number("count", n * task.count);
		number("ns", took);
		number("faults", sum);
		tail();
	}
	for (i = 0; i < n; i++)
		join_ok(pids[i]);
}

/* All that the kernel keeps for memory that nobody has mapped or touched. */
static void measure_create(const struct memory *memory, unsigned int round)
{
	unsigned int i, count = opt_quick ? CREATED / 4 : CREATED;
	long free_kib, tables, slab, shmem;
	static int fd[CREATED];
	u64 start, made, closed;

	begin("create", memory, round);
	usleep(500000);		/* what was freed before comes back late */
	mem_kib("MemFree");
	free_kib = mem_kib("MemFree");
	tables = mem_kib("PageTables");
	slab = mem_kib("Slab");
	shmem = mem_kib("Shmem");
	start = now();
	for (i = 0; i < count; i++)
		fd[i] = memory->make(i, 2 * MIB);
	made = now() - start;
	free_kib -= mem_kib("MemFree");
	tables = mem_kib("PageTables") - tables;
	slab = mem_kib("Slab") - slab;
	shmem = mem_kib("Shmem") - shmem;
	start = now();
	for (i = 0; i < count; i++)
		CHECK_OK(close(fd[i]));
	closed = now() - start;
	head("create", memory, round);
	number("count", count);
	number("ns", made);
	number("close_ns", closed);
	number("free_kib", free_kib);
	number("tables_kib", tables);
	number("slab_kib", slab);
	number("shmem_kib", shmem);
	tail();
}

/* Measure by measure, each for all kinds of memory: what is compared is near in time. */
static void measure_round(unsigned int round)
{
	int fd[KINDS], i;

	for (i = 0; i < KINDS; i++)
		fd[i] = memories[i].make(0, size);
	for (i = 0; i < KINDS; i++)
		measure_sequence("few", &memories[i], fd[i], size, FEW, round);
	for (i = 0; i < KINDS; i++)
		measure_attach(&memories[i], fd[i], round);
	for (i = 0; i < KINDS; i++)
		measure_fork(&memories[i], fd[i], round);
	for (i = 0; i < KINDS; i++)
		measure_random(&memories[i], fd[i], round);
	for (i = 0; i < KINDS; i++)
		CHECK_OK(close(fd[i]));
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "qp:m:n:t:")) != -1) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;

		if (c == 'q') {
			opt_quick = true;
			processes = 16;
			size = 32 * MIB;
			rounds = 3;
		} else if (c == 'p' && value >= 4 && value <= MOST && !(value & (value - 1))) {
			processes = value;
		} else if (c == 'm' && value >= 32 && value <= 65536 && value % 32 == 0) {
			size = value * MIB;
		} else if (c == 'n' && value >= 1 && value <= 1000) {
			rounds = value;
		} else if (c == 't' && value >= 1 && value <= INT_MAX) {
			limit = value;
		} else {
			fprintf(stderr, "usage: %s [-q] [-p N] [-m MIB] [-n ROUNDS] [-t SECONDS]\n",
				argv[0]);
			fprintf(stderr, "N: a power of two, 4 to %d; MIB: a multiple of 32\n",
				MOST);
			exit(KSFT_FAIL);
		}
	}
}

/* The pool of huge pages; what it was before. */
static long fill_pool(u64 huge_page)
{
	long was, want = size / huge_page + 4, got;
	char text[64];

	file_read(NR_HUGEPAGES, text, sizeof(text));
	was = strtol(text, NULL, 10);
	snprintf(text, sizeof(text), "%ld", was + want);
	file_write(NR_HUGEPAGES, text);
	file_read(NR_HUGEPAGES, text, sizeof(text));
	got = strtol(text, NULL, 10) - was;
	CHECK_MSG(got >= want, "%ld huge pages needed, %ld to be had: give more memory", want, got);
	return was;
}

static void set_up(void)
{
	const struct rlimit files = { CREATED + 64, CREATED + 64 };

	CHECK_MSG(!geteuid(), "this needs root");
	CHECK_OK(unshare(CLONE_NEWNS));
	CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK_MSG(!mkdir(test_mnt, 0700) || errno == EEXIST, "%s: %s", test_mnt, strerror(errno));
	/* For as many files as are made at once. */
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &files));
	CHECK_OK(mount("msharefs", test_mnt, "msharefs", 0, NULL));
	shared = mmap(NULL, sizeof(*shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(shared);
	results = mmap(NULL, sizeof(*results), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(results);
}

static void print_machine(u64 huge_page)
{
	struct utsname name;

	CHECK_OK(uname(&name));
	printf("{\"measure\": \"machine\", \"release\": \"%s\"", name.release);
	number("cpus", sysconf(_SC_NPROCESSORS_ONLN));
	number("memory_kib", mem_kib("MemTotal"));
	number("granule", granule());
	number("huge_page", huge_page);
	number("processes", processes);
	number("bytes", size);
	number("rounds", rounds);
	tail();
}

int main(int argc, char **argv)
{
	unsigned int round;
	char text[64];
	u64 huge_page;
	long was;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_options(argc, argv);
	set_up();
	huge_page = mem_kib("Hugepagesize") * KIB;
	memories[0].unit = granule();
	memories[2].unit = huge_page;
	was = fill_pool(huge_page);
	print_machine(huge_page);

	for (round = 0; round < rounds; round++)
		for (i = 0; i < KINDS; i++)
			measure_create(&memories[i], round);
	for (round = 0; round < rounds; round++)
		measure_round(round);
	/* Page tables are counted: once is enough. Three sizes, for a line through them. */
	for (i = 0; i < KINDS; i++) {
		measure_many(&memories[i], size / 16);
		measure_many(&memories[i], size / 4);
		measure_many(&memories[i], size);
	}

	snprintf(text, sizeof(text), "%ld", was);
	file_write(NR_HUGEPAGES, text);
	CHECK_OK(umount(test_mnt));
	return KSFT_PASS;
}
