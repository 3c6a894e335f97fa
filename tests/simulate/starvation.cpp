// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "starvation.hpp"

#include "src/port/vcpu/machine.hpp"
#include "tests/ww_test_access.hpp"

#include <cstdlib>

namespace simulate {

using resv::vcpu::duration;
using resv::vcpu::the_machine;

namespace {

constexpr size_t all_objects = 2000, large = 800, small = 8;
constexpr unsigned most_for_each_object = 2; // times that the large one is sent back, in a pass of an elder

/// Plays it. What it keeps account of is the program's, and costs no virtual time.
class flooding {
public:
	flooding(const flood &f, const calibration &c)
		: flood_(f), draw_(c.draw), class_(f.how->which, "simulate_acquire", "simulate_mutex"),
		  objects_(all_objects, class_), under_way_(f.cpus, nullptr)
	{
		playing = this;
		class_.set_tracer(trace);
		the_machine().reset(c.machine, f.cpus);
		the_machine().spawn([this] { survivor(); });
		for (unsigned i = 1; i < f.cpus; i++)
			the_machine().spawn([this, i] { client(i); });
	}

	survival run()
	{
		if (!the_machine().run())
			fail("tasks sleep for ever");
		if (result_.elders >= flood_.cpus)
			fail("it has more elders than there are other CPUs");
		if (result_.retries > result_.bound)
			fail("it was sent back more often than its elders account for");
		return result_;
	}

private:
	void fail(const char *why)
	{
		if (result_.failure.empty())
			result_.failure = why;
		over_ = true;
	}

	void reserve(resv::transaction &t, set &objects)
	{
		if (flood_.eager)
			resv::ww_test_access::give_stamp(t.context());
		if (t.reserve(objects, &object::reservation) != 0)
			abort();
		for (object *o : objects)
			the_machine().touch(&o->contents);
	}

	void survivor()
	{
		picker draws(objects_, large, 0, flood_.seed);
		set objects;
		draws.pick(objects);
		while (small_ < warm_up * flood_.cpus)
			resv_port_relax(0), resv::full_fence();
		uint64_t before = small_;
		duration begin = the_machine().now();
		{
			resv::transaction t(class_);
			large_ = &t;
			reserve(t, objects);
			large_ = nullptr;
			result_.retries = t.retries();
		}
		result_.seconds = static_cast<double>(the_machine().now() - begin) / 1e12;
		result_.small = small_ - before;
		for (resv::transaction *other : under_way_)
			if (other)
				account(*other);
		result_.bound = most_for_each_object * small * passes_;
		over_ = true;
	}

	void client(unsigned number)
	{
		picker draws(objects_, small, 0, flood_.seed * 1009 + number);
		set objects;
		while (!over_) {
			the_machine().work(draw_ * draws.pick(objects));
			if (flood_.how->which == resv::ww_algorithm::adaptive)
				resv::ww_test_access::set_hasty(class_, small_ / 7 % 2 != 0);
			resv::transaction t(class_);
			under_way_[number] = &t;
			reserve(t, objects);
			under_way_[number] = nullptr;
			if (large_)
				account(t);
			if (++small_ > (warm_up + patience) * flood_.cpus)
				fail("it does not get through");
		}
	}

	/// Is it older than the large one was when it got its stamp?
	bool is_elder(resv::transaction &t) const { return stamp_of(t) != 0 && stamp_of(t) < stamp_; }

	static unsigned long stamp_of(resv::transaction &t) { return t.context().stamp(); }

	void account(resv::transaction &t)
	{
		if (!is_elder(t))
			return;
		result_.elders++;
		passes_ += 1 + t.retries();
	}

	void see(resv::ww_event event, const resv::ww_acquire_ctx &self)
	{
		if (!large_)
			return;
		if (stamp_ == 0)
			stamp_ = stamp_of(*large_);
		if (event != resv::ww_event::die || &self != &large_->context())
			return;
		bool elder = false;
		for (resv::transaction *other : under_way_)
			elder |= other && is_elder(*other);
		if (!elder)
			fail("it is sent back though it is the oldest");
	}

	static void trace(resv::ww_event event, const resv::ww_mutex &, const resv::ww_acquire_ctx &self,
			  const resv::ww_acquire_ctx *)
	{
		playing->see(event, self);
	}

	static constexpr unsigned warm_up = 20; // small transactions for each CPU before the large one begins
	static constexpr unsigned patience = 20000; // and while it is under way

	inline static flooding *playing;

	const flood &flood_;
	duration draw_;
	resv::ww_class class_;
	pool objects_;
	std::vector<resv::transaction *> under_way_; // by task, but for the large one
	resv::transaction *large_ = nullptr;
	unsigned long stamp_ = 0; // the first that the large one had
	uint64_t small_ = 0;
	uint64_t passes_ = 0; // of elders
	bool over_ = false;
	survival result_;
};

} // namespace

survival starve(const flood &f, const calibration &c)
{
	return flooding(f, c).run();
}

} // namespace simulate
