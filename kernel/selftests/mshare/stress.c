// SPDX-License-Identifier: GPL-2.0
/*
 * Processes and threads map, touch, unmap, fork and exit at random, by a seed
 * (-r), for a time (-s) or a number of operations each (-n).
 *
 * The region is divided into slots: of anonymous memory, and of files (a memfd,
 * and one on a disk) that keep their content while they are not mapped. Most are
 * small and share page tables; each big one has a huge page's range to itself, so
 * that it can be one, and its page table goes with it. What each page of a slot must
 * hold stands in ordinary shared memory, under a lock for each slot: the oracle.
 * Beside the workers, which keep it, there are disturbers, which touch without a
 * lock and are killed at any moment.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"
#include "objfile.h"

#define SMALL_SLOTS	32
#define SMALL_PAGES	24
#define SMALL_SIZE	(SMALL_PAGES * PAGE)
#define BIG_SLOTS	4
#define BIG_SIZE	HUGE
#define BIG_PAGES	((int)(BIG_SIZE / PAGE))
#define SLOTS		(SMALL_SLOTS + BIG_SLOTS)
#define PARTS		8	/* of each page, a word of which is stored and checked */
#define WORKERS		16
#define QUICK_WORKERS	4
#define DISTURBERS	2
#define FEW		4	/* pages that are touched at once */

#ifndef MPOL_MF_MOVE_ALL
#define MPOL_MF_MOVE_ALL	4
#endif

enum op {
	OP_MAP, OP_UNMAP, OP_REPLACE, OP_PART, OP_STORE, OP_CHECK, OP_FORK, OP_REMAP, OP_PAGEOUT,
	OP_POPULATE, OP_THREAD, OP_PUNCH, OP_MOVE, OP_RECLAIM, OP_HUGE, OPS
};

static const char * const op_names[OPS] = {
	"map", "unmap", "replace", "part", "store", "check", "fork", "remap", "pageout",
	"populate", "thread", "punch", "move", "reclaim", "huge",
};

/* EITHER: anonymous memory, or a page of hugetlb. */
enum kind { KIND_ANON, KIND_EITHER, KIND_MEMFD, KIND_DISK };

struct slot {
	pthread_mutex_t lock;
	bool hugetlb;			/* its object is a page of hugetlb */
	bool mapped[BIG_PAGES];
	u64 generation[BIG_PAGES];	/* 0: zeros */
};

struct oracle {
	struct slot slot[SLOTS];
	u64 done[OPS];
	u64 touched;		/* pages that were stored to or checked */
};

struct worker {
	char *p;
	int fd;
	u64 random;
	char *thread_p;
};

static struct oracle *oracle;
static time_t deadline;
static int workers;
static bool grouped;	/* cgroups are there, by which memory can be reclaimed */

/* What the file slots map, and a mapping of the memfd that is not through the region. */
static int memory, disk_file;
static char *direct;

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool is_big(int slot)
{
	return slot >= SMALL_SLOTS;
}

static int pages_of(int slot)
{
	return is_big(slot) ? BIG_PAGES : SMALL_PAGES;
}

/*
 * Small slots lie around the border between two granules, with a hole behind each. Big ones lie
 * beyond, two in each granule, with a huge page's range between them that stays empty.
 */
static u64 slot_offset(int slot)
{
	int big = slot - SMALL_SLOTS, middle = BIG_SLOTS / 2;

	if (!is_big(slot))
		return granule() - (SMALL_SLOTS / 2 - slot) * (SMALL_SIZE + PAGE);
	if (big < middle)
		return granule() - 2 * BIG_SIZE * (middle - big) - BIG_SIZE;
	return granule() + 2 * BIG_SIZE * (big - middle + 1);
}

static enum kind kind_of(int slot)
{
	static const enum kind big[BIG_SLOTS] = { KIND_ANON, KIND_EITHER, KIND_EITHER, KIND_MEMFD };

	if (is_big(slot))
		return big[slot - SMALL_SLOTS];
	if (slot % 4 != 3)
		return KIND_ANON;
	return slot % 8 == 7 && disk_file >= 0 ? KIND_DISK : KIND_MEMFD;
}

static bool is_file(int slot)
{
	return kind_of(slot) == KIND_MEMFD || kind_of(slot) == KIND_DISK;
}

static int file_of(int slot)
{
	return kind_of(slot) == KIND_DISK ? disk_file : memory;
}

