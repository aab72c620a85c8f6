// SPDX-License-Identifier: GPL-2.0
/*
 * Processes come and go: fork, exec, exit, kill; the region stays.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"
#include "level.h"
#include "objfile.h"
#include "region.h"

static void child_stores(void *arg)
{
	char *p = arg;

	CHECK(get(p) == 1);
	put(p, 2);
	put(p + PAGE, 3);	/* a page that the parent has not touched */
}

static void inherited(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	put(p, 1);
	join_ok(spawn(child_stores, p));
	CHECK(get(p) == 2 && get(p + PAGE) == 3);
	CHECK(get(region_map(fd, PROT_READ) + PAGE) == 3);
}

static void inherited_untouched(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), *q = region_map(fd, RW);

	put(q, 1);
	CHECK_OK(munmap(q, granule()));
	join_ok(spawn(child_stores, p));	/* nobody touched it through p before */
	CHECK(get(p) == 2 && get(p + PAGE) == 3);
}

static void child_detaches(void *arg)
{
	char *p = arg;
	unsigned char c;

	put(p, 4);
	CHECK_OK(munmap(p, granule()));
	CHECK(peek(p, &c) == SIGSEGV);
}

static void detach_in_child(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);
	struct fdinfo info;

	fill(p, MIB, 1);
	join_ok(spawn(child_detaches, p));
	CHECK(get(p) == 4);
	check_pattern(p + 8, MIB - 8, 1 + 1);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.clients == 1, "%d clients", info.clients);
}

static void wait_flag_1(void *arg)
{
	get(arg);
	flag_raise(0);
	flag_await(1, 1);
}

static void clients_counted(void)
{
	struct fdinfo info;
	pid_t pids[8];
	size_t i;
	int fd;
	char *p = simple_region("a", MIB, &fd);

	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(wait_flag_1, p);
	flag_await(0, ARRAY_SIZE(pids));
	fdinfo_read(fd, &info);
	CHECK_MSG(info.clients == 9, "%d clients", info.clients);
	kill_join(pids[0]);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.clients == 8, "%d clients", info.clients);
	flag_raise(1);
	for (i = 1; i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.clients == 1, "%d clients", info.clients);
}

static void grandchild(void *arg)
{
	char *p = arg;

	put(p + 2 * PAGE, 7);
}

static void child_forks(void *arg)
{
	char *p = arg;

	put(p + PAGE, 6);
	join_ok(spawn(grandchild, p));
	CHECK(get(p + 2 * PAGE) == 7);
}

static void generations(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	join_ok(spawn(child_forks, p));
	CHECK(get(p + PAGE) == 6 && get(p + 2 * PAGE) == 7);
}

static void child_unmaps_object(void *arg)
{
	(void)arg;
	CHECK_OK(object_del(region_open("a", O_RDWR), 0, PAGE));
}

static void unmap_in_child(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);
	unsigned char c;

	fill(p, MIB, 1);
	join_ok(spawn(child_unmaps_object, NULL));
	CHECK(peek(p, &c) == SIGSEGV);
	CHECK_OK(object_add(fd, 0, PAGE));
	CHECK(get(p) == 0);
}

/* The program itself, with no case selected, is what there surely is to execute. */
static char *const nothing[] = { "/proc/self/exe", "-c", "no such case", NULL };

static void run_nothing(void *arg)
{
	put(arg, 9);
	CHECK_OK(dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO));
	execv(nothing[0], nothing);
}

static void exec_drops(void)
{
	struct fdinfo info;
	int fd, status;
	pid_t pid;
	char *p;

	p = simple_region("a", MIB, &fd);
	put(p, 1);
	pid = spawn(run_nothing, p);
	status = join(pid);
	CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP, "wait status %#x", status);
	CHECK(get(p) == 9);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.clients == 1, "%d clients", info.clients);
}

static void create_and_leave(void *arg)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	fill(p, MIB, 21);
	flag_raise(0);
	if (arg)
		for (;;)
			pause();
}

static void creator_exits(void)
{
	char *p;
	int fd;

	join_ok(spawn(create_and_leave, NULL));
	fd = region_open("a", O_RDWR);
	p = region_map(fd, RW);
	check_pattern(p, MIB, 21);
	CHECK_OK(object_add(fd, MIB, MIB));
	fill(p + MIB, MIB, 22);
	put(p, 1);
	join_ok(spawn(child_stores, p));
	CHECK(get(p + PAGE) == 3);
}

