// SPDX-License-Identifier: GPL-2.0
/*
 * System calls with arguments that are right, nearly right or random, by a seed (-r), from
 * processes whose threads race for the same descriptors, addresses and regions; for a time (-s) or
 * a number of calls each (-n). What a call answers does not matter: the kernel must live, log
 * nothing, and have nothing left in the end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "level.h"
#include "region.h"

#define PROCESSES	4
#define FEW		1000	/* calls: an emulated debug kernel does as many in a few seconds */
#define THREADS		3
#define NAMES		4	/* regions that all of them know */
#define FDS		6
#define MAPS		6
#define WINDOW		(64UL << 30)	/* where mappings are put on purpose */

/*
 * As much memory outside of regions as one call may fill, and about as large as a file gets, which
 * a mapping fills with MAP_POPULATE, or a stray jump executes: with gigabytes, a debug kernel holds
 * the locks for minutes, says so, and nothing of regions is tested meanwhile. Theirs the mount
 * limits.
 */
#define MUCH		(16 * MIB)

/* Of one process; its threads race for it. */
struct process {
	int fd[FDS];
	char *map[MAPS];
	u64 length[MAPS];
};

struct thread {
	struct process *process;
	u64 random;
	unsigned long calls;
};

static time_t deadline;
static char *window;
static int counter;	/* an eventfd: random calls can hit what is mapped, also what is shared */

