// SPDX-License-Identifier: GPL-2.0
int handle_mm_fault(int address);

int mm_init(void)
{
	return handle_mm_fault(0);
}

int do_munmap(int address)
{
	return address;
}