/* In the memfd, big slots are aligned as huge pages are. */
static u64 file_offset(int slot)
{
	if (is_big(slot))
		return (2 + slot - SMALL_SLOTS) * BIG_SIZE;
	return slot * SMALL_SIZE;
}

#define FILE_SIZE	((2 + BIG_SLOTS) * BIG_SIZE)

static u64 word_of(int slot, int page, u64 generation, int word)
{
	u64 x = generation * 0x9e3779b97f4a7c15ULL + slot * 1000003 + page * 1009 + word;

	if (!generation)
		return 0;
	return x ^ x >> 29;
}

static u64 *word_at(char *page, int word)
{
	return (u64 *)(page + word * (PAGE / PARTS));
}

/* Who waits sleeps: a slot may be held while its pages are read from swap. */
static void make_locks(void)
{
	pthread_mutexattr_t between_processes;
	int i;

	CHECK(!pthread_mutexattr_init(&between_processes));
	CHECK(!pthread_mutexattr_setpshared(&between_processes, PTHREAD_PROCESS_SHARED));
	for (i = 0; i < SLOTS; i++)
		CHECK(!pthread_mutex_init(&oracle->slot[i].lock, &between_processes));
}

static void lock(struct slot *slot)
{
	CHECK(!pthread_mutex_lock(&slot->lock));
}

static void unlock(struct slot *slot)
{
	CHECK(!pthread_mutex_unlock(&slot->lock));
}

static void done(enum op op)
{
	__atomic_add_fetch(&oracle->done[op], 1, __ATOMIC_RELAXED);
}

static void store_page(struct worker *w, int s, int page)
{
	struct slot *slot = &oracle->slot[s];
	char *at = w->p + slot_offset(s) + page * PAGE;
	u64 generation = next_random(&w->random) | 1;
	int word;

	if (!slot->mapped[page]) {
		CHECK(poke(at, 1) == SIGSEGV);
		return;
	}
	for (word = 0; word < PARTS; word++)
		*word_at(at, word) = word_of(s, page, generation, word);
	slot->generation[page] = generation;
	__atomic_add_fetch(&oracle->touched, 1, __ATOMIC_RELAXED);
}

static void check_page(char *p, int s, int page)
{
	struct slot *slot = &oracle->slot[s];
	char *at = p + slot_offset(s) + page * PAGE;
	unsigned char c;
	int word;

	if (!slot->mapped[page]) {
		int sig = peek(at, &c);

		CHECK_MSG(sig == SIGSEGV, "slot %d, page %d: signal %d", s, page, sig);
		return;
	}
	for (word = 0; word < PARTS; word++) {
		u64 want = word_of(s, page, slot->generation[page], word);
		u64 have = *word_at(at, word);

		CHECK_MSG(have == want, "slot %d, page %d, word %d: %#llx, not %#llx", s, page,
			  word, (unsigned long long)have, (unsigned long long)want);
	}
	__atomic_add_fetch(&oracle->touched, 1, __ATOMIC_RELAXED);
}

static void check_pages(char *p, int s, int first, int n)
{
	int page;

	for (page = first; page < first + n; page++)
		check_page(p, s, page);
}

static void check_slot(char *p, int s)
{
	check_pages(p, s, 0, pages_of(s));
}

static void set_pages(int s, int first, int n, bool mapped)
{
	int page;

	for (page = first; page < first + n; page++) {
		oracle->slot[s].mapped[page] = mapped;
		if (!is_file(s))
			oracle->slot[s].generation[page] = 0;
	}
}

static int create_object(struct worker *w, int s, int first, int n)
{
	u64 at = slot_offset(s) + first * PAGE;

	if (is_file(s))
		return object_map(w->fd, at, n * PAGE, RW, file_of(s),
				  file_offset(s) + first * PAGE);
	return object_add(w->fd, at, n * PAGE);
}

/* A huge page is taken out as a whole, or not at all. */
static bool cuts_huge_page(int s, int n)
{
	return oracle->slot[s].hugetlb && n < BIG_PAGES;
}

static void map_part(struct worker *w, int s, int first, int n)
{
	if (cuts_huge_page(s, n)) {
		CHECK_ERR(create_object(w, s, first, n), EINVAL);
		return;
	}
	CHECK_OK(create_object(w, s, first, n));
	oracle->slot[s].hugetlb = false;
	set_pages(s, first, n, true);
}

static void unmap_part(struct worker *w, int s, int first, int n)
{
	u64 at = slot_offset(s) + first * PAGE;

	if (cuts_huge_page(s, n)) {
		CHECK_ERR(object_del(w->fd, at, n * PAGE), EINVAL);
		return;
	}
	CHECK_OK(object_del(w->fd, at, n * PAGE));
	oracle->slot[s].hugetlb = false;
	set_pages(s, first, n, false);
}

