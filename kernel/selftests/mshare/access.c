// SPDX-License-Identifier: GPL-2.0
/*
 * Who may touch what: loads, stores, and the kernel on a process's behalf.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objfile.h"
#include "region.h"

/* Objects of the region of most cases; HOLE has none. */
#define READ_WRITE	0
#define READ_ONLY	(1 * MIB)
#define NO_ACCESS	(2 * MIB)
#define HOLE		(3 * MIB)

static int the_fd;

static char *mixed_region(int prot)
{
	the_fd = region_new("a", 1);
	CHECK_OK(object_add(the_fd, READ_WRITE, MIB));
	CHECK_OK(object_create(the_fd, READ_ONLY, MIB, PROT_READ, ANON, -1, 0));
	CHECK_OK(object_create(the_fd, NO_ACCESS, MIB, PROT_NONE, ANON, -1, 0));
	return region_map(the_fd, prot);
}

static void segfault_at(const char *p, int store, int code)
{
	unsigned char c;
	int sig;

	fault_address = NULL;
	fault_code = 0;
	sig = store ? poke((char *)p, 1) : peek(p, &c);
	CHECK_MSG(sig == SIGSEGV, "%s at %p: signal %d", store ? "store" : "load", p, sig);
	CHECK_MSG(fault_address == p, "si_addr is %p, not %p", fault_address, p);
	CHECK_MSG(fault_code == code, "at %p: si_code is %d, not %d", p, fault_code, code);
}

/* There is no object, or it forbids the access. */
static void faults_at(const char *p, int store)
{
	segfault_at(p, store, SEGV_MAPERR);
}

/* The mapping forbids it. */
static void forbidden_at(const char *p, int store)
{
	segfault_at(p, store, SEGV_ACCERR);
}

static void store_to_read_only(void)
{
	char *p = mixed_region(RW);

	faults_at(p + READ_ONLY, 1);		/* as the first touch */
	CHECK(get(p + READ_ONLY) == 0);
	faults_at(p + READ_ONLY, 1);		/* when the page is there */
	faults_at(p + READ_ONLY + MIB - 1, 1);
	CHECK(get(p + READ_ONLY) == 0);
	put(p + READ_WRITE, 1);
}

static void load_without_read(void)
{
	char *p = mixed_region(RW);

	faults_at(p + NO_ACCESS, 0);
	faults_at(p + NO_ACCESS, 1);
	faults_at(p + NO_ACCESS + MIB - 1, 0);
}

/* Once a store has brought it in, hardware lets a page be read. */
static void load_of_write_only(void)
{
	int fd = region_new("a", 1);
	char *p;

	CHECK_OK(object_create(fd, 0, MIB, PROT_WRITE, ANON, -1, 0));
	p = region_map(fd, RW);
	faults_at(p, 0);
	faults_at(p + MIB - 1, 0);
	/* Not put(): it exchanges, which an emulator may begin by a load. */
	__atomic_store_n(p, 7, __ATOMIC_RELAXED);
	faults_at(p + PAGE, 0);
	CHECK_OK(object_create(fd, 0, MIB, RW, ANON, -1, 0));
	CHECK(get(p) == 0);
}

static void hole(void)
{
	char *p = mixed_region(RW);

	faults_at(p + HOLE, 0);
	faults_at(p + HOLE, 1);
	faults_at(p + granule() - 1, 0);
	CHECK_OK(object_add(the_fd, HOLE, MIB));
	put(p + HOLE, 1);
}

static void empty_region(void)
{
	char *p = region_map(region_new("a", 2), RW);

	faults_at(p, 0);
	faults_at(p + granule(), 1);
}

static void objects_seen_by_reader(void *arg)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);

	(void)arg;
	forbidden_at(p + READ_WRITE, 1);
	CHECK(get(p + READ_WRITE) == 42);
	forbidden_at(p + READ_WRITE, 1);
	faults_at(p + NO_ACCESS, 0);
	faults_at(p + HOLE, 0);
}