static void creator_killed(void)
{
	pid_t pid = spawn(create_and_leave, "stay");
	char *p;
	int fd;

	flag_await(0, 1);
	fd = region_open("a", O_RDWR);
	p = region_map(fd, RW);
	check_pattern(p, MIB, 21);
	kill_join(pid);
	check_pattern(p, MIB, 21);
	fill(p, MIB, 23);
	CHECK_OK(object_add(fd, MIB, PAGE));
	put(p + MIB, 1);
	CHECK_OK(unlink(in_mnt("a")));
	check_pattern(p, MIB, 23);
}

static void crash(void *arg)
{
	char *p = arg;

	put(p, 1);
	p[3 * MIB] = 1;
}

static void client_crashes(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	fill(p, MIB, 1);
	join_signal(spawn(crash, p), SIGSEGV);
	check_pattern(p + 8, MIB - 8, 2);
}

static void touch_and_exit(void *arg)
{
	char *p = arg;
	int i;

	for (i = 0; i < 16; i++)
		put(p + i * PAGE, getpid());
}

static void many_forks(void)
{
	int fd, i, n = opt_quick ? 100 : 400;
	char *p = simple_region("a", MIB, &fd);
	struct fdinfo info;

	fill(p + MIB / 2, MIB / 2, 1);
	for (i = 0; i < n; i += 4) {
		pid_t pids[4];
		size_t k;

		for (k = 0; k < ARRAY_SIZE(pids); k++)
			pids[k] = spawn(touch_and_exit, p);
		for (k = 0; k < ARRAY_SIZE(pids); k++)
			join_ok(pids[k]);
	}
	check_pattern(p + MIB / 2, MIB / 2, 1);
	fdinfo_read(fd, &info);
	CHECK(info.clients == 1);
}

