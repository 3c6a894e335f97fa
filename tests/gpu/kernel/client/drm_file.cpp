// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "drm_file.hpp"

#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gpu {

namespace {

// What DRM has for all drivers.
struct gem_close {
	uint32_t handle, pad;
};
struct prime_handle {
	uint32_t handle, flags;
	int32_t fd;
};
constexpr unsigned long drm_gem_close = _IOW('d', 0x09, gem_close);
constexpr unsigned long drm_handle_to_fd = _IOWR('d', 0x2d, prime_handle);
constexpr unsigned long drm_fd_to_handle = _IOWR('d', 0x2e, prime_handle);

int result_of(long rc)
{
	return rc < 0 ? -errno : 0;
}

uint64_t address_of(const void *p)
{
	return reinterpret_cast<uintptr_t>(p);
}

} // namespace

drm_file::drm_file() : fd_(open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC))
{
	if (fd_ < 0)
		fd_ = -errno;
}

drm_file::~drm_file()
{
	if (fd_ >= 0)
		close(fd_);
}

int drm_file::call(unsigned long command, void *argument) const
{
	return result_of(ioctl(fd_, command, argument));
}

int drm_file::info(resv_gpu_info &result) const
{
	return call(DRM_IOCTL_RESV_GPU_INFO, &result);
}

int drm_file::create(resv_gpu_create &result) const
{
	result = {};
	return call(DRM_IOCTL_RESV_GPU_CREATE, &result);
}

int drm_file::submit(const resv_gpu_use *uses, size_t count, uint32_t busy_us) const
{
	resv_gpu_submit s = {.uses = address_of(uses),
			     .count = static_cast<uint32_t>(count),
			     .flags = 0,
			     .busy_us = busy_us,
			     .number = 0};
	return call(DRM_IOCTL_RESV_GPU_SUBMIT, &s);
}

int drm_file::wait(uint32_t handle, bool write, int64_t deadline_ns) const
{
	resv_gpu_wait w = {
		.handle = handle, .flags = write ? RESV_GPU_WRITE : 0u, .deadline_ns = deadline_ns};
	return call(DRM_IOCTL_RESV_GPU_WAIT, &w);
}

int drm_file::stats(resv_gpu_stats &result, bool whole_device) const
{
	result = {};
	result.flags = whole_device ? RESV_GPU_WHOLE_DEVICE : 0;
	return call(DRM_IOCTL_RESV_GPU_STATS, &result);
}

int drm_file::log(std::vector<uint64_t> &words) const
{
	constexpr size_t step = 65536;
	for (;;) {
		const size_t have = words.size();
		words.resize(have + step);
		resv_gpu_log l = {
			.words = address_of(&words[have]), .first = have, .count = step, .flags = 0};
		int err = call(DRM_IOCTL_RESV_GPU_LOG, &l);
		words.resize(err == 0 ? have + l.count : have);
		if (err == -EINTR)
			continue;
		if (err != 0 || l.count == 0)
			return err;
	}
}

int drm_file::close_handle(uint32_t handle) const
{
	gem_close c = {.handle = handle, .pad = 0};
	return call(drm_gem_close, &c);
}

int drm_file::share(uint32_t handle, int &descriptor) const
{
	prime_handle p = {.handle = handle, .flags = O_CLOEXEC | O_RDWR, .fd = -1};
	int err = call(drm_handle_to_fd, &p);
	descriptor = p.fd;
	return err;
}

int drm_file::import(int descriptor, uint32_t &handle) const
{
	prime_handle p = {.handle = 0, .flags = 0, .fd = descriptor};
	int err = call(drm_fd_to_handle, &p);
	handle = p.handle;
	return err;
}

void *drm_file::map(uint64_t offset, int protection) const
{
	void *at = mmap(nullptr, buffer_bytes, protection, MAP_SHARED, fd_, static_cast<off_t>(offset));
	return at == MAP_FAILED ? nullptr : at;
}

int64_t now_ns()
{
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * int64_t{1000000000} + t.tv_nsec;
}

int load_module(const char *parameters)
{
	int fd = open("/resv_gpu.ko", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = result_of(syscall(SYS_finit_module, fd, parameters, 0));
	close(fd);
	return err;
}

int unload_module()
{
	return result_of(syscall(SYS_delete_module, "resv_gpu", O_NONBLOCK));
}

} // namespace gpu