static void read_only_client(void)
{
	char *p = mixed_region(RW);

	put(p + READ_WRITE, 42);	/* its PTE is writable now */
	join_ok(spawn(objects_seen_by_reader, NULL));
	put(p + READ_WRITE, 43);
}

/* The reader is first at the page tables; writers come later, in other mappings. */
static void read_only_client_first(void)
{
	char *p = mixed_region(PROT_READ), *q;

	CHECK(get(p + READ_WRITE) == 0);
	q = region_map(the_fd, RW);
	put(q + READ_WRITE, 5);
	CHECK(get(p + READ_WRITE) == 5);
	forbidden_at(p + READ_WRITE, 1);
	put(q + READ_WRITE + PAGE, 6);
	forbidden_at(p + READ_WRITE + PAGE, 1);
	CHECK(get(p + READ_WRITE + PAGE) == 6);
	put(q + READ_WRITE, 7);
}

static void no_access_client(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_NONE);

	forbidden_at(q, 0);
	put(p, 1);
	forbidden_at(q, 0);
	forbidden_at(q, 1);
	CHECK(get(p) == 1);
}

static void write_only_client(void)
{
	char *p = mixed_region(PROT_WRITE);

	put(p, 8);
	CHECK(get(region_map(the_fd, PROT_READ)) == 8);
	faults_at(p + READ_ONLY, 1);
}

/* Repeat a store that must fail while another process stores to the same page. */
static void store_for_a_while(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	int i;

	(void)arg;
	flag_raise(0);
	for (i = 0; i < 1000000 && !flag_get(1); i++)
		put(p + (i % 16) * PAGE, i);
}

static void read_only_beside_writer(void)
{
	pid_t writer;
	char *p;
	int i;

	p = mixed_region(PROT_READ);
	writer = spawn(store_for_a_while, NULL);
	flag_await(0, 1);
	for (i = 0; i < 200; i++) {
		get(p + (i % 16) * PAGE);
		forbidden_at(p + (i % 16) * PAGE, 1);
	}
	flag_raise(1);
	join_ok(writer);
}

static void read_into(char *p, int want_errno)
{
	int pipes[2];
	ssize_t got;

	CHECK_OK(pipe(pipes));
	CHECK(write(pipes[1], "0123456789", 10) == 10);
	got = read(pipes[0], p, 10);
	if (want_errno)
		CHECK_ERR(got, want_errno);
	else
		CHECK(got == 10 && !memcmp(p, "0123456789", 10));
	close(pipes[0]);
	close(pipes[1]);
}

static void read_buffers(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_READ);

	read_into(p + READ_WRITE, 0);
	read_into(p + READ_WRITE + PAGE - 5, 0);
	read_into(p + READ_ONLY, EFAULT);
	read_into(p + NO_ACCESS, EFAULT);
	read_into(p + HOLE, EFAULT);
	read_into(q + READ_WRITE, EFAULT);
	read_into(q + READ_WRITE + 9 * PAGE, EFAULT);
	CHECK(!memcmp(q, "0123456789", 10));
}

static void write_buffers(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_READ), buffer[4];
	int pipes[2];

	CHECK_OK(pipe(pipes));
	memcpy(p, "text", 4);
	CHECK(write(pipes[1], p, 4) == 4);
	CHECK(write(pipes[1], q, 4) == 4);
	CHECK(write(pipes[1], p + READ_ONLY, 4) == 4);
	CHECK(write(pipes[1], q + MIB - 4, 4) == 4);	/* the kernel touches it first */
	CHECK(read(pipes[0], buffer, 4) == 4 && !memcmp(buffer, "text", 4));
	CHECK(read(pipes[0], buffer, 4) == 4 && !memcmp(buffer, "text", 4));
	CHECK_ERR(write(pipes[1], p + NO_ACCESS, 4), EFAULT);
	CHECK_ERR(write(pipes[1], p + HOLE, 4), EFAULT);
}