/* Two children each, and each of those two; all are there at the same time. */
static void grow_tree(char *p, int depth)
{
	pid_t pids[2];
	size_t i;

	put(p + depth * PAGE, depth);
	for (i = 0; depth && i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		CHECK_OK(pids[i]);
		if (!pids[i]) {
			grow_tree(p, depth - 1);
			_exit(KSFT_PASS);
		}
	}
	flag_raise(0);
	flag_await(1, 1);
	for (i = 0; depth && i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
	put(p + (32 + depth) * PAGE, depth);
}

static void plant_tree(void *arg)
{
	grow_tree(arg, opt_quick ? 4 : 7);
}

/* All that descend from one process, killed or not, leave the region as it was. */
static void fork_bomb(void)
{
	unsigned int n = opt_quick ? 31 : 255, depth, round;
	int fd;
	char *p = simple_region("a", MIB, &fd);
	struct fdinfo info;
	pid_t pid;

	fill(p + MIB / 2, MIB / 2, 1);
	for (round = 0; round < 2; round++) {
		memset(shared, 0, sizeof(*shared));
		pid = spawn(plant_tree, p);
		flag_await(0, n);
		fdinfo_read(fd, &info);
		CHECK_MSG(info.clients == (int)n + 1, "%d clients", info.clients);
		if (round)
			kill_join(pid);		/* its children are not killed with it */
		flag_raise(1);
		if (!round) {
			join_ok(pid);
			for (depth = 0; 1U << (depth + 1) <= n + 1; depth++)
				CHECK(get(p + (32 + depth) * PAGE) == depth);
		}
		for (fdinfo_read(fd, &info); info.clients > 1; fdinfo_read(fd, &info))
			usleep(10000);
	}
	check_pattern(p + MIB / 2, MIB / 2, 1);
}

struct sharer {
	char *p, *q;
	char stack[64 * KIB];
};

static int change_mappings(void *arg)
{
	struct sharer *sharer = arg;

	put(sharer->p, 2);
	CHECK_OK(munmap(sharer->p, granule()));
	put(sharer->q, get(sharer->q) + 1);
	return KSFT_PASS;
}

static int touch_without_end(void *arg)
{
	struct sharer *sharer = arg;
	u64 i;

	flag_raise(0);
	for (i = 0;; i++)
		__atomic_store_n(sharer->q + i * PAGE % MIB, 1, __ATOMIC_RELAXED);
	return KSFT_PASS;
}

/* Two processes with one memory map: its mappings are the same, and stay when one of them ends. */
static void shared_memory_map(void)
{
	static struct sharer sharer;
	struct fdinfo info;
	unsigned char value;
	pid_t pid;
	int fd;

	sharer.p = simple_region("a", MIB, &fd);
	sharer.q = region_map(fd, RW);
	put(sharer.p, 1);
	pid = clone(change_mappings, sharer.stack + sizeof(sharer.stack), CLONE_VM | SIGCHLD,
		    &sharer);
	CHECK_OK(pid);
	join_ok(pid);
	CHECK(peek(sharer.p, &value) == SIGSEGV);
	CHECK(get(sharer.q) == 3);
	fdinfo_read(fd, &info);
	CHECK(info.clients == 1);
	pid = clone(touch_without_end, sharer.stack + sizeof(sharer.stack), CLONE_VM | SIGCHLD,
		    &sharer);
	CHECK_OK(pid);
	flag_await(0, 1);
	usleep(20000);
	kill_join(pid);
	fill(sharer.q, MIB, 1);
	check_pattern(region_map(fd, PROT_READ), MIB, 1);
}

static void use_two_mappings(void *arg)
{
	char **p = arg;

	CHECK(get(p[0]) == 1 && get(p[1]) == 1);
	put(p[1], 2);
	CHECK(get(p[0]) == 2);
	CHECK_OK(munmap(p[0], granule()));
	CHECK(get(p[1]) == 2);
}

static void fork_with_two_mappings(void)
{
	char *p[2];
	int fd;

	p[0] = simple_region("a", MIB, &fd);
	p[1] = region_map(fd, RW);
	put(p[0], 1);
	join_ok(spawn(use_two_mappings, p));
	CHECK(get(p[0]) == 2 && get(p[1]) == 2);
}

static void vfork_and_exec(void)
{
	int fd, status, null = open("/dev/null", O_WRONLY);
	char *p = simple_region("a", MIB, &fd);
	pid_t pid;

	put(p, 1);
	pid = vfork();
	if (!pid) {
		dup2(null, STDOUT_FILENO);
		execv(nothing[0], nothing);
		_exit(KSFT_FAIL);
	}
	status = join(pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP);
	CHECK(get(p) == 1);
	put(p, 2);
}

static void *thread_touches(void *arg)
{
	char *p = arg;
	int i, round;

	for (round = 0; round < 20; round++)
		for (i = 0; i < 64; i++)
			put(p + i * PAGE, i);
	return NULL;
}

static void threads(void)
{
	pthread_t thread[8];
	size_t i;
	int fd;
	char *p = simple_region("a", MIB, &fd);

	for (i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_create(&thread[i], NULL, thread_touches, p));
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_join(thread[i], NULL));
	for (i = 0; i < 64; i++)
		CHECK(get(p + i * PAGE) == i);
}

static void killed_while_faulting(void)
{
	int fd, i, n = opt_quick ? 20 : 100;
	char *p = simple_region("a", 64 * MIB, &fd);

	for (i = 0; i < n; i++) {
		pid_t pid = spawn(touch_and_exit, p + (i % 60) * MIB);

		usleep(i * 37 % 3000);
		kill(pid, SIGKILL);
		join(pid);
	}
	fill(p, MIB, 1);
	check_pattern(p, MIB, 1);
}

#define REAPED	(4 * MIB)	/* of the process's own, which is taken from it */

static void wait_to_be_reaped(void *arg)
{
	char *own = mmap(NULL, REAPED, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	CHECK_OK(own);
	memset(own, 1, REAPED);
	/* The reaper passes over shared mappings; one by such a descriptor is not marked so. */
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), MIB, 1);
	run_on_cpu(1);
	flag_raise(0);
	for (;;)
		pause();
}

static void keep_cpu(void *arg)
{
	const struct sched_param first = { .sched_priority = 1 };

	(void)arg;
	run_on_cpu(1);
	CHECK_OK(sched_setscheduler(0, SCHED_FIFO, &first));
	flag_raise(1);
	for (;;)
		;
}