static void map_whole(struct worker *w, int s)
{
	if (kind_of(s) != KIND_EITHER || next_random(&w->random) % 2) {
		map_part(w, s, 0, pages_of(s));
		return;
	}
	CHECK_OK(object_create(w->fd, slot_offset(s), BIG_SIZE, RW, ANON | MAP_HUGETLB, -1, 0));
	oracle->slot[s].hugetlb = true;
	set_pages(s, 0, BIG_PAGES, true);
}

/* The child's memory map is a copy; what it sees of the region is not. */
static void fork_and_check(struct worker *w, int s)
{
	pid_t pid = fork();
	int page;

	CHECK_OK(pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		check_slot(w->p, s);
		for (page = 0; page < pages_of(s); page += 5)
			store_page(w, s, page);
		_exit(KSFT_PASS);
	}
	join_ok(pid);
}

static void remap(struct worker *w)
{
	char *old = w->p;

	if (next_random(&w->random) % 2) {
		CHECK_OK(munmap(old, 2 * granule()));
		w->p = region_map(w->fd, RW);
	} else {
		w->p = region_map(w->fd, RW);
		CHECK_OK(munmap(old, 2 * granule()));
	}
}

/* The file's content goes, whether it is mapped or not. */
static void punch_part(int s, int first, int n)
{
	int page;

	if (!is_file(s))
		return;
	CHECK_OK(fallocate(file_of(s), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   file_offset(s) + first * PAGE, n * PAGE));
	for (page = first; page < first + n; page++)
		oracle->slot[s].generation[page] = 0;
}

/* To another node, by the mapping that is not the region's; pages in use may stay. */
static void move_slot(struct worker *w, int s)
{
	/* One for all: each page that asks for another one moves the huge page that it is in. */
	int to = next_random(&w->random) % 2;
	int node[BIG_PAGES], status[BIG_PAGES], i;
	char *p = direct + file_offset(s);
	void *page[BIG_PAGES];
	long left;		/* pages that were not moved */

	if (kind_of(s) != KIND_MEMFD) {
		if (next_random(&w->random) % 16 == 0)
			file_write("/proc/sys/vm/compact_memory", "1");
		return;
	}
	for (i = 0; i < pages_of(s); i++) {
		page[i] = p + i * PAGE;
		get(page[i]);	/* only what is in these page tables is moved */
		node[i] = to;
	}
	left = syscall(SYS_move_pages, 0, pages_of(s), page, node, status, MPOL_MF_MOVE_ALL);
	/* A machine of one node answers ENODEV; a node may have no room. */
	CHECK_MSG(left >= 0 || errno == ENODEV || errno == ENOENT || errno == ENOMEM,
		  "move_pages: %s", strerror(errno));
}

/* What is mapped from now on gets huge pages, or mostly not: small ones are more to do. */
static void switch_huge(struct worker *w)
{
	int s = SLOTS - 1;

	file_write(SHMEM_ENABLED, next_random(&w->random) % 4 ? "never" : "always");
	CHECK(kind_of(s) == KIND_MEMFD);
	/* Takes the page tables away below those who use the slot: no lock is held. */
	if (madvise(direct + file_offset(s), BIG_SIZE, MADV_COLLAPSE))
		CHECK_MSG(errno == EAGAIN || errno == EBUSY || errno == ENOMEM || errno == EINVAL,
			  "MADV_COLLAPSE: %s", strerror(errno));
}

struct thread_job {
	char *p;
	int slot;
};

static void *check_in_thread(void *arg)
{
	struct thread_job *job = arg;

	check_slot(job->p, job->slot);
	return NULL;
}

static void check_by_threads(struct worker *w, int s)
{
	struct thread_job job = { .p = w->p, .slot = s };
	pthread_t thread[2];

	CHECK(!pthread_create(&thread[0], NULL, check_in_thread, &job));
	CHECK(!pthread_create(&thread[1], NULL, check_in_thread, &job));
	CHECK(!pthread_join(thread[0], NULL));
	CHECK(!pthread_join(thread[1], NULL));
}

