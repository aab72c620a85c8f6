/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that the msharefs selftests map as objects.
 */
#ifndef MSHARE_OBJFILE_H
#define MSHARE_OBJFILE_H

#include "region.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

#define FILE_FLAGS	(MAP_SHARED | MAP_FIXED)
#define WORDS(pages)	((pages) * (PAGE / 8))	/* what the seed of a pattern grows by */

/* Kinds of files: memfd, in /tmp, in the directory that MSHARE_DISK names. */
extern const char * const memfd;
extern const char * const tmpfs;
extern const char * const disk;

/* Where a file of that kind has its name; NULL: it has none. Skips the case without MSHARE_DISK. */
const char *path_of(const char *kind);

/* An empty file of some pages, mostly a hole; a read-write descriptor. */
int sparse_file(const char *kind, u64 pages);
/* A file of some pages that hold pattern 1, on its disk if it has one. */
int pattern_file(const char *kind, u64 pages);
/* The same file by another descriptor. */
int reopen(int fd, int flags);
/* Remove what cases left. */
void remove_files(void);

/* A pattern by write(2), and what read(2) gives. */
void file_fill(int fd, u64 offset, u64 size, u64 seed);
void file_check(int fd, u64 offset, u64 size, u64 seed);

/* An object of a file: 0, or -1 and errno. */
int object_map(int region, u64 at, u64 size, unsigned int prot, int fd, u64 offset);
/* A region of one granule, "a", whose first pages are those of the file; mapped. */
char *file_region(int fd, u64 pages, int *region);
/* The file without a region. */
char *plain_mmap(int fd, u64 pages);

#endif /* MSHARE_OBJFILE_H */
