// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "core.h"

#include "../session.hpp"

#include <resv/lockdep.h>

namespace {

using gpu::buffer;
using gpu::named_buffer;
using gpu::session;

// C sees these by other names.
gpu_core_session *c(session *s)
{
	return reinterpret_cast<gpu_core_session *>(s);
}
session &of(gpu_core_session *s)
{
	return *reinterpret_cast<session *>(s);
}
gpu_core_buffer *c(buffer *b)
{
	return reinterpret_cast<gpu_core_buffer *>(b);
}
buffer &of(gpu_core_buffer *b)
{
	return *reinterpret_cast<buffer *>(b);
}
static_assert(sizeof(gpu_core_use) == sizeof(named_buffer) &&
	      offsetof(gpu_core_use, buffer) == offsetof(named_buffer, what) &&
	      offsetof(gpu_core_use, write) == offsetof(named_buffer, write) &&
	      offsetof(gpu_core_use, opaque) == offsetof(named_buffer, again));

constexpr gpu::front_ops front = {.unmap = gpu_front_unmap, .freed = gpu_front_freed};

bool in_range(const gpu_core_config &c)
{
	return c.algorithm <= static_cast<unsigned>(resv::ww_algorithm::adaptive) && c.rings >= 1 &&
	       c.rings <= gpu::max_rings && c.devices >= 1 && c.devices <= gpu::max_devices &&
	       c.devices <= c.rings && c.vram >= 1 && c.vram <= gpu::max_buffers &&
	       c.system <= gpu::max_buffers && c.buffers >= 1 && c.buffers <= gpu::max_buffers &&
	       c.words >= 1 && c.words <= gpu::max_words && c.log_mb <= 4096 && c.broken <= 2 &&
	       c.eviction_rate <= 1000000 && c.swapout_rate <= 1000000;
}

gpu::config translate(const gpu_core_config &c)
{
	gpu::config config;
	config.algorithm = static_cast<resv::ww_algorithm>(c.algorithm);
	config.clients = 0;
	config.sessions = gpu::max_sessions;
	config.rings = c.rings;
	config.devices = c.devices;
	config.vram = c.vram;
	config.system = c.system;
	config.buffers = c.buffers;
	config.max_buffers_per_job = c.vram < gpu::max_buffers_per_job ? c.vram : gpu::max_buffers_per_job;
	config.words = c.words;
	config.eviction_rate = c.eviction_rate;
	config.swapout_rate = c.swapout_rate;
	config.interrupt_every = c.interrupt_every;
	config.execute = gpu::executor::ring;
	config.broken = c.broken == 1   ? gpu::breakage::skip_fences
			: c.broken == 2 ? gpu::breakage::lose_copy
					: gpu::breakage::none;
	config.keep_logs = c.log_mb != 0;
	config.log_mb = c.log_mb;
	config.front = &front;
	return config;
}

static_assert(RESV_GPU_WAIT_BUCKETS == gpu::histogram::buckets);

void tell(const gpu::device &device, const gpu::counters &from, resv_gpu_stats &to)
{
	to.jobs = from.jobs;
	to.retries = from.retries;
	to.interrupted = from.interrupted;
	to.evictions = from.evictions;
	to.evictions_busy = from.evictions_busy;
	to.evictions_passed = from.evictions_passed;
	to.no_space = from.no_space;
	to.bytes_moved = from.bytes_moved;
	to.swapouts = from.swapouts;
	to.longest_wait_ns = from.wait.max();
	for (unsigned i = 0; i < RESV_GPU_WAIT_BUCKETS; i++)
		to.wait[i] = from.wait.count_at(i);
	struct resv_lockdep_stats checker {};
	resv_lockdep_stats(&checker);
	to.lock_order_reports = checker.reports + checker.lost_reports;
	const resv::ww_statistics met = device.cls().statistics();
	to.met = {.contended = met.contended,
		  .spins = met.spins,
		  .stays = met.stays,
		  .waits = met.waits,
		  .bypasses = met.bypasses,
		  .wounds = met.wounds,
		  .deaths = met.deaths,
		  .most_retries = met.most_retries,
		  .longest_wait_ns = met.longest_wait_ns};
}

} // namespace

struct gpu_core {
	gpu::device device;
	unsigned background = 0; // tasks beside the rings
	void (gpu::device::*tasks[2])();
};

int gpu_core_create(const gpu_core_config *config, gpu_core **core)
{
	if (!in_range(*config))
		return -EINVAL;
	void *memory = gpu_os_allocate(sizeof(gpu_core));
	if (!memory)
		return -ENOMEM;
	auto *made = new (gpu::place{memory}) gpu_core;
	if (int err = made->device.create(translate(*config))) {
		gpu_core_destroy(made);
		return err;
	}
	if (config->eviction_rate != 0)
		made->tasks[made->background++] = &gpu::device::run_evictor;
	if (config->swapout_rate != 0)
		made->tasks[made->background++] = &gpu::device::run_swapper;
	*core = made;
	return 0;
}