/* Stores and loads of a few pages are what a region is for: most operations, and quick ones. */
static void touch(struct worker *w, int s, enum op op)
{
	int n = 1 + next_random(&w->random) % FEW;
	int first = next_random(&w->random) % (pages_of(s) - n + 1);
	int i;

	/* What a store would overwrite is looked at first. */
	check_pages(w->p, s, first, n);
	if (op == OP_STORE) {
		for (i = first; i < first + n; i++)
			store_page(w, s, i);
		check_pages(w->p, s, first, n);
	}
}

static void operate(struct worker *w, int s, enum op op)
{
	char *at = w->p + slot_offset(s);
	int first = next_random(&w->random) % pages_of(s);
	int n = 1 + next_random(&w->random) % (pages_of(s) - first);
	int i;

	switch (op) {
	case OP_STORE:
	case OP_CHECK:
		touch(w, s, op);
		return;
	case OP_MAP:
	case OP_REPLACE:
		map_whole(w, s);
		if (op == OP_MAP)
			for (i = 0; i < pages_of(s); i++)
				store_page(w, s, i);
		break;
	case OP_UNMAP:
		unmap_part(w, s, 0, pages_of(s));
		break;
	case OP_PART:
		if (next_random(&w->random) % 2)
			unmap_part(w, s, first, n);
		else
			map_part(w, s, first, n);
		break;
	case OP_FORK:
		fork_and_check(w, s);
		break;
	case OP_REMAP:
		remap(w);
		break;
	case OP_PAGEOUT:
		if (madvise(at, pages_of(s) * PAGE, MADV_PAGEOUT))
			CHECK(errno == ENOMEM || errno == EFAULT || errno == EINVAL);
		break;
	case OP_POPULATE:
		madvise(at, pages_of(s) * PAGE, MADV_POPULATE_WRITE);	/* fails at holes */
		break;
	case OP_THREAD:
		check_by_threads(w, s);
		break;
	case OP_PUNCH:
		punch_part(s, first, n);
		break;
	case OP_MOVE:
		move_slot(w, s);
		break;
	case OP_HUGE:
		switch_huge(w);
		break;
	default:
		break;
	}
	check_slot(w->p, s);
}

/*
 * How often each is done, of their sum. All but the last two check a whole slot. RECLAIM takes as
 * long as a thousand others.
 */
static const unsigned int weights[OPS] = {
	[OP_MAP] = 6, [OP_UNMAP] = 3, [OP_REPLACE] = 3, [OP_PART] = 9, [OP_FORK] = 3,
	[OP_REMAP] = 3, [OP_PAGEOUT] = 3, [OP_POPULATE] = 3, [OP_THREAD] = 3, [OP_PUNCH] = 3,
	[OP_MOVE] = 3, [OP_RECLAIM] = 1, [OP_HUGE] = 2, [OP_STORE] = 540, [OP_CHECK] = 540,
};

static enum op random_op(u64 *random)
{
	unsigned int sum = 0, at;
	int op;

	for (op = 0; op < OPS; op++)
		sum += weights[op];
	at = next_random(random) % sum;
	for (op = 0; at >= weights[op]; op++)
		at -= weights[op];
	return op;
}

static bool time_over(unsigned long operations)
{
	struct timespec now;

	if (opt_rounds)
		return operations >= opt_rounds;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec >= deadline;
}

static void work(void *arg)
{
	uintptr_t index = (uintptr_t)arg;
	struct worker w = { .random = opt_seed * 7919 + index * 104729 + 1 };
	unsigned long n;

	w.fd = region_open("a", O_RDWR);
	w.p = region_map(w.fd, RW);
	for (n = 0; n < 20; n++)
		next_random(&w.random);
	for (n = 0; !time_over(n); n++) {
		enum op op = random_op(&w.random);
		int s = next_random(&w.random) % SLOTS;

		/*
		 * From all slots, and what PAGEOUT wrote, too: only then is it
		 * read again. It waits for writes, and nobody for it.
		 */
		if (op == OP_RECLAIM && grouped)
			press_for_memory("256K");
		lock(&oracle->slot[s]);
		operate(&w, s, op);
		unlock(&oracle->slot[s]);
		done(op);
	}
}

/* Touch anything, hold no lock, store nothing that the oracle knows. */
static void disturb(void *arg)
{
	u64 random = opt_seed + (uintptr_t)arg * 31 + 1;
	int fd = region_open("a", O_RDWR);
	char *p = region_map(fd, PROT_READ);

	for (;;) {
		int s = next_random(&random) % SLOTS;
		u64 page = next_random(&random) % pages_of(s);
		unsigned char c;

		if (next_random(&random) % 500 == 0) {
			CHECK_OK(munmap(p, 2 * granule()));
			p = region_map(fd, next_random(&random) % 2 ? PROT_READ : RW);
		}
		peek(p + slot_offset(s) + page * PAGE + next_random(&random) % PAGE, &c);
	}
}