static u64 next(struct thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

static u64 below(struct thread *t, u64 n)
{
	return next(t) % n;
}

static bool one_in(struct thread *t, u64 n)
{
	return below(t, n) == 0;
}

static const char *name(struct thread *t, char text[64])
{
	if (one_in(t, 40))
		snprintf(text, 64, "%s/mshare_info", test_mnt);
	else
		snprintf(text, 64, "%s/%llu", test_mnt, (unsigned long long)below(t, NAMES));
	return text;
}

/* A length or an offset: most often one that can work. */
static u64 number(struct thread *t)
{
	static const u64 interesting[] = {
		0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * MIB, 2 * MIB - PAGE, 1UL << 30,
		(1UL << 30) - PAGE, 1UL << 31, 1UL << 39, 1UL << 46, 1UL << 47, 1UL << 62,
		1UL << 63, -PAGE, -1UL,
	};

	switch (below(t, 8)) {
	case 0:
		return interesting[below(t, ARRAY_SIZE(interesting))];
	case 1:
		return next(t) >> below(t, 64);
	case 2:
		return below(t, 8) * (2 * MIB);
	case 3:
		return (1UL << 30) * below(t, 4);
	case 4:
		/* Around the border of two granules. */
		return (1UL << 30) - 16 * PAGE + below(t, 32) * PAGE;
	default:
		return below(t, 64) * PAGE;
	}
}

static int any_fd(struct thread *t)
{
	if (one_in(t, 50))
		return below(t, 40) - 4;
	return __atomic_load_n(&t->process->fd[below(t, FDS)], __ATOMIC_RELAXED);
}

static char *any_address(struct thread *t)
{
	char *map = __atomic_load_n(&t->process->map[below(t, MAPS)], __ATOMIC_RELAXED);

	if (one_in(t, 12) || !map)
		return window + below(t, 48) * (1UL << 30) + (one_in(t, 4) ? number(t) : 0);
	return map + number(t) % (2UL << 30);
}

static void open_any(struct thread *t)
{
	static const int access[] = { O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY, O_PATH };
	int flags = access[below(t, ARRAY_SIZE(access))] | O_CLOEXEC, fd, old;
	char text[64];

	flags |= one_in(t, 2) ? O_CREAT : 0;
	flags |= one_in(t, 8) ? O_TRUNC : 0;
	flags |= one_in(t, 8) ? O_EXCL : 0;
	if (one_in(t, 6))
		fd = memfd_create("fuzz", one_in(t, 8) ? MFD_HUGETLB : MFD_ALLOW_SEALING);
	else
		fd = open(name(t, text), flags, 0600);
	if (fd == -1)
		return;
	old = __atomic_exchange_n(&t->process->fd[below(t, FDS)], fd, __ATOMIC_RELAXED);
	if (old > 2)
		close(old);
}

static void create_mapping(struct thread *t)
{
	struct mshare_create args = {
		.region_offset = number(t), .size = number(t),
		.offset = one_in(t, 4) ? number(t) : 0,
		.prot = one_in(t, 6) ? below(t, 16) : RW, .flags = ANON, .fd = -1,
	};

	if (one_in(t, 3)) {
		args.flags = MAP_SHARED | MAP_FIXED;
		args.fd = any_fd(t);
	}
	if (one_in(t, 6)) {
		args.flags |= MAP_HUGETLB;
		if (!one_in(t, 4)) {
			args.region_offset &= -HUGE;
			args.size = (1 + below(t, 3)) * HUGE;
		}
	}
	if (one_in(t, 8))
		args.flags ^= 1U << below(t, 32);
	if (one_in(t, 20))
		args.flags = next(t);
	ioctl(any_fd(t), MSHAREFS_CREATE_MAPPING, &args);
}

static void unmap_objects(struct thread *t)
{
	struct mshare_unmap args = { .region_offset = number(t), .size = number(t) };

	ioctl(any_fd(t), MSHAREFS_UNMAP, &args);
}

static void map_any(struct thread *t)
{
	static const u64 granules[] = { 1, 1, 1, 2, 2, 3, 64 };
	u64 length = one_in(t, 10) ? number(t) : granules[below(t, ARRAY_SIZE(granules))] << 30;
	int flags = MAP_SHARED, which = below(t, MAPS), prot;
	char *at = NULL, *got;

	if (one_in(t, 3)) {
		at = window + below(t, 32) * (1UL << 30) + (one_in(t, 10) ? number(t) % MIB : 0);
		flags |= MAP_FIXED;
	}
	flags ^= one_in(t, 20) ? 1 << below(t, 22) : 0;
	/* Only over what is ours: the flag can come by chance, without an address. */
	if ((flags & MAP_FIXED) && (at < window || at + length > window + WINDOW))
		return;
	/* Also by chance: shared memory of no file. */
	if ((flags & MAP_ANONYMOUS) && length > MUCH)
		return;
	prot = one_in(t, 4) ? below(t, 8) : RW;
	got = mmap(at, length, prot, flags, any_fd(t), one_in(t, 12) ? number(t) & -PAGE : 0);
	if (got == MAP_FAILED)
		return;
	/*
	 * No region, whose mappings are never executable. A thread whose stack was hit can jump
	 * into such a file, and executes zeros then for as long as there are any.
	 */
	if (prot & PROT_EXEC) {
		munmap(got, length);
		return;
	}
	__atomic_store_n(&t->process->map[which], got, __ATOMIC_RELAXED);
	__atomic_store_n(&t->process->length[which], length, __ATOMIC_RELAXED);
}

static void unmap_any(struct thread *t)
{
	int which = below(t, MAPS);
	char *map = __atomic_load_n(&t->process->map[which], __ATOMIC_RELAXED);
	u64 length = __atomic_load_n(&t->process->length[which], __ATOMIC_RELAXED), from = 0;

	if (!map)
		return;
	if (one_in(t, 3)) {
		from = number(t) % (1UL << 31);
		length = number(t) % (1UL << 31);
	} else {
		__atomic_store_n(&t->process->map[which], NULL, __ATOMIC_RELAXED);
	}
	if (map >= window && map + from + length <= window + WINDOW)
		munmap(map + from, length);
	else if (!from)
		munmap(map, __atomic_load_n(&t->process->length[which], __ATOMIC_RELAXED));
}

static void advise(struct thread *t)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
		MADV_DOFORK, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
		MADV_DODUMP, MADV_WIPEONFORK, 20 /* COLD */, 21 /* PAGEOUT */, 21,
		22 /* POPULATE_READ */,
		23 /* POPULATE_WRITE */, 24 /* DONTNEED_LOCKED */, 25 /* COLLAPSE */,
	};

	madvise(any_address(t), number(t) % (64 * MIB), advice[below(t, ARRAY_SIZE(advice))]);
}