static void vmsplice_from_region(void)
{
	char *p = mixed_region(RW), buffer[8];
	struct iovec iov = { .iov_base = p, .iov_len = 8 };
	int pipes[2];

	CHECK_OK(pipe(pipes));
	memcpy(p, "spliced", 8);
	CHECK(vmsplice(pipes[1], &iov, 1, 0) == 8);
	CHECK(read(pipes[0], buffer, 8) == 8 && !memcmp(buffer, "spliced", 8));
	iov.iov_base = region_map(the_fd, PROT_READ);
	CHECK(vmsplice(pipes[1], &iov, 1, 0) == 8);
	iov.iov_base = p + HOLE;
	CHECK_ERR(vmsplice(pipes[1], &iov, 1, 0), EFAULT);
}

static void vmsplice_into_region(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_READ);
	struct iovec iov = { .iov_base = p + 5 * PAGE - 4, .iov_len = 8 };
	int pipes[2];

	CHECK_OK(pipe(pipes));
	CHECK(write(pipes[1], "spliced", 8) == 8);
	CHECK(vmsplice(pipes[0], &iov, 1, 0) == 8);
	CHECK(!memcmp(q + 5 * PAGE - 4, "spliced", 8));
	CHECK(write(pipes[1], "refused", 8) == 8);
	iov.iov_base = p + READ_ONLY;
	CHECK_ERR(vmsplice(pipes[0], &iov, 1, 0), EFAULT);
	iov.iov_base = p + HOLE;
	CHECK_ERR(vmsplice(pipes[0], &iov, 1, 0), EFAULT);
	iov.iov_base = q + 9 * PAGE;
	CHECK_ERR(vmsplice(pipes[0], &iov, 1, 0), EFAULT);
	check_zero(q + 9 * PAGE, PAGE);
}

/* Two pages in a pipe: not copies, so what is stored later is there, too. */
static void pages_into_pipe(int pipes[2], char *p)
{
	struct iovec iov = { .iov_base = p, .iov_len = 2 * PAGE };

	CHECK_OK(pipe(pipes));
	CHECK(vmsplice(pipes[1], &iov, 1, 0) == 2 * PAGE);
	fill(p, 2 * PAGE, 1);
}

static void check_pages_of_pipe(int fd)
{
	static char buffer[2 * PAGE];

	CHECK(read(fd, buffer, 2 * PAGE) == 2 * PAGE);
	check_pattern(buffer, 2 * PAGE, 1);
}

static void splice_onward(void)
{
	char *p = mixed_region(RW);
	int pipes[2], copies[2], file = sparse_file(memfd, 2);

	pages_into_pipe(pipes, p);
	CHECK_OK(pipe(copies));
	CHECK(tee(pipes[0], copies[1], 2 * PAGE, 0) == 2 * PAGE);
	CHECK(splice(pipes[0], NULL, file, NULL, 2 * PAGE, 0) == 2 * PAGE);
	file_check(file, 0, 2 * PAGE, 1);
	check_pages_of_pipe(copies[0]);
}

/* The pages stay the pipe's, and nobody else's, until they are read. */
static void splice_what_was_unmapped(void)
{
	char *p = mixed_region(RW);
	bool at_once = test_arg;
	unsigned char c;
	int pipes[2];

	pages_into_pipe(pipes, p);
	if (!at_once) {
		CHECK_OK(object_del(the_fd, READ_WRITE, MIB));
		CHECK(peek(p, &c) == SIGSEGV);
	}
	CHECK_OK(object_add(the_fd, READ_WRITE, MIB));
	check_zero(p, MIB);
	fill(p, MIB, 2);
	check_pages_of_pipe(pipes[0]);
	check_pattern(p, MIB, 2);
}

/* process_vm_readv or process_vm_writev of 8 bytes between buffer and a process's address. */
static ssize_t remote(bool store, pid_t pid, char *buffer, void *address)
{
	struct iovec ours = { .iov_base = buffer, .iov_len = 8 };
	struct iovec theirs = { .iov_base = address, .iov_len = 8 };

	if (store)
		return process_vm_writev(pid, &ours, 1, &theirs, 1, 0);
	return process_vm_readv(pid, &ours, 1, &theirs, 1, 0);
}

