// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the driver needs from its front (host/ is one) beyond <resv/port.h>: memory, and signals. Tasks are started by
// the front, see device.hpp. The driver itself is freestanding C++: no library, no exceptions, no float.
#ifndef GPU_OS_HPP
#define GPU_OS_HPP

#include <resv/port.h>

extern "C" {

/// Zeroed memory, aligned to 64 bytes, or nullptr. May sleep. Context: task.
void *gpu_os_allocate(size_t bytes);

/// Gives memory back; nullptr is fine. Context: task.
void gpu_os_release(void *memory);

/// Makes a signal pending for a task, which the caller keeps from ending. Context: any.
void gpu_os_interrupt(resv_port_task task);

/// The calling task has returned -EINTR to its user, who handled the signal. Context: task.
void gpu_os_signals_handled(void);
}

namespace gpu {

/// Where to construct an object.
struct place {
	void *at;
};

} // namespace gpu

inline void *operator new(size_t, gpu::place p) noexcept
{
	return p.at;
}
inline void operator delete(void *, gpu::place) noexcept {}

namespace gpu {

/// A fixed number of elements, in memory of the front.
template <typename T>
class array {
public:
	array() = default;
	array(const array &) = delete;
	array &operator=(const array &) = delete;
	~array()
	{
		for (T &element : *this)
			element.~T();
		gpu_os_release(data_);
	}

	/// Makes `size` elements, each constructed from `args`. Once only. False: no memory.
	template <typename... Args>
	[[nodiscard]] bool create(size_t size, Args &...args)
	{
		if (!create_zeroed(size))
			return false;
		for (T &element : *this)
			new (place{&element}) T(args...);
		return true;
	}

	/// The same for a type whose zero bytes are a valid value; does not touch the memory.
	[[nodiscard]] bool create_zeroed(size_t size)
	{
		if (size == 0)
			return true;
		data_ = static_cast<T *>(gpu_os_allocate(size * sizeof(T)));
		size_ = data_ ? size : 0;
		return data_;
	}

	T &operator[](size_t i) { return data_[i]; }
	const T &operator[](size_t i) const { return data_[i]; }
	size_t size() const { return size_; }
	T *begin() { return data_; }
	T *end() { return data_ + size_; }
	const T *begin() const { return data_; }
	const T *end() const { return data_ + size_; }

private:
	T *data_ = nullptr;
	size_t size_ = 0;
};

} // namespace gpu

#endif // GPU_OS_HPP