static void other_calls_on_memory(struct thread *t)
{
	static __thread unsigned char resident[1024];
	u64 length = number(t) % (4 * MIB);
	char *at = any_address(t);
	void *page = at;
	int node = 0, status;

	switch (below(t, 9)) {
	case 0:
		mprotect(at, length, below(t, 8));
		break;
	case 1:
		if (at >= window && at + (4UL << 30) < window + WINDOW)
			mremap(at, length, number(t) % MUCH,
			       one_in(t, 2) ? MREMAP_MAYMOVE : 0);
		break;
	case 2:
		mlock(at, length);
		break;
	case 3:
		munlock(at, length);
		break;
	case 4:
		msync(at, length, one_in(t, 2) ? MS_SYNC : MS_ASYNC);
		break;
	case 5:
		mincore(at, length, resident);
		break;
	case 6:
		syscall(SYS_mbind, at, length, below(t, 5), NULL, 0, below(t, 8));
		break;
	case 7:
		syscall(SYS_move_pages, 0, 1, &page, &node, &status, 2);
		break;
	default:
		syscall(SYS_remap_file_pages, at, length, 0, below(t, 16), 0);
		break;
	}
}

/* The kernel's own loads and stores, with a descriptor that takes and gives anything. */
static void copy(struct thread *t)
{
	struct iovec local = { any_address(t), 1 + number(t) % (64 * KIB) };
	struct iovec remote = { any_address(t), local.iov_len };
	int pipes[2];

	if (one_in(t, 2)) {
		if (one_in(t, 2))
			process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
		else
			process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
		return;
	}
	if (pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
		return;
	if (one_in(t, 2))
		vmsplice(pipes[1], &local, 1, SPLICE_F_NONBLOCK);
	else if (writev(pipes[1], &local, 1) < 0)
		errno = 0;
	if (read(pipes[0], any_address(t), 4 * PAGE) < 0)
		errno = 0;
	close(pipes[0]);
	close(pipes[1]);
}

static void touch(struct thread *t)
{
	unsigned char value;
	int i;

	for (i = 0; i < 8; i++) {
		if (one_in(t, 2))
			peek(any_address(t), &value);
		else
			poke(any_address(t), i);
	}
}

static bool is_region(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == MSHARE_MAGIC;
}

static void file_calls(struct thread *t)
{
	char text[64], other[64], buffer[512];
	int fd = any_fd(t), info;

	switch (below(t, 9)) {
	case 0:
		if (ftruncate(fd, is_region(fd) ? number(t) : number(t) % MUCH))
			errno = 0;
		break;
	case 1:
		fallocate(fd, one_in(t, 3) ? below(t, 128) : 0,
			  one_in(t, 3) ? number(t) % MUCH : 0, number(t) % MUCH);
		break;
	case 2:
		unlink(name(t, text));
		break;
	case 3:
		rename(name(t, text), name(t, other));
		break;
	case 4:
		snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
		info = open(text, O_RDONLY | O_CLOEXEC);
		while (info != -1 && read(info, buffer, sizeof(buffer)) > 0)
			;
		close(info);
		break;
	case 5:
		fsync(fd);
		break;
	case 6:
		chmod(name(t, text), below(t, 01000));
		break;
	case 7:
		if (read(fd, buffer, sizeof(buffer)) < 0 || write(fd, buffer, 8) < 0)
			errno = 0;
		break;
	default:
		ioctl(fd, next(t), any_address(t));
		break;
	}
}

static void have_child(struct thread *t)
{
	pid_t pid = fork();
	int i;

	if (pid == -1)
		return;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 10; i++) {
			touch(t);
			unmap_any(t);
			unmap_objects(t);
		}
		_exit(0);
	}
	if (one_in(t, 4))
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void mounts(struct thread *t)
{
	static const char * const options[] = {
		"size=64m", "size=128m", "size=1", "nr_regions=3", "nr_regions=0", "mode=755",
		"uid=9",
	};

	mount(NULL, test_mnt, NULL, MS_REMOUNT, options[below(t, ARRAY_SIZE(options))]);
}