static void wait_for_kill(void *arg)
{
	char *p = *(char **)arg;

	CHECK(get(p + READ_ONLY) == 0);
	flag_raise(0);
	for (;;)
		pause();
}

/* The pid of an attached process. It maps the region where we do. */
static pid_t sleeper(char *p)
{
	pid_t pid = spawn(wait_for_kill, &p);

	flag_await(0, 1);
	return pid;
}

static void other_process(void)
{
	char *p = mixed_region(RW), buffer[8] = "remote!";
	pid_t pid = sleeper(p);

	CHECK(remote(true, pid, buffer, p) == 8);
	CHECK(!memcmp(p, "remote!", 8));
	memcpy(p + 4 * PAGE, "another", 8);
	CHECK(remote(false, pid, buffer, p + 4 * PAGE) == 8);
	CHECK(!memcmp(buffer, "another", 8));
	CHECK(remote(false, pid, buffer, p + READ_ONLY) == 8);
	CHECK_ERR(remote(true, pid, buffer, p + READ_ONLY), EFAULT);
	CHECK_ERR(remote(true, pid, buffer, p + READ_ONLY + PAGE), EFAULT);
	CHECK_ERR(remote(false, pid, buffer, p + NO_ACCESS), EFAULT);
	CHECK_ERR(remote(false, pid, buffer, p + HOLE), EFAULT);
	CHECK(get(p + READ_ONLY) == 0);
	kill_join(pid);
}

static void other_process_read_only(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_READ), buffer[8] = "remote!";
	pid_t pid;

	put(p, 1);
	pid = sleeper(q);
	CHECK_ERR(remote(true, pid, buffer, q), EFAULT);
	CHECK_ERR(remote(true, pid, buffer, q + 5 * PAGE), EFAULT);
	CHECK(remote(false, pid, buffer, q) == 8);
	CHECK(buffer[0] == 1);
	kill_join(pid);
}

static void debugger(void)
{
	char *p = mixed_region(RW);
	pid_t pid = sleeper(p);
	int status;
	long word;

	CHECK_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	memcpy(p, "debugged", 8);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, p, 0);
	CHECK(errno == 0 && !memcmp(&word, "debugged", 8));
	CHECK_OK(ptrace(PTRACE_POKEDATA, pid, p + 2 * PAGE, 77L));
	CHECK(get(p + 2 * PAGE) == 77);
	CHECK(ptrace(PTRACE_POKEDATA, pid, p + READ_ONLY, 77L) == -1);
	CHECK(get(p + READ_ONLY) == 0);
	errno = 0;
	ptrace(PTRACE_PEEKDATA, pid, p + HOLE, 0);
	CHECK(errno == EIO || errno == EFAULT);
	CHECK_OK(ptrace(PTRACE_DETACH, pid, 0, 0));
	kill_join(pid);
}

static void proc_mem(void)
{
	char *p = mixed_region(RW), path[64], buffer[8];
	pid_t pid = sleeper(p);
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	CHECK_OK(fd);
	memcpy(p, "content", 8);
	CHECK(pread(fd, buffer, 8, (uintptr_t)p) == 8 && !memcmp(buffer, "content", 8));
	CHECK(pwrite(fd, "changed", 8, (uintptr_t)p) == 8 && !memcmp(p, "changed", 8));
	CHECK(pwrite(fd, "changed", 8, (uintptr_t)p + READ_ONLY) == -1);
	CHECK(pread(fd, buffer, 8, (uintptr_t)p + HOLE) == -1);
	CHECK(get(p + READ_ONLY) == 0);
	kill_join(pid);
}

static long futex(void *address, int op, u32 value)
{
	const struct timespec limit = { .tv_sec = 20 };

	return syscall(SYS_futex, address, op, value, op == FUTEX_WAIT ? &limit : NULL, NULL, 0);
}

static void wait_on_futex(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	u32 *word = (u32 *)(p + PAGE);

	(void)arg;
	flag_raise(0);
	while (!__atomic_load_n(word, __ATOMIC_SEQ_CST)) {
		long ret = futex(word, FUTEX_WAIT, 0);

		CHECK_MSG(!ret || errno == EAGAIN || errno == EINTR, "%s", strerror(errno));
	}
}

