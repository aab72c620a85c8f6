// SPDX-License-Identifier: GPL-2.0
/*
 * Regions, as the msharefs selftests use them; see region.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "region.h"

#define POOL	"/proc/sys/vm/nr_hugepages"

__thread const void *fault_address;
__thread int fault_code;
static __thread sigjmp_buf fault_jump;
static __thread bool fault_expected;

/* Read once, by the main thread: in_mnt() is not for several at a time. */
u64 granule(void)
{
	static u64 value;
	char text[64];
	char *end;

	if (value)
		return value;
	file_read(in_mnt("mshare_info"), text, sizeof(text));
	value = strtoull(text, &end, 10);
	CHECK_MSG(value >= PAGE && *end == '\n', "mshare_info says \"%s\"", text);
	return value;
}

const char *in_mnt(const char *name)
{
	static char paths[4][256];
	static int next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[next]), "%s/%s", test_mnt, name);
	return paths[next];
}

int region_file(const char *name)
{
	int fd = open(in_mnt(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHECK_OK(fd);
	return fd;
}

int region_new(const char *name, unsigned int granules)
{
	int fd = region_file(name);

	CHECK_OK(ftruncate(fd, granules * granule()));
	return fd;
}

int region_open(const char *name, int flags)
{
	int fd = open(in_mnt(name), flags | O_CLOEXEC);

	CHECK_OK(fd);
	return fd;
}

int object_create(int fd, u64 at, u64 size, unsigned int prot, unsigned int flags,
		  int objfd, u64 offset)
{
	struct mshare_create create = {
		.region_offset = at,
		.size = size,
		.offset = offset,
		.prot = prot,
		.flags = flags,
		.fd = objfd,
	};

	return ioctl(fd, MSHAREFS_CREATE_MAPPING, &create);
}

int object_add(int fd, u64 at, u64 size)
{
	return object_create(fd, at, size, RW, ANON, -1, 0);
}

int object_del(int fd, u64 at, u64 size)
{
	struct mshare_unmap unmap = { .region_offset = at, .size = size };

	return ioctl(fd, MSHAREFS_UNMAP, &unmap);
}

char *region_map(int fd, int prot)
{
	struct stat st;
	char *p;

	CHECK_OK(fstat(fd, &st));
	p = mmap(NULL, st.st_size, prot, MAP_SHARED, fd, 0);
	CHECK_OK(p);
	CHECK_MSG((uintptr_t)p % granule() == 0, "mapped at %p", p);
	return p;
}

char *free_range(u64 size)
{
	u64 align = granule();
	char *p = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	CHECK_OK(p);
	CHECK_OK(munmap(p, size + align));
	return (char *)(((uintptr_t)p + align - 1) / align * align);
}

char *simple_region(const char *name, u64 object_size, int *fd)
{
	*fd = region_new(name, 1);
	CHECK_OK(object_add(*fd, 0, object_size));
	return region_map(*fd, RW);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!fault_expected) {
		test_note("[%d] signal %d at %p", getpid(), sig, info->si_addr);
		signal(sig, SIG_DFL);	/* the access is repeated, and kills us */
		return;
	}
	fault_expected = false;
	fault_address = info->si_addr;
	fault_code = info->si_code;
	siglongjmp(fault_jump, sig);
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	static bool done;

	if (done)
		return;
	CHECK_OK(sigaction(SIGSEGV, &action, NULL));
	CHECK_OK(sigaction(SIGBUS, &action, NULL));
	done = true;
}

int peek(const void *p, unsigned char *value)
{
	int sig;

	catch_faults();
	sig = sigsetjmp(fault_jump, 1);
	if (sig)
		return sig;
	fault_expected = true;
	*value = __atomic_load_n((const unsigned char *)p, __ATOMIC_SEQ_CST);
	fault_expected = false;
	return 0;
}

int poke(void *p, unsigned char value)
{
	int sig;

	catch_faults();
	sig = sigsetjmp(fault_jump, 1);
	if (sig)
		return sig;
	fault_expected = true;
	__atomic_store_n((unsigned char *)p, value, __ATOMIC_SEQ_CST);
	fault_expected = false;
	return 0;
}

int count_until_signal(u64 *word)
{
	int sig;
	u64 n;

	catch_faults();
	sig = sigsetjmp(fault_jump, 1);
	if (sig)
		return sig;
	fault_expected = true;
	for (n = *word + 1; ; n++)
		__atomic_store_n(word, n, __ATOMIC_RELAXED);
}

unsigned char get(const void *p)
{
	unsigned char value = 0;
	int sig = peek(p, &value);

	CHECK_MSG(sig == 0, "load from %p: signal %d", p, sig);
	return value;
}

void put(void *p, unsigned char value)
{
	int sig = poke(p, value);

	CHECK_MSG(sig == 0, "store to %p: signal %d", p, sig);
}

static u64 mix(u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void fill(void *p, u64 size, u64 seed)
{
	u64 *word = p;
	u64 i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = mix(seed + i);
}

void check_pattern(const void *p, u64 size, u64 seed)
{
	const u64 *word = p;
	u64 i;

	for (i = 0; i < size / sizeof(*word); i++)
		CHECK_MSG(word[i] == mix(seed + i), "byte %#llx of %p, seed %llu: %#llx, not %#llx",
			  (unsigned long long)i * 8, p, (unsigned long long)seed,
			  (unsigned long long)word[i], (unsigned long long)mix(seed + i));
}

void check_zero(const void *p, u64 size)
{
	const u64 *word = p;
	u64 i;

	for (i = 0; i < size / sizeof(*word); i++)
		CHECK_MSG(word[i] == 0, "byte %#llx of %p is %#llx", (unsigned long long)i * 8, p,
			  (unsigned long long)word[i]);
}

static long number_after(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	size_t length = strlen(key);
	char line[256];
	long value = -1;

	CHECK_MSG(file, "%s", path);
	while (value == -1 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && line[length] == ':')
			value = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return value;
}

long mem_kib(const char *key)
{
	file_write("/proc/sys/vm/stat_refresh", "1");
	return number_after("/proc/meminfo", key);
}

void count_in_pages(void *number)
{
	char *p = region_map(region_open("a", O_RDWR), RW) + (uintptr_t)number * sizeof(u64);
	u64 count;
	size_t i;

	run_on_cpu((uintptr_t)number);
	flag_raise(0);
	for (count = 0; !flag_get(1); count++) {
		for (i = 0; i < COUNTED; i++) {
			u64 *word = (u64 *)(p + i * PAGE);
			u64 have = __atomic_load_n(word, __ATOMIC_RELAXED);

			CHECK_MSG(have == count, "page %zu counts %llu, not %llu", i,
				  (unsigned long long)have, (unsigned long long)count);
			__atomic_store_n(word, count + 1, __ATOMIC_RELAXED);
		}
	}
}

u64 vm_stat(const char *name)
{
	char key[64];
	u64 value;
	FILE *file = fopen("/proc/vmstat", "r");

	CHECK(file);
	while (fscanf(file, "%63s %llu", key, (unsigned long long *)&value) == 2)
		if (!strcmp(key, name)) {
			fclose(file);
			return value;
		}
	test_fail(__FILE__, __LINE__, "/proc/vmstat has no %s", name);
}

void pagemap_read(const void *p, size_t n, u64 *entry)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	CHECK_OK(fd);
	CHECK(pread(fd, entry, n * sizeof(*entry), (uintptr_t)p / PAGE * sizeof(*entry)) ==
	      (ssize_t)(n * sizeof(*entry)));
	CHECK_OK(close(fd));
}

void frames_read(const void *p, size_t n, u64 *frame)
{
	size_t i;

	pagemap_read(p, n, frame);
	for (i = 0; i < n; i++)
		frame[i] = frame[i] >> 63 ? frame[i] & ((1ULL << 55) - 1) : 0;
}

void poison(void *p)
{
	unsigned char value;

	if (madvise(p, PAGE, MADV_HWPOISON)) {
		CHECK(errno == EINVAL);
		test_skip("the kernel has no memory failure injection");
	}
	CHECK(peek(p, &value) == SIGBUS);
}

void need_debugfs(void)
{
	if (mount("debugfs", DEBUGFS, "debugfs", 0, NULL) && errno != EBUSY)
		test_skip("no debugfs");
}

void need_swap(u64 size)
{
	if (mem_kib("SwapFree") < (long)(size / KIB))
		test_skip("needs %lu MiB of free swap", (unsigned long)(size / MIB));
}

void need_pool(long pages)
{
	char text[32];
	long lost;

	if (mem_kib("Hugepagesize") != (long)(HUGE / KIB))
		test_skip("huge pages are not of 2 MiB");
	/* What stays are pages that failed, which are never free again. */
	test_set(POOL, "0");
	lost = mem_kib("HugePages_Total");
	snprintf(text, sizeof(text), "%ld", pages + lost);
	file_write(POOL, text);
	if (mem_kib("HugePages_Total") != pages + lost)
		test_skip("this machine does not give %ld huge pages", pages);
	CHECK(mem_kib("HugePages_Free") == pages && mem_kib("HugePages_Rsvd") == 0);
}

long status_of(pid_t pid, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return number_after(path, key);
}

long faults(void)
{
	struct rusage usage;

	CHECK_OK(getrusage(RUSAGE_SELF, &usage));
	return usage.ru_minflt + usage.ru_majflt;
}

long faults_of_loads(const char *p, u64 size)
{
	long before;
	u64 at;

	/* Twice: the first call may take faults of its own. */
	before = faults();
	before = faults();
	for (at = 0; at < size; at += PAGE)
		__atomic_load_n(p + at, __ATOMIC_RELAXED);
	return faults() - before;
}

void hurry_khugepaged(const char *msecs)
{
	test_set(KHUGEPAGED "scan_sleep_millisecs", msecs);
	test_set(KHUGEPAGED "alloc_sleep_millisecs", msecs);
}

void fdinfo_read(int fd, struct fdinfo *info)
{
	char path[64], line[256];
	FILE *file;

	memset(info, 0, sizeof(*info));
	info->clients = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	CHECK_MSG(file, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		unsigned long long at, size;
		char access[8], kind[16], object_path[128];
		int got;

		if (!strncmp(line, "mshare_clients:\t", 16))
			info->clients = strtol(line + 16, NULL, 10);
		if (strncmp(line, "mshare_object:\t", 15))
			continue;
		got = sscanf(line + 15, "0x%llx 0x%llx %7s %15s %127[^\n]\n", &at, &size, access,
			     kind, object_path);
		CHECK_MSG(got == 5, "fdinfo line \"%s\"", line);
		CHECK(info->objects < FDINFO_OBJECTS);
		info->object[info->objects].at = at;
		info->object[info->objects].size = size;
		memcpy(info->object[info->objects].access, access, sizeof(access));
		memcpy(info->object[info->objects].kind, kind, sizeof(kind));
		memcpy(info->object[info->objects].path, object_path, sizeof(object_path));
		info->objects++;
	}
	fclose(file);
}

void fdinfo_check_kind(const struct fdinfo *info, int i, u64 at, u64 size,
		       const char *access, const char *kind, const char *path)
{
	CHECK_MSG(i < info->objects, "fdinfo has %d objects, not %d", info->objects, i + 1);
	CHECK_MSG(info->object[i].at == at && info->object[i].size == size &&
		  !strcmp(info->object[i].access, access) &&
		  !strcmp(info->object[i].kind, kind) && !strcmp(info->object[i].path, path),
		  "fdinfo object %d: 0x%llx 0x%llx %s %s %s; expected 0x%llx 0x%llx %s %s %s", i,
		  (unsigned long long)info->object[i].at, (unsigned long long)info->object[i].size,
		  info->object[i].access, info->object[i].kind, info->object[i].path,
		  (unsigned long long)at, (unsigned long long)size, access, kind, path);
}

void fdinfo_check(const struct fdinfo *info, int i, u64 at, u64 size,
		  const char *access)
{
	fdinfo_check_kind(info, i, at, size, access, "anon", "-");
}

void file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t written;

	CHECK_MSG(fd != -1, "%s: %s", path, strerror(errno));
	written = write(fd, text, strlen(text));
	CHECK_MSG(written == (ssize_t)strlen(text), "%s: %s", path, strerror(errno));
	close(fd);
}

