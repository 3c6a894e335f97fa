// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "../os.hpp"

#include <resv_port/host.h>

#include <cstdlib>

namespace {
constexpr uintptr_t alignment = 64;
}

// calloc() leaves large memory untouched until it is used. The address that it gave is kept below the one handed out.
void *gpu_os_allocate(size_t bytes)
{
	static_assert(alignof(max_align_t) >= sizeof(void *));
	char *memory = static_cast<char *>(calloc(1, bytes + alignment));
	if (!memory)
		return nullptr;
	uintptr_t past = reinterpret_cast<uintptr_t>(memory) % alignment;
	void **aligned = reinterpret_cast<void **>(memory + alignment - past);
	aligned[-1] = memory;
	return aligned;
}

void gpu_os_release(void *memory)
{
	if (memory)
		free(static_cast<void **>(memory)[-1]);
}

void gpu_os_interrupt(resv_port_task task)
{
	resv_host_interrupt(task);
}

void gpu_os_signals_handled(void)
{
	resv_host_clear_signals();
}
