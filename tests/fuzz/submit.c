// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * What user space asks of the driver: tests/gpu/kernel/ioctl.c, and the GPU below it, on a kernel of a few lines. The input
 * says which calls are made, with which structs, and what lies in user memory; and now and then an allocation fails, or a
 * signal comes. Each call must return what uapi.h says. In the end everything has been freed, and each session's log has
 * what its jobs used.
 */
#include "tests/gpu/kernel/driver.h"

#include <resv_port/host.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILES       2
#define OBJECTS     12
#define MOST_CALLS  48
#define MOST_TASKS  8
#define USER_BASE   0x10000u
#define USER_BYTES  1024u
#define NO_FAILURES (~0u)

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- The kernel --------------------------------------------------------------------------------------------------- */

struct gpu_device gpu_the_device;
atomic_t gpu_in_use;

static unsigned int until_failure = NO_FAILURES; /* allocations of the call */
static bool failed;
static unsigned char user[USER_BYTES];
static unsigned int allocated;
static int objects;

void *kvcalloc(size_t n, size_t size, int flags)
{
	void *memory;

	if (until_failure-- == 0) {
		failed = true;
		return NULL;
	}
	memory = calloc(n, size);
	allocated += memory != NULL;
	return memory;
}

void kvfree(void *memory)
{
	allocated -= memory != NULL;
	free(memory);
}

static void *in_user(const void *address, size_t size)
{
	const uintptr_t at = (uintptr_t)address;

	if (at < USER_BASE || at > USER_BASE + USER_BYTES || size > USER_BASE + USER_BYTES - at)
		return NULL;
	return user + (at - USER_BASE);
}

unsigned long copy_from_user(void *to, const void *from, size_t size)
{
	const void *there = in_user(from, size);

	if (there)
		memcpy(to, there, size);
	return there ? 0 : size;
}

unsigned long copy_to_user(void *to, const void *from, size_t size)
{
	void *there = in_user(to, size);

	if (there && size != 0)
		memcpy(there, from, size);
	return there || size == 0 ? 0 : size;
}

struct drm_gem_object *drm_gem_object_lookup(struct drm_file *file, u32 handle)
{
	struct drm_gem_object *gem =
		handle - 1 < ARRAY_SIZE(file->handles) ? file->handles[handle - 1] : NULL;

	if (gem)
		gem->references++;
	return gem;
}

void drm_gem_object_put(struct drm_gem_object *gem)
{
	check(gem->references > 0, "a reference is dropped that nobody has");
	if (--gem->references == 0)
		gpu_core_buffer_put(container_of(gem, struct gpu_object, base)->buffer);
}

int drm_gem_handle_create(struct drm_file *file, struct drm_gem_object *gem, u32 *handle)
{
	u32 i = 0;

	while (i < ARRAY_SIZE(file->handles) && file->handles[i])
		i++;
	if (i == ARRAY_SIZE(file->handles))
		return -ENOMEM;
	file->handles[i] = gem;
	gem->references++;
	*handle = i + 1;
	return 0;
}

struct gpu_object *gpu_object_create(struct drm_device *drm)
{
	struct gpu_object *object = calloc(1, sizeof(*object));
	int err;

	object->base.references = 1;
	__atomic_add_fetch(&objects, 1, __ATOMIC_RELAXED);
	err = gpu_core_buffer_create(gpu_the_device.core, object, &object->buffer);
	if (!err)
		return object;
	gpu_front_freed(object);
	return (struct gpu_object *)(intptr_t)err;
}

void gpu_front_unmap(void *of_front)
{
	check(((struct gpu_object *)of_front)->base.references >= 0, "a buffer is moved that has ended");
}

void gpu_front_freed(void *of_front)
{
	free(of_front);
	__atomic_sub_fetch(&objects, 1, __ATOMIC_RELAXED);
}

/* ---- The input ------------------------------------------------------------------------------------------------------ */

static const uint8_t *at, *end;

static void take(void *to, size_t size)
{
	const size_t left = (size_t)(end - at);

	memset(to, 0, size);
	if (size > left)
		size = left;
	if (size != 0)
		memcpy(to, at, size);
	at += size;
}

static unsigned int below(unsigned int n)
{
	uint8_t byte;

	take(&byte, sizeof(byte));
	return byte % n;
}

/* ---- What a call should return ----------------------------------------------------------------------------------------- */

static struct drm_file files[FILES];
static struct gpu_file opened[FILES];
static uint32_t submitted[FILES];
static uint64_t words[FILES]; /* of the log */
static uint64_t jobs;
static struct resv_gpu_info device;

static bool knows(const struct drm_file *file, u32 handle)
{
	return handle - 1 < ARRAY_SIZE(file->handles) && file->handles[handle - 1];
}