/* A waker that tells whom it woke shows that both addresses are one futex. */
static void futex_between_processes(void)
{
	char *p = mixed_region(RW);
	pid_t pid = spawn(wait_on_futex, NULL);
	int tries = 0;

	flag_await(0, 1);
	while (futex(p + PAGE, FUTEX_WAKE, 1) != 1) {
		CHECK(tries++ < 1000);
		usleep(10000);
	}
	__atomic_store_n((u32 *)(p + PAGE), 1, __ATOMIC_SEQ_CST);
	futex(p + PAGE, FUTEX_WAKE, 1);
	join_ok(pid);
}

static void futex_errors(void)
{
	char *p = mixed_region(RW);

	CHECK_ERR(futex(p + HOLE, FUTEX_WAIT, 0), EFAULT);
	CHECK_ERR(futex(p + NO_ACCESS, FUTEX_WAIT, 0), EFAULT);
	CHECK_ERR(futex(p, FUTEX_WAIT, 1), EAGAIN);
}

static void *lock_and_count(void *arg)
{
	pthread_mutex_t *mutex = arg;
	u64 *count = (u64 *)(mutex + 1);
	int i;

	for (i = 0; i < 2000; i++) {
		CHECK(!pthread_mutex_lock(mutex));
		*count += 1;
		CHECK(!pthread_mutex_unlock(mutex));
	}
	return NULL;
}

static void count_in_process(void *arg)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, lock_and_count, arg));
	lock_and_count(arg);
	CHECK(!pthread_join(thread, NULL));
}

static void mutex_between_processes(void)
{
	char *p = mixed_region(RW);
	pthread_mutex_t *mutex = (pthread_mutex_t *)p;
	pthread_mutexattr_t attr;
	pid_t pids[3];
	size_t i;

	pthread_mutexattr_init(&attr);
	CHECK(!pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	CHECK(!pthread_mutex_init(mutex, &attr));
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(count_in_process, p);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
	CHECK(*(u64 *)(mutex + 1) == ARRAY_SIZE(pids) * 2 * 2000);
}

static int register_buffer(int ring, void *p)
{
	int ret = ring_pin(ring, p, PAGE);

	if (!ret)
		ring_unpin(ring);
	return ret;
}

static void pinned_buffers(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_READ);
	int ring = ring_new();

	put(p, 1);
	get(q);
	CHECK_OK(register_buffer(ring, p));
	CHECK_OK(register_buffer(ring, p + 3 * PAGE));
	CHECK_ERR(register_buffer(ring, q), EFAULT);
	CHECK_ERR(register_buffer(ring, q + 3 * PAGE), EFAULT);
	CHECK_ERR(register_buffer(ring, p + READ_ONLY), EFAULT);
	CHECK_ERR(register_buffer(ring, p + HOLE), EFAULT);
	CHECK(get(p) == 1);
}

#define BUFFER	(4 * PAGE)

/* A ring, where its memory is, and a file that it copies from or to. */
struct ring {
	struct io_uring_params params;
	struct io_uring_sqe *sqes;
	char *queues;		/* both of them */
	int fd, file;
};

static struct ring new_ring(void)
{
	struct ring ring = { .file = sparse_file(memfd, BUFFER / PAGE) };

