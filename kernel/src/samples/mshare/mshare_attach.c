// SPDX-License-Identifier: GPL-2.0
/*
 * Attach to a region and print the text that mshare_create stored there:
 *
 *	mshare_attach /sys/fs/mshare/NAME
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct stat st;
	char *region;
	int fd;

	if (argc != 2)
		errx(2, "usage: mshare_attach /sys/fs/mshare/NAME");
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", argv[1]);
	/* All of the region, at an address of the kernel's choice. */
	region = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED)
		err(1, "mmap");
	puts(region);
	return 0;
}
