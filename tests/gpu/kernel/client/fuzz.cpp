// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Calls that nobody would make: of the driver, and of what DRM has for all; with numbers that are often nearly right.
#include "cases.hpp"

#include "../../random.hpp"
#include "children.hpp"
#include "drm_file.hpp"

#include <cstring>
#include <memory>

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

namespace gpu {

namespace {

class fuzzer {
public:
	explicit fuzzer(uint64_t seed) : random_(seed)
	{
		for (auto &f : files_)
			f = std::make_unique<drm_file>();
		page_ = mmap(nullptr, buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
	}

	void step()
	{
		drm_file &file = *files_[random_.below(files)];
		fill();
		switch (random_.below(16)) {
		case 0:
			any_call(file);
			break;
		case 1:
			map_something(file);
			break;
		case 2:
			if (random_.percent(20))
				files_[random_.below(files)] = std::make_unique<drm_file>();
			break;
		case 3:
			share_something(file);
			break;
		case 4:
			file.close_handle(handle());
			break;
		case 5:
		case 6: {
			resv_gpu_create c;
			if (file.create(c) == 0)
				offset_ = c.offset;
			break;
		}
		default:
			driver_call(file);
		}
	}

private:
	static constexpr unsigned files = 3;

	uint32_t handle() { return random_.percent(90) ? 1 + random_.below(12) : number(); }
	uint32_t number()
	{
		constexpr uint32_t of_interest[] = {0, 1, 2, 3, 8, 0x7fffffff, 0x80000000, 0xffffffff};
		return random_.percent(50) ? of_interest[random_.below(8)]
					   : static_cast<uint32_t>(random_.next());
	}
	uint64_t address()
	{
		const auto page = reinterpret_cast<uintptr_t>(page_);
		const uint64_t choices[] = {page,
					    page + buffer_bytes - 12,
					    mapped_ ? reinterpret_cast<uintptr_t>(mapped_) : page,
					    0,
					    8,
					    0xffffffff81000000,
					    0x7ffffffff000,
					    random_.next()};
		return choices[random_.percent(60) ? random_.below(3) : random_.below(8)];
	}

	// Uses that are often right.
	void fill()
	{
		auto *uses = static_cast<resv_gpu_use *>(page_);
		for (unsigned i = 0; i < 8; i++)
			uses[i] = {handle(), random_.percent(95) ? random_.below(2) : number()};
	}

	void driver_call(drm_file &file)
	{
		union {
			resv_gpu_info info;
			resv_gpu_create create;
			resv_gpu_submit submit;
			resv_gpu_wait wait;
			resv_gpu_stats stats;
			resv_gpu_log log;
		} u{};
		switch (random_.below(8)) {
		case 0:
			u.create.flags = random_.percent(80) ? 0 : number();
			u.create.pad = random_.percent(80) ? 0 : number();
			file.call(DRM_IOCTL_RESV_GPU_CREATE, &u);
			break;
		case 1:
			u.wait.handle = handle();
			u.wait.flags = random_.percent(80) ? random_.below(2) : number();
			u.wait.deadline_ns = random_.percent(80) ? now_ns() + random_.below(1000000)
								 : static_cast<int64_t>(random_.next());
			file.call(DRM_IOCTL_RESV_GPU_WAIT, &u);
			break;
		case 2:
			u.stats.flags = random_.percent(80) ? random_.below(2) : number();
			u.stats.pad = random_.percent(90) ? 0 : number();
			file.call(DRM_IOCTL_RESV_GPU_STATS, &u);
			break;
		case 3:
			u.log.words = address();
			u.log.first = random_.percent(70) ? random_.below(100) : random_.next();
			u.log.count = random_.percent(70) ? random_.below(512) : number();
			u.log.flags = random_.percent(90) ? 0 : number();
			file.call(DRM_IOCTL_RESV_GPU_LOG, &u);
			break;
		default:
			u.submit.uses = address();
			u.submit.count = random_.percent(80) ? random_.below(6) : number();
			u.submit.flags = random_.percent(95) ? 0 : number();
			u.submit.busy_us = random_.percent(95) ? random_.below(50) : number();
			file.call(DRM_IOCTL_RESV_GPU_SUBMIT, &u);
		}
	}

	// Any number, size and direction; DRM takes what it has by the number alone.
	void any_call(drm_file &file)
	{
		const unsigned nr = random_.percent(50) ? 0x40 + random_.below(16) : random_.below(256);
		const unsigned size =
			random_.percent(50) ? 8 * random_.below(8) : random_.below(buffer_bytes);
		const unsigned long command = _IOC(random_.below(4), 'd', nr, size);
		void *argument = random_.percent(80) ? page_ : reinterpret_cast<void *>(address());
		if (argument == page_ && random_.percent(50)) {
			auto *words = static_cast<uint64_t *>(page_);
			for (unsigned i = 0; i < 8; i++)
				words[i] = random_.percent(50) ? number() : address();
		}
		if (random_.percent(97) || nr != 0x2d) // a descriptor for each would be too many
			file.call(command, argument);
	}

	void map_something(drm_file &file)
	{
		constexpr int how[] = {MAP_SHARED, MAP_SHARED, MAP_PRIVATE};
		const uint64_t offset = random_.percent(70)   ? offset_
					: random_.percent(50) ? offset_ + buffer_bytes * random_.below(16)
							      : random_.next() & ~uint64_t{buffer_bytes - 1};
		const size_t size = buffer_bytes * (1 + (random_.percent(20) ? random_.below(4) : 0));
		void *at = mmap(nullptr, size, static_cast<int>(random_.below(4)), how[random_.below(3)],
				file.fd(), static_cast<off_t>(offset));
		if (at == MAP_FAILED)
			return;
		if (mapped_)
			munmap(mapped_, mapped_size_);
		mapped_ = at;
		mapped_size_ = size;
	}

	void share_something(drm_file &file)
	{
		int descriptor = -1;
		uint32_t imported;
		if (file.share(handle(), descriptor) == 0) {
			files_[random_.below(files)]->import(descriptor, imported);
			close(descriptor);
		} else {
			file.import(static_cast<int>(random_.below(8)), imported);
		}
	}

	random_source random_;
	std::unique_ptr<drm_file> files_[files];
	void *page_;
	void *mapped_ = nullptr;
	size_t mapped_size_ = 0;
	uint64_t offset_ = 0;
};

} // namespace

void fuzz(uint64_t seed, unsigned calls, expectations &e)
{
	children processes;
	for (unsigned i = 0; i < 2; i++)
		processes.start(i, [=] {
			fuzzer f(mix(seed) + i);
			for (unsigned n = 0; n < calls / 2; n++)
				f.step();
			return 0;
		});
	for (unsigned i = 0; i < 2; i++)
		e.equal("a fuzzer's end", processes.wait_for(i), 0);

	drm_file file;
	resv_gpu_create made;
	e.equal("open", file.error(), 0);
	e.equal("create", file.create(made), 0);
	resv_gpu_use use = {made.handle, RESV_GPU_WRITE};
	e.equal("submit", file.submit(&use, 1), 0);
	e.equal("wait", file.wait(made.handle, true), 0);
	resv_gpu_stats s;
	e.equal("stats", file.stats(s, true), 0);
	e.truth("some calls were right", s.jobs > calls / 100);
	e.equal("lock-order reports", static_cast<long long>(s.lock_order_reports), 0);
}

} // namespace gpu