static void start(void)
{
	struct timespec now;
	int fd;

	oracle = mmap(NULL, sizeof(*oracle), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(oracle);
	make_locks();
	workers = opt_quick ? QUICK_WORKERS : WORKERS;
	memory = sparse_file(memfd, FILE_SIZE / PAGE);
	disk_file = getenv("MSHARE_DISK") ? sparse_file(disk, FILE_SIZE / PAGE) : -1;
	direct = mmap(free_range(FILE_SIZE), FILE_SIZE, RW, MAP_SHARED | MAP_FIXED, memory, 0);
	CHECK_OK(direct);
	need_pool(8);
	test_set(SHMEM_ENABLED, "never");
	hurry_khugepaged("100");	/* several times while an object lives */
	fd = region_new("a", 2);
	CHECK_OK(close(fd));
	grouped = have_groups();
	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + (opt_seconds ?: (opt_quick ? 8 : 60));
}

/* Pages that went and came back, moved, or were made one: what some of the operations are for. */
static const char * const movements[] = {
	"pswpout", "pswpin", "pgmigrate_success", "thp_file_alloc", "thp_split_page",
	"thp_collapse_alloc",
};

static bool can_move(const char *movement)
{
	if (!strcmp(movement, "pswpin") && !grouped)
		return false;
	if (!strncmp(movement, "pswp", 4))
		return mem_kib("SwapTotal") > 0;
	if (!strncmp(movement, "thp", 3))
		return true;
	return !access("/sys/devices/system/node/node1", F_OK);
}

/* Such a number of operations has some of everything. */
#define MANY	50000

static void note_movements(const u64 *before, u64 operations)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(movements); i++) {
		u64 n = vm_stat(movements[i]) - before[i];

		test_note("%s: %llu", movements[i], (unsigned long long)n);
		CHECK_MSG(n || operations < MANY || !can_move(movements[i]), "%s did not grow",
			  movements[i]);
	}
}

/* Returns how many operations there were. */
static u64 end(char *p)
{
	char text[512] = "";
	size_t used = 0;
	u64 sum = 0;
	int i;

	for (i = 0; i < SLOTS; i++)
		check_slot(p, i);
	for (i = 0; i < OPS; i++) {
		used += snprintf(text + used, sizeof(text) - used, " %s %llu", op_names[i],
				 (unsigned long long)oracle->done[i]);
		sum += oracle->done[i];
	}
	test_note("seed %llu:%s", (unsigned long long)opt_seed, text);
	test_note("%llu operations, %llu pages touched", (unsigned long long)sum,
		  (unsigned long long)oracle->touched);
	for (i = 0; i < OPS; i++)
		CHECK_MSG(oracle->done[i] > 0, "%s was never done", op_names[i]);
	return sum;
}

static bool all_ended(pid_t *pids)
{
	bool ended = true;
	int i;

	for (i = 0; i < workers; i++) {
		int status;

		if (!pids[i])
			continue;
		if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
			CHECK_MSG(status == 0, "worker %d: wait status %#x", i, status);
			pids[i] = 0;
		} else {
			ended = false;
		}
	}
	return ended;
}

static void stress(void)
{
	pid_t pids[WORKERS], disturbers[DISTURBERS];
	u64 moved[ARRAY_SIZE(movements)];
	unsigned long killed = 0;
	uintptr_t i;

	for (i = 0; i < ARRAY_SIZE(movements); i++)
		moved[i] = vm_stat(movements[i]);
	start();
	for (i = 0; i < (uintptr_t)workers; i++)
		pids[i] = spawn(work, (void *)i);
	for (i = 0; i < DISTURBERS; i++)
		disturbers[i] = spawn(disturb, (void *)i);
	while (!all_ended(pids)) {
		usleep(20000 + killed % 7 * 10000);
		i = killed++ % DISTURBERS;
		kill_join(disturbers[i]);
		disturbers[i] = spawn(disturb, (void *)(i + killed));
	}
	for (i = 0; i < DISTURBERS; i++)
		kill_join(disturbers[i]);
	test_note("%lu disturbers killed", killed);
	note_movements(moved, end(region_map(region_open("a", O_RDONLY), PROT_READ)));
	remove_files();
	if (grouped)
		drop_groups();
}

static const struct test_case cases[] = {
	{ "random operations with an oracle", stress, .slow = 60 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