/* 0: it may go on, and uses so many buffers. */
static int expect_of_submit(const struct drm_file *file, const struct resv_gpu_submit *s, u32 *different)
{
	const struct resv_gpu_use *uses;
	u32 i, j;

	if (s->flags != 0 || s->busy_us > RESV_GPU_MAX_BUSY_US || s->count == 0)
		return -EINVAL;
	if (s->count > device.most_buffers)
		return -E2BIG;
	uses = in_user((void *)(uintptr_t)s->uses, s->count * sizeof(*uses));
	if (!uses)
		return -EFAULT;
	for (i = 0; i < s->count; i++) {
		struct resv_gpu_use u;

		memcpy(&u, uses + i, sizeof(u));
		if (u.flags > RESV_GPU_WRITE)
			return -EINVAL;
	}
	*different = 0;
	for (i = 0; i < s->count; i++) {
		struct resv_gpu_use u, other;

		memcpy(&u, uses + i, sizeof(u));
		if (!knows(file, u.handle))
			return -ENOENT;
		for (j = 0; j < i; j++) {
			memcpy(&other, uses + j, sizeof(other));
			if (file->handles[other.handle - 1] == file->handles[u.handle - 1])
				break;
		}
		*different += j == i;
	}
	return 0;
}

/* ---- Calls ------------------------------------------------------------------------------------------------------------- */

enum { INFO, CREATE, SUBMIT, WAIT, STATS, LOG };

static int call(unsigned int nr, unsigned int file, void *data)
{
	return gpu_ioctls[nr].func(gpu_the_device.drm, data, &files[file]);
}

static bool may_restart(int err, bool signal)
{
	return signal && err == -ERESTARTSYS;
}

static void call_submit(unsigned int f, bool signal)
{
	struct resv_gpu_submit s;
	u32 different = 0;
	int expected, err;

	take(&s, sizeof(s));
	if (s.uses < USER_BYTES)
		s.uses += USER_BASE;
	if (s.busy_us <= RESV_GPU_MAX_BUSY_US)
		s.busy_us %= 64;
	s.number = 0;
	expected = expect_of_submit(&files[f], &s, &different);
	err = call(SUBMIT, f, &s);
	/* What means nothing is told before memory is missed. */
	if (expected == -EINVAL || expected == -E2BIG || expected == -EFAULT || expected == -ENOENT)
		check(err == expected || (failed && err == -ENOMEM),
		      "a submit that should have been refused");
	else
		check(err == 0 || err == -ENOSPC || err == -EBUSY || (failed && err == -ENOMEM) ||
			      may_restart(err, signal),
		      "a submit that should have been accepted");
	if (err) {
		check(s.number == 0, "a number of a job that is none");
		return;
	}
	check(s.number == ++submitted[f], "a job has a number that is not the next");
	words[f] += different + 1;
	jobs++;
}

static void call_create(unsigned int f)
{
	struct resv_gpu_create c;
	int err;
	bool bad;

	take(&c, sizeof(c));
	c.handle = 0;
	bad = c.flags != 0 || c.pad != 0;
	err = call(CREATE, f, &c);
	check(bad ? err == -EINVAL : err == 0 || err == -ENOSPC || err == -ENOMEM, "a create");
	check(err || knows(&files[f], c.handle), "a handle that is none");
}

static void call_wait(unsigned int f, bool signal)
{
	struct resv_gpu_wait w;
	struct timespec now;
	int err;

	take(&w, sizeof(w));
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (w.deadline_ns > 0 && w.deadline_ns < 1000000)
		w.deadline_ns += now.tv_sec * 1000000000 + now.tv_nsec;
	err = call(WAIT, f, &w);
	if (w.flags > RESV_GPU_WRITE)
		check(err == -EINVAL, "a wait with flags that mean nothing");
	else if (!knows(&files[f], w.handle))
		check(err == -ENOENT, "a wait for what is not there");
	else
		check(err == 0 || err == -ETIME || may_restart(err, signal), "a wait");
}

static void call_stats(unsigned int f)
{
	static struct resv_gpu_stats s;
	int err;

	memset(&s, 0, sizeof(s));
	take(&s, offsetof(struct resv_gpu_stats, jobs));
	err = call(STATS, f, &s);
	if (s.flags > RESV_GPU_WHOLE_DEVICE || s.pad != 0)
		check(err == -EINVAL, "stats with flags that mean nothing");
	else if (s.flags == RESV_GPU_WHOLE_DEVICE)
		check(err == 0 && s.jobs == jobs, "not all jobs of the device are counted");
	else
		check(err == 0 && s.jobs == submitted[f], "not all jobs are counted");
}

static void call_log(unsigned int f, bool signal)
{
	struct resv_gpu_log l;
	uint64_t left;
	u32 asked;
	int err;

	take(&l, sizeof(l));
	if (l.words < USER_BYTES)
		l.words += USER_BASE;
	asked = l.count;
	err = call(LOG, f, &l);
	if (l.flags != 0) {
		check(err == -EINVAL, "a log with flags that mean nothing");
		return;
	}
	left = device.logs && l.first < words[f] ? words[f] - l.first : 0;
	left = left < asked ? left : asked;
	if (may_restart(err, signal))
		return;
	if (left != 0 && !in_user((void *)(uintptr_t)l.words, left * sizeof(uint64_t)))
		check(err == -EFAULT, "a log where there is no memory");
	else
		check(err == 0 && l.count == left, "a log has not as many words as the jobs made");
}