	ring.fd = ring_set_up(&ring.params);
	if (!(ring.params.features & IORING_FEAT_SINGLE_MMAP))
		test_skip("an old io_uring");
	ring.queues = mmap(NULL, MIB, RW, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	CHECK_OK(ring.queues);
	ring.sqes = mmap(NULL, PAGE, RW, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	CHECK_OK(ring.sqes);
	return ring;
}

static u32 *in_ring(const struct ring *ring, u32 offset)
{
	return (u32 *)(ring->queues + offset);
}

/* Copy between the start of the file and the registered buffer at p, and wait for its end. */
static int ring_copy(const struct ring *ring, int opcode, void *p)
{
	u32 *tail = in_ring(ring, ring->params.sq_off.tail);
	u32 *head = in_ring(ring, ring->params.cq_off.head);
	u32 slot = *tail & *in_ring(ring, ring->params.sq_off.ring_mask), done;
	struct io_uring_cqe *cqes = (void *)in_ring(ring, ring->params.cq_off.cqes);
	int result;

	ring->sqes[slot] = (struct io_uring_sqe) {
		.opcode = opcode,
		.fd = ring->file,
		.addr = (uintptr_t)p,
		.len = BUFFER,
	};
	in_ring(ring, ring->params.sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	CHECK(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
	done = __atomic_load_n(in_ring(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE);
	CHECK(done == *head + 1);
	result = cqes[*head & *in_ring(ring, ring->params.cq_off.ring_mask)].res;
	__atomic_store_n(head, done, __ATOMIC_RELEASE);
	return result;
}

/* The ring stores that pattern to the buffer. */
static void ring_fill(const struct ring *ring, void *p, u64 seed)
{
	int done;

	file_fill(ring->file, 0, BUFFER, seed);
	done = ring_copy(ring, IORING_OP_READ_FIXED, p);
	CHECK_MSG(done == BUFFER, "%s", done < 0 ? strerror(-done) : "a short read");
}

/* The ring finds that pattern in the buffer. */
static void ring_check(const struct ring *ring, void *p, u64 seed)
{
	int done = ring_copy(ring, IORING_OP_WRITE_FIXED, p);

	CHECK_MSG(done == BUFFER, "%s", done < 0 ? strerror(-done) : "a short write");
	file_check(ring->file, 0, BUFFER, seed);
}

/* Pages pinned now, by whom they may be. */
static long pinned(void)
{
	mem_kib("MemFree");	/* folds the counters of the CPUs, too */
	return vm_stat("nr_foll_pin_acquired") - vm_stat("nr_foll_pin_released");
}

static void see_buffer(void *arg)
{
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), BUFFER, (uintptr_t)arg);
}

static void store_to_buffer(void *arg)
{
	fill(region_map(region_open("a", O_RDWR), RW), BUFFER, (uintptr_t)arg);
}

/* The ring and another process see the same memory, either way round. */
static void check_shared(const struct ring *ring, char *p, u64 seed)
{
	ring_fill(ring, p, seed);
	join_ok(spawn(see_buffer, (void *)seed));
	join_ok(spawn(store_to_buffer, (void *)(seed + 1)));
	ring_check(ring, p, seed + 1);
}

/* What the kernel takes for itself to write out or to move, a pinned page is not. */
static void io_into_pinned(void)
{
	struct ring ring = new_ring();
	char *p = mixed_region(RW);
	long before = pinned();
	u64 count;

	need_swap(4 * MIB);
	if (access("/proc/sys/vm/compact_memory", W_OK))
		test_skip("the kernel has no compaction");
	fill(p, MIB, 1);
	CHECK_OK(ring_pin(ring.fd, p, BUFFER));
	check_shared(&ring, p, 10);
	count = vm_stat("pswpout");
	CHECK_OK(madvise(p, MIB, MADV_PAGEOUT));
	CHECK(vm_stat("pswpout") > count);	/* what is not pinned */
	check_shared(&ring, p, 20);
	count = vm_stat("compact_migrate_scanned");
	file_write("/proc/sys/vm/compact_memory", "1");
	CHECK(vm_stat("compact_migrate_scanned") > count);
	check_shared(&ring, p, 30);
	check_pattern(p + BUFFER, MIB - BUFFER, 1 + BUFFER / 8);
	ring_unpin(ring.fd);
	CHECK_MSG(pinned() == before, "%ld pages stay pinned", pinned() - before);
}

/* The pages stay the ring's, and nobody else's, until it lets them go. */
static void io_into_what_was_unmapped(void)
{
	struct ring ring = new_ring();
	char *p = mixed_region(RW);
	bool at_once = test_arg;
	long before = pinned();
	unsigned char c;

	CHECK_OK(ring_pin(ring.fd, p, BUFFER));
	ring_fill(&ring, p, 1);
	check_pattern(p, BUFFER, 1);
	if (!at_once) {
		CHECK_OK(object_del(the_fd, READ_WRITE, MIB));
		ring_fill(&ring, p, 2);
		CHECK(peek(p, &c) == SIGSEGV);
	}
	CHECK_OK(object_add(the_fd, READ_WRITE, MIB));
	ring_fill(&ring, p, 3);
	check_zero(p, MIB);
	fill(p, MIB, 4);
	ring_fill(&ring, p, 5);
	check_pattern(p, MIB, 4);
	join_ok(spawn(see_buffer, (void *)4));
	ring_check(&ring, p, 5);
	ring_unpin(ring.fd);
	check_pattern(p, MIB, 4);
	CHECK_MSG(pinned() == before, "%ld pages stay pinned", pinned() - before);
}

static void results_of_system_calls(void)
{
	char *p = mixed_region(RW), *q = region_map(the_fd, PROT_READ);

	CHECK_OK(clock_gettime(CLOCK_MONOTONIC, (struct timespec *)p));
	CHECK_OK(syscall(SYS_uname, p + PAGE));
	CHECK_ERR(syscall(SYS_uname, p + READ_ONLY), EFAULT);
	CHECK_ERR(syscall(SYS_uname, p + HOLE), EFAULT);
	CHECK_ERR(syscall(SYS_uname, q), EFAULT);
	CHECK(!memcmp(q + PAGE, "Linux", 5));
	memcpy(p + 2 * PAGE, "/", 2);
	CHECK_OK(access(q + 2 * PAGE, F_OK));
	CHECK_ERR(access(q + HOLE, F_OK), EFAULT);
}

static const struct test_case cases[] = {
	{ "a store to an object without PROT_WRITE: SIGSEGV", store_to_read_only },
	{ "any touch of an object without PROT_READ: SIGSEGV", load_without_read },
	{ "a load that faults in an object with PROT_WRITE alone: SIGSEGV", load_of_write_only },
	{ "a touch where nothing is mapped: SIGSEGV", hole },
	{ "a touch of a region without objects: SIGSEGV", empty_region },
	{ "a store by a read-only client: SIGSEGV", read_only_client },
	{ "a read-only client that is first does not hinder writers", read_only_client_first },
	{ "a client with PROT_NONE: SIGSEGV", no_access_client },
	{ "a client with PROT_WRITE alone stores", write_only_client },
	{ "a read-only client beside a busy writer: SIGSEGV each time", read_only_beside_writer },
	{ "read(2) into a region, and EFAULT where a store would fail", read_buffers },
	{ "write(2) from a region, and EFAULT where a load would fail", write_buffers },
	{ "vmsplice of a region", vmsplice_from_region },
	{ "vmsplice of a pipe into a region, and EFAULT where a store would fail",
	  vmsplice_into_region },
	{ "pages of a region spliced and teed onward", splice_onward },
	{ "pages spliced before their UNMAP", splice_what_was_unmapped },
	{ "pages spliced before their replacement", splice_what_was_unmapped, "at once" },
	{ "process_vm_readv and process_vm_writev", other_process },
	{ "process_vm_writev to a read-only client: EFAULT", other_process_read_only },
	{ "ptrace reads and writes, but not what is read-only", debugger },
	{ "/proc/PID/mem reads and writes, but not what is read-only", proc_mem },
	{ "a futex in a region wakes another process", futex_between_processes },
	{ "a futex where nothing is mapped: EFAULT", futex_errors },
	{ "a mutex in a region, three processes of two threads", mutex_between_processes },
	{ "registered io_uring buffers, and EFAULT where a store would fail", pinned_buffers },
	{ "io_uring reads into a pinned buffer after MADV_PAGEOUT and compaction", io_into_pinned },
	{ "io_uring reads into a buffer after its UNMAP, and nothing of it is in a new object",
	  io_into_what_was_unmapped },
	{ "io_uring reads into a buffer after its replacement, and nothing is in the new object",
	  io_into_what_was_unmapped, "at once" },
	{ "system calls that store and load, and EFAULT", results_of_system_calls },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
