/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Regions, as the msharefs selftests use them, and what the kernel tells about memory.
 */
#ifndef MSHARE_REGION_H
#define MSHARE_REGION_H

#include <linux/msharefs.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "harness.h"

#ifndef MSHARE_MAGIC
#define MSHARE_MAGIC	0x4d534852
#endif

/* Headers of older libraries lack some. */
#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif

#define KIB	1024UL
#define MIB	(1024UL * KIB)

#define PAGE	4096UL
#define HUGE	(2 * MIB)
#define RW	(PROT_READ | PROT_WRITE)
#define ANON	(MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS)

#define SHMEM_ENABLED	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define DEBUGFS		"/sys/kernel/debug"

/* The granularity that the instance under test_mnt tells, in bytes. */
u64 granule(void);

/* NAME under test_mnt, in one of a few static buffers. */
const char *in_mnt(const char *name);

/* A new file of mode 0600 without a size; a descriptor. */
int region_file(const char *name);
/* A new region of some granules; a read-write descriptor. */
int region_new(const char *name, unsigned int granules);
/* Another descriptor of a region. */
int region_open(const char *name, int flags);

/* The ioctls: 0, or -1 and errno. */
int object_add(int fd, u64 at, u64 size);
int object_create(int fd, u64 at, u64 size, unsigned int prot, unsigned int flags,
		  int objfd, u64 offset);
int object_del(int fd, u64 at, u64 size);

/* Map a whole region, at an address of the kernel's choice. */
char *region_map(int fd, int prot);
/* An address range of the given size, aligned to the granularity, with nothing mapped. */
char *free_range(u64 size);

/* A region of one granule with one object at 0, mapped. */
char *simple_region(const char *name, u64 object_size, int *fd);

/* Touch one byte; return 0 or the signal that it gave. */
int peek(const void *p, unsigned char *value);
int poke(void *p, unsigned char value);
/* The address that the last signal of peek or poke named. */
extern __thread const void *fault_address;
/* And its si_code. */
extern __thread int fault_code;
/* Count up in a word, by stores and no system call, until one gives a signal; return that. */
int count_until_signal(u64 *word);
/* The byte at p, which must be readable. */
unsigned char get(const void *p);
void put(void *p, unsigned char value);

/* A pattern by seed over memory; check_pattern fails the case where it differs. */
void fill(void *p, u64 size, u64 seed);
void check_pattern(const void *p, u64 size, u64 seed);
void check_zero(const void *p, u64 size);

/*
 * For a process: map the region "a", raise flag 0 and count in so many pages until flag 1, without
 * a system call, which would have the CPU forget translations: a store through one that should
 * have been flushed goes to a page that has been copied, and is missed here. It runs on the CPU of
 * that number, best alone, and counts in the word of that number.
 */
#define COUNTED	16
void count_in_pages(void *number);

/* A line of /proc/meminfo in KiB, after the per-CPU counters were folded; -1 if it is not there. */
long mem_kib(const char *key);
/* A counter of /proc/vmstat. */
u64 vm_stat(const char *name);
/* What /proc/self/pagemap has for n pages. */
void pagemap_read(const void *p, size_t n, u64 *entry);
/* Page frame numbers of n pages of this process; 0 where none is present. */
void frames_read(const void *p, size_t n, u64 *frame);
/* Let the page at p fail: a touch is SIGBUS. Skips the case where the kernel can't do so. */
void poison(void *p);
/* khugepaged looks again after so many milliseconds, and not after ten seconds. */
void hurry_khugepaged(const char *msecs);
/* debugfs is mounted on DEBUGFS, or skip the case. */
void need_debugfs(void);
/* The machine has so many bytes of free swap, or skip the case. */
void need_swap(u64 size);
/* The machine has a pool of so many huge pages, all free, or skip the case. */
void need_pool(long pages);
/* A line of /proc/PID/status in KiB or as a plain number; -1 if it is not there. */
long status_of(pid_t pid, const char *key);
/* Minor and major faults of this process so far. */
long faults(void);
/* Those that a load from each page takes. */
long faults_of_loads(const char *p, u64 size);

/* What fdinfo tells about an open region. */
#define FDINFO_OBJECTS	64
struct fdinfo {
	int clients;		/* -1: no such line */
	int objects;
	struct {
		u64 at, size;
		char access[8], kind[16], path[128];
	} object[FDINFO_OBJECTS];
};

void fdinfo_read(int fd, struct fdinfo *info);
/* The i-th object is this anonymous one. */
void fdinfo_check(const struct fdinfo *info, int i, u64 at, u64 size,
		  const char *access);
/* The i-th object is this one, of any kind. */
void fdinfo_check_kind(const struct fdinfo *info, int i, u64 at, u64 size,
		       const char *access, const char *kind, const char *path);

/* Whole small files; both fail the case when they cannot. */
void file_write(const char *path, const char *text);
void file_read(const char *path, char *text, size_t size);
/* /proc/PID/NAME to its end, in a static buffer; skips the case where there is none. */
char *proc_read(pid_t pid, const char *name, size_t *length);
/* The same from the entry of a mapping on, in maps or smaps. */
char *proc_mapping(pid_t pid, const char *name, const char *p, u64 size);
/* The first number behind a key in such a text. */
long number_in(const char *text, const char *key);
/* What smaps says of a mapping of this process, in KiB. */
long smaps_kib(const char *p, u64 size, const char *key);
/* The line of flags in smaps of a mapping of this process, in that buffer. */
const char *vm_flags(const char *p, u64 size);

struct io_uring_params;

/* An io_uring, or a skip; and a long-term writable pin of a range: 0, or -1 and errno. */
int ring_new(void);
/* The same; params has the flags, and where the ring's memory is then. */
int ring_set_up(struct io_uring_params *params);
int ring_pin(int ring, void *p, u64 size);
void ring_unpin(int ring);

#endif /* MSHARE_REGION_H */
