// SPDX-License-Identifier: GPL-2.0
/*
 * Create a region of shared memory with shared page tables, and store a text:
 *
 *	mshare_create /sys/fs/mshare/NAME TEXT
 */
#include <err.h>
#include <fcntl.h>
#include <linux/msharefs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct mshare_create object = {
		.region_offset = 0,
		.size = 16 << 20,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS,
		.fd = -1,
	};
	FILE *info = fopen("/sys/fs/mshare/mshare_info", "r");
	unsigned long granule;
	char *region;
	int fd;

	if (argc != 3)
		errx(2, "usage: mshare_create /sys/fs/mshare/NAME TEXT");
	if (!info || fscanf(info, "%lu", &granule) != 1)
		err(1, "/sys/fs/mshare/mshare_info");
	fd = open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, granule))
		err(1, "%s", argv[1]);
	if (ioctl(fd, MSHAREFS_CREATE_MAPPING, &object))
		err(1, "MSHAREFS_CREATE_MAPPING");
	region = mmap(NULL, granule, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED)
		err(1, "mmap");
	snprintf(region, object.size, "%s", argv[2]);
	return 0;	/* the name keeps the region; unlink() removes it */
}
