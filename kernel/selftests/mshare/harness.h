/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small TAP harness for the msharefs selftests.
 *
 * A test program is a table of cases. Each case runs in a process of its own,
 * with a msharefs instance of its own mounted at test_mnt, and a time limit;
 * so a crash or a hang costs one case, not the program. After the case all of
 * its processes are killed and the instance is unmounted: an instance that
 * stays busy then makes the case fail, too.
 *
 * Output is TAP 13 with the ksft_* names of tools/testing/selftests; the exit
 * code is 0 (all passed), 1 (a failure) or 4 (nothing could be tested).
 */
#ifndef MSHARE_HARNESS_H
#define MSHARE_HARNESS_H

#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#ifndef __printf
#define __printf(a, b)	__attribute((__format__(__printf__, a, b)))
#endif

typedef __u32 u32;
typedef __u64 u64;

#define KSFT_PASS	0
#define KSFT_FAIL	1
#define KSFT_SKIP	4

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/**
 * struct test_case - one line of TAP
 * @name: what must hold, in a few words
 * @run: returns if it holds, else calls test_fail() or test_skip()
 * @arg: for @run, where several cases share a function; see test_arg
 * @mount_opts: options of the case's msharefs instance
 * @slow: how many times the usual time limit the case may take; 0 means 1
 */
struct test_case {
	const char *name;
	void (*run)(void);
	const void *arg;
	const char *mount_opts;
	unsigned int slow;
};

/* Options from the command line. */
extern bool opt_quick;			/* -q: fewer rounds */
extern unsigned int opt_seconds;	/* -s: for tests that run for a time */
extern unsigned long opt_rounds;	/* -n: for tests that run in rounds */
extern u64 opt_seed;		/* -r: for random tests */

/* Of the running case. */
extern const char *test_mnt;		/* where its instance is mounted */
extern const void *test_arg;

int test_main(int argc, char **argv, const struct test_case *cases, size_t n);
__printf(3, 4) noreturn void test_fail(const char *file, int line, const char *fmt, ...);
__printf(1, 2) noreturn void test_skip(const char *fmt, ...);
__printf(1, 2) void test_note(const char *fmt, ...);

void test_check_ok(const char *file, int line, const char *what, long ret, int err);
void test_check_err(const char *file, int line, const char *what, long ret, int err,
		    int want, int or_want);

/* The condition holds. */
#define CHECK(cond) \
	((cond) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #cond))

/* The condition holds; else say more. */
#define CHECK_MSG(cond, fmt, ...) \
	((cond) ? (void)0 : test_fail(__FILE__, __LINE__, "%s: " fmt, #cond, ##__VA_ARGS__))

/* The system call did not return -1. */
#define CHECK_OK(call) do { \
	long __ret = (long)(call); \
	test_check_ok(__FILE__, __LINE__, #call, __ret, errno); \
} while (0)

/* The system call returned -1 and errno is one of two numbers. */
#define CHECK_ERR2(call, want, or_want) do { \
	long __ret = (long)(call); \
	test_check_err(__FILE__, __LINE__, #call, __ret, errno, want, or_want); \
} while (0)

#define CHECK_ERR(call, want)	CHECK_ERR2(call, want, 0)

/* Write a setting of the machine; it is put back after the case. Skips where there is none. */
void test_set(const char *path, const char *value);

/* Processes of a case. They die with it. */
pid_t spawn(void (*fn)(void *arg), void *arg);
int join(pid_t pid);			/* returns the wait status */
void join_ok(pid_t pid);		/* it must have returned from its function */
void join_signal(pid_t pid, int sig);	/* the signal must have killed it */
void kill_join(pid_t pid);		/* kill -9 it now */
void run_on_cpu(unsigned int cpu);	/* modulo how many there are */

/* Numbers that all processes of a case see, and can wait for. */
#define SHARED_FLAGS	32
struct shared {
	u32 flag[SHARED_FLAGS];
	u64 number[SHARED_FLAGS];
};

extern struct shared *shared;
void flag_raise(int which);
void flag_await(int which, u32 at_least);
u32 flag_get(int which);

#endif /* MSHARE_HARNESS_H */
