// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_CREW_HPP
#define GPU_HOST_CREW_HPP

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

namespace gpu {

/// Threads, of which one may wait for those that are counted.
class crew {
public:
	template <typename Body>
	void start(const std::string &name, bool counted, Body body)
	{
		running_ += counted;
		threads_.emplace_back([this, name, counted, body] {
			pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
			body();
			if (!counted)
				return;
			std::scoped_lock guard(lock_);
			if (--running_ == 0)
				all_ended_.notify_one();
		});
	}

	/// False: time is up.
	bool wait_for_counted(std::chrono::steady_clock::duration time)
	{
		std::unique_lock guard(lock_);
		return all_ended_.wait_until(guard, std::chrono::steady_clock::now() + time,
					     [this] { return running_ == 0; });
	}

	void join()
	{
		for (std::thread &t : threads_)
			t.join();
		threads_.clear();
	}

private:
	std::mutex lock_;
	std::condition_variable all_ended_;
	std::atomic<unsigned> running_ = 0;
	std::vector<std::thread> threads_;
};

} // namespace gpu

#endif // GPU_HOST_CREW_HPP