/* The common ones several times. */
static void (* const calls[])(struct thread *t) = {
	open_any, open_any, create_mapping, create_mapping, create_mapping, create_mapping,
	unmap_objects, unmap_objects, map_any, map_any, map_any, unmap_any, advise, advise,
	other_calls_on_memory, copy, touch, touch, touch, file_calls, file_calls, file_calls,
};

static bool over(const struct thread *t)
{
	struct timespec now;

	if (opt_rounds)
		return t->calls >= opt_rounds;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec >= deadline;
}

static void *run(void *arg)
{
	struct thread *t = arg;

	while (!over(t)) {
		if (one_in(t, 300))
			have_child(t);
		else if (one_in(t, 500))
			mounts(t);
		else
			calls[below(t, ARRAY_SIZE(calls))](t);
		t->calls++;
		eventfd_write(counter, 1);
	}
	return NULL;
}

/* A process of its own each time: the stray writes of a random call are its alone. */
static void process(void *arg)
{
	static struct process process;
	struct thread thread[THREADS];
	pthread_t id[THREADS];
	uintptr_t i, index = (uintptr_t)arg;

	memset(process.fd, -1, sizeof(process.fd));
	window = mmap(NULL, WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK_OK(window);
	window = (char *)(((uintptr_t)window + (1UL << 30) - 1) & -(1UL << 30));
	for (i = 0; i < THREADS; i++) {
		thread[i] = (struct thread){
			.process = &process,
			.random = opt_seed * 7919 + (index * THREADS + i) * 104729 + 1,
		};
		CHECK(!pthread_create(&id[i], NULL, run, &thread[i]));
	}
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_join(id[i], NULL));
}

/*
 * Keep the processes going. One that has hit itself, or was killed for want of memory, is no fault
 * of the kernel: another takes its place, with another seed. Returns how many there were.
 */
static unsigned int keep_going(void)
{
	unsigned int running = PROCESSES;
	uintptr_t index;
	struct timespec now;
	int status;

	for (index = 0; index < PROCESSES; index++)
		spawn(process, (void *)index);
	while (running) {
		CHECK_OK(wait(&status));
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (status && !opt_rounds && now.tv_sec < deadline)
			spawn(process, (void *)index++);
		else
			running--;
	}
	return index;
}

static void fuzz(void)
{
	unsigned int i, processes;
	struct level before;
	struct timespec now;
	eventfd_t calls = 0;
	char text[64];
	int fd;

	need_pool(8);
	test_set(SHMEM_ENABLED, "always");
	hurry_khugepaged("100");
	level_read(&before);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK_OK(fd);
	/* Above the descriptors that any_fd() hits. */
	counter = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	CHECK_OK(counter);
	CHECK_OK(close(fd));
	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + (opt_seconds ?: (opt_quick ? 5 : 60));
	processes = keep_going();
	CHECK_OK(eventfd_read(counter, &calls));
	test_note("seed %llu: %llu calls of %u processes", (unsigned long long)opt_seed,
		  (unsigned long long)calls, processes);
	CHECK_MSG(opt_rounds || calls > FEW, "there were no more");
	for (i = 0; i < NAMES; i++) {
		snprintf(text, sizeof(text), "%s/%u", test_mnt, i);
		if (unlink(text))
			CHECK(errno == ENOENT);
	}
	CHECK_OK(close(counter));
	/* A leak is many more: each call has been done so often. */
	level_check(&before, FEW);
}

static const struct test_case cases[] = {
	{ "random calls", fuzz, .mount_opts = "size=256m,nr_regions=64", .slow = 60 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
