// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// An open file of the driver, seen from user space. Errors are negative errno values; a signal is one of them, -EINTR.
#ifndef GPU_KERNEL_CLIENT_DRM_FILE_HPP
#define GPU_KERNEL_CLIENT_DRM_FILE_HPP

#include "../uapi.h"

#include <cstddef>
#include <vector>

namespace gpu {

inline constexpr size_t buffer_bytes = 4096;

class drm_file {
public:
	/// Opens the device; error() tells why it could not.
	drm_file();
	~drm_file();
	drm_file(const drm_file &) = delete;
	drm_file &operator=(const drm_file &) = delete;

	int error() const { return fd_ < 0 ? fd_ : 0; }
	int fd() const { return fd_; }

	/// Any ioctl. Returns 0 or what it failed with.
	int call(unsigned long command, void *argument) const;

	int info(resv_gpu_info &result) const;
	int create(resv_gpu_create &result) const;
	int submit(const resv_gpu_use *uses, size_t count, uint32_t busy_us = 0) const;
	int wait(uint32_t handle, bool write, int64_t deadline_ns = INT64_MAX) const;
	int stats(resv_gpu_stats &result, bool whole_device = false) const;

	/// All that the session's jobs saw.
	int log(std::vector<uint64_t> &words) const;

	/// Handles are the file's; a buffer is shared by a descriptor.
	int close_handle(uint32_t handle) const;
	int share(uint32_t handle, int &descriptor) const;
	int import(int descriptor, uint32_t &handle) const;

	/// nullptr and errno: it could not.
	void *map(uint64_t offset, int protection) const;

private:
	int fd_;
};

/// CLOCK_MONOTONIC.
int64_t now_ns();

/// Loads resv_gpu.ko with these parameters, and unloads it. Returns 0 or a negative errno value.
int load_module(const char *parameters);
int unload_module();

} // namespace gpu

#endif // GPU_KERNEL_CLIENT_DRM_FILE_HPP