unsigned gpu_core_tasks(gpu_core *core)
{
	return core->device.rings() + core->background;
}

void gpu_core_run(gpu_core *core, unsigned task)
{
	if (task < core->device.rings())
		core->device.run_ring(task);
	else
		(core->device.*core->tasks[task - core->device.rings()])();
}

void gpu_core_close(gpu_core *core)
{
	core->device.close();
}

unsigned gpu_core_destroy(gpu_core *core)
{
	unsigned left = core->device.memory().settle();
	core->~gpu_core();
	gpu_os_release(core);
	return left;
}

void gpu_core_info(gpu_core *core, resv_gpu_info *info)
{
	const gpu::config &c = core->device.config();
	info->algorithm = static_cast<uint32_t>(c.algorithm);
	info->rings = c.rings;
	info->devices = c.devices;
	info->vram = c.vram;
	info->system = c.system;
	info->words = c.words;
	info->most_buffers = c.max_buffers_per_job;
	info->logs = c.keep_logs;
	info->checks = RESV_PROVE_LOCKING;
}

// 4 KiB that are too much for a stack.
int gpu_core_stats(gpu_core *core, resv_gpu_stats *stats)
{
	gpu::array<gpu::counters> sum;
	if (!sum.create(1))
		return -ENOMEM;
	for (unsigned i = 0; i < core->device.actors(); i++)
		sum[0].merge(core->device.actor_at(i).stats);
	tell(core->device, sum[0], *stats);
	return 0;
}

void gpu_core_describe(gpu_core *core, void (*emit)(const char *line, void *data), void *data)
{
	core->device.memory().describe(emit, data);
}

gpu_core_session *gpu_core_session_open(gpu_core *core)
{
	return c(core->device.open_session());
}

void gpu_core_session_close(gpu_core_session *s)
{
	of(s).close();
}

void gpu_core_session_info(gpu_core_session *s, resv_gpu_info *info)
{
	info->session = of(s).index();
}

void gpu_core_session_stats(gpu_core_session *s, resv_gpu_stats *stats)
{
	tell(of(s).owner(), of(s).stats(), *stats);
}

int gpu_core_session_wait_idle(gpu_core_session *s)
{
	return of(s).wait_idle();
}

const uint64_t *gpu_core_session_log(gpu_core_session *s, uint64_t first, uint64_t *count)
{
	const gpu::job_log &log = of(s).log();
	const size_t begin = first < log.used() ? static_cast<size_t>(first) : log.used();
	*count = log.used() - begin;
	return log.words() + begin;
}

int gpu_core_submit(gpu_core_session *s, gpu_core_use *uses, unsigned count, int64_t busy_ns,
		    uint32_t *number)
{
	return of(s).submit(reinterpret_cast<named_buffer *>(uses), count, busy_ns, *number);
}

int gpu_core_buffer_create(gpu_core *core, void *of_front, gpu_core_buffer **made)
{
	buffer *b;
	if (int err = core->device.memory().make_for_front(of_front, b))
		return err;
	*made = c(b);
	return 0;
}

void gpu_core_buffer_put(gpu_core_buffer *b)
{
	gpu::memory::put(of(b));
}

uint32_t gpu_core_buffer_id(gpu_core_buffer *b)
{
	return of(b).id;
}

int gpu_core_buffer_wait(gpu_core_buffer *b, bool write, int64_t deadline_ns)
{
	int64_t left = deadline_ns > 0 ? deadline_ns - resv_port_clock() : 0;
	int64_t result = of(b).object.wait(resv::usage_rw(write), true, left > 0 ? left : 0);
	return result > 0 ? 0 : result == 0 ? -ETIME : static_cast<int>(result);
}

int gpu_core_fault_begin(gpu_core_buffer *b, bool interruptible, const void **page) RESV_NO_ANALYSIS
{
	gpu::pretended_lock fault(resv_lockdep_mmap_lock);
	const resv::wait_request request = interruptible ? resv::interruptible : resv::wait_request{};
	if (int err = of(b).object.reserve(nullptr, request))
		return err;
	int err = of(b).owner->wait_at_home(of(b), interruptible, *page);
	if (err != 0)
		of(b).object.unreserve();
	return err;
}

void gpu_core_fault_end(gpu_core_buffer *b) RESV_NO_ANALYSIS
{
	of(b).object.unreserve();
}