/* What the kernel does to the memory of one that it has killed and that does not go: no CPU. */
static void killed_and_reaped(void)
{
	int fd, pidfd, tries;
	char *p = simple_region("a", MIB, &fd);
	pid_t killed, busy;
	long before;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		test_skip("needs two CPUs");
	run_on_cpu(0);
	fill(p, MIB, 1);
	killed = spawn(wait_to_be_reaped, NULL);
	flag_await(0, 1);
	pidfd = syscall(SYS_pidfd_open, killed, 0);
	CHECK_OK(pidfd);
	busy = spawn(keep_cpu, NULL);
	flag_await(1, 1);
	CHECK_OK(kill(killed, SIGKILL));
	for (tries = 0; syscall(SYS_process_mrelease, pidfd, 0); tries++)
		CHECK_MSG(errno == EAGAIN && tries < 100, "%s", strerror(errno));
	CHECK_MSG(status_of(killed, "RssAnon") < (long)(REAPED / KIB / 2), "%ld KiB are left",
		  status_of(killed, "RssAnon"));
	before = faults();
	check_pattern(p, MIB, 1);
	CHECK_MSG(faults() == before, "%ld faults", faults() - before);
	kill_join(busy);
	join_signal(killed, SIGKILL);
	check_pattern(p, MIB, 1);
}

#define BLOCK	(2 * MIB)	/* what a page of PTEs maps */
#define BLOCKS	16

/* Each page of PTEs goes with its object. */
static void change_objects(void *arg)
{
	int fd = region_open("a", O_RDWR);
	u64 i;

	(void)arg;
	for (i = 0; !flag_get(0); i++) {
		CHECK_OK(object_del(fd, i % BLOCKS * BLOCK, BLOCK));
		CHECK_OK(object_add(fd, i % BLOCKS * BLOCK, BLOCK));
		shared->number[0] = i;
	}
}

/* What it touches may have gone just now. */
static void touch_changing(char *p)
{
	u64 i;

	for (i = 0; i < BLOCKS; i++) {
		char *at = p + (getpid() + i) % BLOCKS * BLOCK;
		int sig = poke(at + i * PAGE, 1);

		CHECK_MSG(sig == 0 || sig == SIGSEGV, "signal %d", sig);
	}
}

static void inherit_touch_exit(void *arg)
{
	touch_changing(arg);
}

static void attach_touch_exit(void *arg)
{
	(void)arg;
	touch_changing(region_map(region_open("a", O_RDWR), RW));
}

static void check_last_object(void *arg)
{
	(void)arg;
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), BLOCK, 1);
}

/* Who exits takes the region's page tables out of its own while they are freed and made anew. */
static void exits_beside_changes(void)
{
	int fd, i, n = opt_quick ? 100 : 400;
	pid_t changer, pids[4];
	struct level before;
	size_t k;
	char *p;

	level_read(&before);
	p = simple_region("a", BLOCKS * BLOCK, &fd);
	changer = spawn(change_objects, NULL);
	for (i = 0; i < n || shared->number[0] < BLOCKS; i += ARRAY_SIZE(pids)) {
		for (k = 0; k < ARRAY_SIZE(pids); k++)
			pids[k] = spawn(k % 2 ? inherit_touch_exit : attach_touch_exit, p);
		for (k = 0; k < ARRAY_SIZE(pids); k++)
			join_ok(pids[k]);
	}
	flag_raise(0);
	join_ok(changer);
	test_note("%d exits beside %llu changes", i, (unsigned long long)shared->number[0]);
	CHECK_OK(object_del(fd, 0, granule()));
	CHECK_OK(object_add(fd, 0, BLOCK));
	check_zero(p, BLOCK);
	fill(p, BLOCK, 1);
	join_ok(spawn(check_last_object, NULL));
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK_OK(unlink(in_mnt("a")));
	level_check(&before, i / 2);
	CHECK_MSG(before.tables - mem_kib("PageTables") <= 16, "PageTables fell by %ld KiB",
		  before.tables - mem_kib("PageTables"));
}

#define READERS		4
#define OF_READER	(2 * MIB)	/* in the file: each reads on its own */

/* The group "slow", whose processes wait 16 s for what one fault reads of that file's disk. */
static void limit_disk(int fd, const char *rate)
{
	char text[256];
	struct stat st;
	int limit;

	need_controller("io");
	CHECK_OK(fstat(fd, &st));
	snprintf(text, sizeof(text), "%u:%u rbps=%s", major(st.st_dev), minor(st.st_dev), rate);
	limit = open(in_group("slow", "io.max"), O_WRONLY | O_CLOEXEC);
	if (limit == -1 || write(limit, text, strlen(text)) == -1)
		test_skip("the disk cannot be slowed down: %s", strerror(errno));
	CHECK_OK(close(limit));
}

