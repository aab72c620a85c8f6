/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * msharefs: regions of shared memory whose page tables are shared, too.
 *
 * The interface is described in Documentation/filesystems/msharefs.rst.
 */
#ifndef _UAPI_LINUX_MSHAREFS_H
#define _UAPI_LINUX_MSHAREFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct mshare_create - an object to map into a region
 * @region_offset: where in the region, in bytes; a multiple of the page size
 * @size: length in bytes; a multiple of the page size (or of the huge page)
 * @offset: offset in the file @fd, as for mmap()
 * @prot: PROT_READ and PROT_WRITE, as for mmap()
 * @flags: MAP_SHARED with MAP_FIXED or MAP_FIXED_NOREPLACE, and MAP_ANONYMOUS
 *	for anonymous memory
 * @fd: file to map; -1 with MAP_ANONYMOUS
 */
struct mshare_create {
	__u64 region_offset;
	__u64 size;
	__u64 offset;
	__u32 prot;
	__u32 flags;
	__u32 fd;
};

/**
 * struct mshare_unmap - a part of a region to take all objects out of
 * @region_offset: where in the region, in bytes; a multiple of the page size
 * @size: length in bytes; a multiple of the page size
 */
struct mshare_unmap {
	__u64 region_offset;
	__u64 size;
};

#define MSHAREFS_CREATE_MAPPING	_IOW('x', 0, struct mshare_create)
#define MSHAREFS_UNMAP		_IOW('x', 1, struct mshare_unmap)

#endif /* _UAPI_LINUX_MSHAREFS_H */