void file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t got;

	CHECK_MSG(fd != -1, "%s: %s", path, strerror(errno));
	got = read(fd, text, size - 1);
	CHECK_MSG(got >= 0, "%s: %s", path, strerror(errno));
	text[got] = 0;
	close(fd);
}

char *proc_read(pid_t pid, const char *name, size_t *length)
{
	static char buffer[4 * MIB];
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY);
	if (fd == -1 && errno == ENOENT)
		test_skip("no %s", path);
	CHECK_OK(fd);
	*length = 0;
	do {
		got = read(fd, buffer + *length, sizeof(buffer) - 1 - *length);
		CHECK_MSG(got >= 0, "%s: %s", path, strerror(errno));
		*length += got;
	} while (got > 0);
	CHECK(*length < sizeof(buffer) - 1);
	buffer[*length] = 0;
	close(fd);
	return buffer;
}

char *proc_mapping(pid_t pid, const char *name, const char *p, u64 size)
{
	char start[64], *text, *entry;
	size_t length;

	snprintf(start, sizeof(start), "%lx-%lx ", (unsigned long)p, (unsigned long)(p + size));
	text = proc_read(pid, name, &length);
	entry = strstr(text, start);
	CHECK_MSG(entry && (entry == text || entry[-1] == '\n'), "no %s in %s", start, name);
	return entry;
}

long number_in(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	CHECK_MSG(at, "no %s", key);
	return strtol(at + strlen(key), NULL, 10);
}

long smaps_kib(const char *p, u64 size, const char *key)
{
	return number_in(proc_mapping(getpid(), "smaps", p, size), key);
}

const char *vm_flags(const char *p, u64 size)
{
	char *flags = strstr(proc_mapping(getpid(), "smaps", p, size), "VmFlags:");

	CHECK(flags);
	flags[strcspn(flags, "\n")] = 0;
	return flags;
}

int ring_set_up(struct io_uring_params *params)
{
	int ring;

	test_set("/proc/sys/kernel/io_uring_disabled", "0");
	ring = syscall(SYS_io_uring_setup, 4, params);
	CHECK_OK(ring);
	return ring;
}

int ring_new(void)
{
	struct io_uring_params params = { .flags = 0 };

	return ring_set_up(&params);
}

/* A registered buffer is such a pin, by get_user_pages_fast. */
int ring_pin(int ring, void *p, u64 size)
{
	struct iovec iov = { .iov_base = p, .iov_len = size };

	return syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
}

void ring_unpin(int ring)
{
	CHECK_OK(syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
}
