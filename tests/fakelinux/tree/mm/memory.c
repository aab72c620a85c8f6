// SPDX-License-Identifier: GPL-2.0
int do_fault(int address);

int handle_mm_fault(int address)
{
	if (address < 0)
		return -14;

	return do_fault(address);
}

int do_fault(int address)
{
	return address;
}
