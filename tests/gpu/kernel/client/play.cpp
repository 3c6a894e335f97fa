// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "play.hpp"

#include "player.hpp"

#include <algorithm>
#include <cstring>

namespace gpu {

namespace {
constexpr unsigned log_mb = 512; // of 64 sessions
}

void adapt(run_spec &spec)
{
	config &c = spec.config;
	c.execute = executor::ring;
	c.shared_reservations = 1;
	c.no_context_share = 0;
	c.clients = std::min(c.clients, max_sessions - 2);
	c.trace_events = 0;
	c.recycle_rate = 0;
	if (c.vram == 0)
		c.vram = c.buffers;
}

bool play(const run_spec &spec, const trouble &trouble, run_result &result, std::string &error)
{
	const config &c = spec.config;
	result = {};
	result.spec = spec;
	std::string parameters;
	auto add = [&](const char *name, unsigned value) {
		parameters += std::string(name) + "=" + std::to_string(value) + " ";
	};
	add("algorithm", static_cast<unsigned>(c.algorithm));
	add("rings", c.rings);
	add("devices", c.devices);
	add("vram", c.vram);
	add("system", c.system);
	add("buffers", c.buffers + 64);
	add("words", c.words);
	add("eviction_rate", c.eviction_rate);
	add("swapout_rate", c.swapout_rate);
	add("interrupt_every", c.interrupt_every);
	add("log_mb", log_mb);
	add("broken", c.broken == breakage::skip_fences ? 1 : c.broken == breakage::lose_copy ? 2 : 0);
	int err = load_module(parameters.c_str());
	if (err != 0) {
		error = std::string("loading resv_gpu.ko: ") + strerror(-err);
		return false;
	}
	bool good = player(spec, trouble, result, error).play();
	err = unload_module();
	if (err != 0) {
		error += std::string(error.empty() ? "" : "; ") + "unloading it: " + strerror(-err);
		good = false;
	}
	return good;
}

} // namespace gpu
