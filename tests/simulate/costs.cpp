// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "costs.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

namespace simulate {

std::vector<named_cost> costs_of(calibration &c)
{
	resv::vcpu::costs &m = c.machine;
	return {
		{"hit", &m.hit, "a load or store that needs no other CPU, with the code around it"},
		{"transfer", &m.transfer, "a cache line comes from another CPU"},
		{"ahead", &m.ahead, "so long before its turn an access asks for its line"},
		{"modify", &m.modify, "a read-modify-write of an own line"},
		{"fence", &m.fence, "a full fence"},
		{"relax", &m.relax, "a turn of a spin loop"},
		{"yield", &m.yield, "an offer of the CPU that nobody takes"},
		{"change", &m.change, "from one task to another"},
		{"fall", &m.fall, "into sleep"},
		{"wake", &m.wake, "a sleeper's wake-up, for who wakes it"},
		{"wake-up", &m.wake_up, "from there until the sleeper runs"},
		{"timeslice", &m.timeslice, "not measured: a scheduler's setting"},
		{"draw", &c.draw, "the drawing of one object, by the workload"},
	};
}

std::string read_calibration(const std::string &file, calibration &c)
{
	std::ifstream in(file);
	if (!in)
		return "cannot read " + file;
	std::vector<named_cost> all = costs_of(c);
	for (const named_cost &cost : all)
		*cost.value = -1;
	std::string text;
	for (unsigned number = 1; std::getline(in, text); number++) {
		std::istringstream line(text.substr(0, text.find('#')));
		std::string name, more;
		if (!(line >> name))
			continue;
		auto cost = std::find_if(all.begin(), all.end(),
					 [&](const named_cost &n) { return n.name == name; });
		bool good = false;
		if (name == "measured") {
			measurement m;
			good = static_cast<bool>(line >> m.workload >> m.algorithm >> m.threads >>
						 m.per_second);
			c.measured.push_back(m);
		} else if (cost != all.end()) {
			double value = -1;
			good = line >> value && value >= 0;
			*cost->value = std::llround(value * static_cast<double>(resv::vcpu::nanosecond));
		}
		if (!good || line >> more)
			return file + ":" + std::to_string(number) +
			       ": neither a cost nor a measurement: " + text;
	}
	for (const named_cost &cost : all)
		if (*cost.value < 0)
			return file + ": there is no cost called " + cost.name;
	return "";
}

} // namespace simulate
