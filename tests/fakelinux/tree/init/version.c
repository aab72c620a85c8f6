// SPDX-License-Identifier: GPL-2.0
const char linux_banner[] = "Linux version " UTS_RELEASE " " STAMP;

int mm_init(void);

void start_kernel(void)
{
	mm_init();
}