static void close_handle(unsigned int f, u32 i)
{
	struct drm_gem_object *gem = files[f].handles[i];

	files[f].handles[i] = NULL;
	if (gem)
		drm_gem_object_put(gem);
}

static void share(unsigned int f, u32 i)
{
	u32 handle;

	if (files[f].handles[i])
		(void)drm_gem_handle_create(&files[(f + 1) % FILES], files[f].handles[i], &handle);
}

static void do_call(void)
{
	const unsigned int f = below(FILES), what = below(16);
	const bool signal = below(8) == 7;
	const unsigned int failure = below(32);

	until_failure = failure < 3 ? failure : NO_FAILURES;
	failed = false;
	if (signal)
		resv_host_interrupt(resv_port_current());
	if (what < 3)
		call_create(f);
	else if (what < 8)
		call_submit(f, signal);
	else if (what == 8)
		call_wait(f, signal);
	else if (what == 9)
		call_stats(f);
	else if (what == 10)
		call_log(f, signal);
	else if (what == 11)
		close_handle(f, below(ARRAY_SIZE(files[f].handles)));
	else if (what == 12)
		share(f, below(ARRAY_SIZE(files[f].handles)));
	else if (what == 13)
		memset(user, 0, sizeof(user));
	else
		take(user + below(8) * sizeof(struct resv_gpu_use),
		     (1 + below(4)) * sizeof(struct resv_gpu_use));
	resv_host_clear_signals();
	until_failure = NO_FAILURES;
	check(allocated == 0, "a call left memory behind");
}

/* ---- The device ------------------------------------------------------------------------------------------------------ */

static void *run_task(void *number)
{
	gpu_core_run(gpu_the_device.core, (unsigned int)(uintptr_t)number);
	return NULL;
}

/* A config that one field may have put out of range. */
static bool make_device(void)
{
	struct gpu_core_config c = {0};
	struct gpu_core *core = NULL;
	unsigned int *const fields[] = {&c.rings, &c.devices, &c.vram,   &c.system,        &c.buffers,
					&c.words, &c.log_mb,  &c.broken, &c.eviction_rate, &c.swapout_rate};
	static const unsigned int most[] = {16, 2, 1000000, 1000000, 1000000, 509, 4096, 2, 1000000, 1000000};
	unsigned int changed;

	c.algorithm = below(3);
	c.rings = 1 + below(2);
	c.devices = 1 + below(c.rings);
	c.vram = 1 + below(6);
	c.system = below(4);
	c.buffers = 1 + below(OBJECTS);
	c.words = 1 + below(8);
	c.interrupt_every = below(8);
	c.log_mb = below(4) != 0;
	changed = below(64);
	if (changed < ARRAY_SIZE(fields)) {
		*fields[changed] = most[changed] + 1 + below(16) * 0x0fffffffu;
		check(gpu_core_create(&c, &core) == -EINVAL && !core, "a device out of range is made");
		return false;
	}
	check(gpu_core_create(&c, &gpu_the_device.core) == 0, "a device is not made");
	return true;
}

static void open_files(void)
{
	unsigned int f;

	gpu_core_info(gpu_the_device.core, &device);
	memset(files, 0, sizeof(files));
	memset(user, 0, sizeof(user));
	for (f = 0; f < FILES; f++) {
		submitted[f] = 0;
		words[f] = 0;
		files[f].driver_priv = &opened[f];
		opened[f].session = gpu_core_session_open(gpu_the_device.core);
		check(opened[f].session, "no session");
	}
	jobs = 0;
}

static void close_files(void)
{
	unsigned int f, i;

	for (f = 0; f < FILES; f++) {
		for (i = 0; i < ARRAY_SIZE(files[f].handles); i++)
			close_handle(f, i);
		gpu_core_session_close(opened[f].session);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct resv_lock_class_key key;
	pthread_t tasks[MOST_TASKS];
	unsigned int i, count, calls;

	(void)key;
	at = data;
	end = data + size;
	if (!make_device())
		return 0;
	count = gpu_core_tasks(gpu_the_device.core);
	check(count <= MOST_TASKS, "more tasks than there may be");
	for (i = 0; i < FILES; i++) {
		pthread_mutex_init(&opened[i].lock.lock, NULL);
		resv_lockdep_init_map(&opened[i].map, "gpu_file", &key, 0);
	}
	for (i = 0; i < count; i++)
		check(pthread_create(&tasks[i], NULL, run_task, (void *)(uintptr_t)i) == 0, "no thread");
	open_files();
	for (calls = 0; calls < MOST_CALLS && at != end; calls++)
		do_call();
	close_files();
	gpu_core_close(gpu_the_device.core);
	for (i = 0; i < count; i++)
		pthread_join(tasks[i], NULL);
	check(gpu_core_destroy(gpu_the_device.core) == 0, "buffers are left");
	resv_port_drain();
	check(objects == 0, "objects are left");
	return 0;
}