static void read_from_slow_disk(void *arg)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);

	enter_group(in_group("slow", ""));
	flag_raise(0);
	get(p + (uintptr_t)arg * OF_READER);
	test_fail(__FILE__, __LINE__, "the disk is not slow");
}

/* It waits where no signal but SIGKILL ends it. */
static bool waits_for_disk(pid_t pid)
{
	size_t length;
	char *state = strrchr(proc_read(pid, "stat", &length), ')');

	CHECK(state);
	return state[2] == 'D';
}

static void kill_readers(u32 round)
{
	struct timespec start, end;
	pid_t pids[READERS];
	size_t i;

	for (i = 0; i < READERS; i++)
		pids[i] = spawn(read_from_slow_disk, (void *)i);
	flag_await(0, (round + 1) * READERS);
	for (i = 0; i < READERS; i++)
		while (!waits_for_disk(pids[i]))
			usleep(1000);
	/* All at the same time, each for a place of its own. */
	for (i = 0; i < READERS; i++)
		CHECK(waits_for_disk(pids[i]));
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < READERS; i++)
		CHECK_OK(kill(pids[i], SIGKILL));
	for (i = 0; i < READERS; i++)
		join_signal(pids[i], SIGKILL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK_MSG(end.tv_sec - start.tv_sec < 10, "they took %ld s to end",
		  (long)(end.tv_sec - start.tv_sec));
}

static void check_file(void *arg)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);

	(void)arg;
	check_pattern(p, READERS * OF_READER, 1);
}

/* What they waited for is read all the same, and is the next one's. */
static void killed_while_reading(void)
{
	int file = pattern_file(disk, READERS * OF_READER / PAGE), region = region_new("a", 1);
	int i, n = opt_quick ? 1 : 5;

	need_groups();
	group_new("slow");
	for (i = 0; i < n; i++) {
		CHECK_OK(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
		CHECK_OK(object_map(region, 0, READERS * OF_READER, RW, file, 0));
		limit_disk(file, "8192");
		kill_readers(i);
		limit_disk(file, "max");
		join_ok(spawn(check_file, NULL));
		CHECK_OK(object_del(region, 0, READERS * OF_READER));
	}
	group_remove("slow");
	drop_groups();
}

/* A descriptor from another process is as good as a name. */
static void send_descriptor(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 1;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int pair[2], fd, got;
	char *p;

	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 31);
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK(sendmsg(pair[0], &msg, 0) == 1);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));		/* the region is in flight, and nowhere else */
	CHECK(recvmsg(pair[1], &msg, 0) == 1);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(got));
	check_pattern(region_map(got, RW), MIB, 31);
}

static const struct test_case cases[] = {
	{ "a child has the parent's mapping", inherited },
	{ "a child faults where the parent did not", inherited_untouched },
	{ "munmap in a child leaves the parent's mapping", detach_in_child },
	{ "fdinfo counts the clients as they come and go", clients_counted },
	{ "grandchildren", generations },
	{ "UNMAP by a child is seen by the parent", unmap_in_child },
	{ "exec drops the mapping", exec_drops },
	{ "the region outlives a creator that exits", creator_exits },
	{ "the region outlives a creator that is killed", creator_killed },
	{ "a client that crashes takes nothing with it", client_crashes },
	{ "many short-lived children", many_forks },
	{ "a fork bomb, all of it mapped at once", fork_bomb, .slow = 2 },
	{ "clone(CLONE_VM): two processes with one memory map", shared_memory_map },
	{ "fork with two mappings of a region", fork_with_two_mappings },
	{ "vfork and exec", vfork_and_exec },
	{ "threads that fault on the same pages", threads },
	{ "clients killed while they fault", killed_while_faulting },
	{ "a client that is killed and reaped before it goes", killed_and_reaped },
	{ "clients killed while they wait for a disk", killed_while_reading, .slow = 2 },
	{ "clients that exit while objects go and come", exits_beside_changes, .slow = 2 },
	{ "a descriptor sent over a socket", send_descriptor },
};

int main(int argc, char **argv)
{
	int result = test_main(argc, argv, cases, ARRAY_SIZE(cases));

	remove_files();
	return result;
}
