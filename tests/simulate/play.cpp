// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "play.hpp"

#include "src/port/vcpu/machine.hpp"
#include "tests/ww_test_access.hpp"

#include <cstdlib>

namespace simulate {

using resv::vcpu::duration;
using resv::vcpu::the_machine;

namespace {

double seconds(duration d)
{
	return static_cast<double>(d) / (1e9 * static_cast<double>(resv::vcpu::nanosecond));
}

double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

// The counter of stamps is the first of a class, which nothing shares a line with here.
struct alignas(resv::vcpu::line_table::size) own_class {
	explicit own_class(resv::ww_algorithm algorithm)
		: contents(algorithm, "simulate_acquire", "simulate_mutex")
	{}
	resv::ww_class contents;
};

/// One point while it is played. Its counters are the program's, and cost no virtual time.
class game {
public:
	game(const point &p, const calibration &c)
		: point_(p), draw_(c.draw), class_(p.how->which), objects_(p.what->n, class_.contents),
		  warm_(p.transactions / 10)
	{
		the_machine().reset(c.machine, p.cpus);
		the_machine().watch(&class_.contents);
		for (unsigned i = 0; i < p.tasks; i++)
			the_machine().spawn([this, i] { client(point_.seed * 100003 + i); });
	}

	outcome run()
	{
		outcome o;
		o.hangs = !the_machine().run();
		bool is_warm = counted_ > warm_;
		sums all = is_warm ? end_ - begin_ : end_;
		double count = static_cast<double>(is_warm ? counted_ - warm_ : counted_);
		o.per_second = ratio(count, seconds(all.time));
		o.rollbacks = ratio(static_cast<double>(all.retries), count);
		o.longest_wait = seconds(longest_wait_);
		o.stamps = ratio(static_cast<double>(all.stamps.accesses), count);
		o.stamp_time = ratio(seconds(all.stamps.lost), seconds(all.time) * point_.cpus);
		o.sleeps = ratio(static_cast<double>(all.sleeps), count);
		return o;
	}

private:
	/// From the beginning on.
	struct sums {
		duration time = 0;
		uint64_t retries = 0;
		uint64_t sleeps = 0;
		resv::vcpu::traffic stamps;

		sums operator-(const sums &before) const
		{
			return {time - before.time,
				retries - before.retries,
				sleeps - before.sleeps,
				{stamps.accesses - before.stamps.accesses, stamps.lost - before.stamps.lost}};
		}
	};

	void client(unsigned seed)
	{
		std::minstd_rand random(~seed);
		picker draws(objects_, point_.what->k, point_.what->zipf, seed);
		set objects;
		while (!over_) {
			unsigned draws_made = draws.pick(objects);
			the_machine().work(draw_ * draws_made * (random() % 1024) / 512);
			the_machine().lose_sight(); // some branch of drawing has surprised it
			transact(objects);
			count();
		}
	}

	void transact(set &objects)
	{
		duration begin = the_machine().now();
		resv::transaction t(class_.contents);
		if (point_.eager)
			resv::ww_test_access::give_stamp(t.context());
		if (t.reserve(objects, &object::reservation) != 0)
			abort();
		if (done_ >= warm_)
			longest_wait_ = std::max(longest_wait_, the_machine().now() - begin);
		for (object *o : objects)
			the_machine().touch(&o->contents);
		sofar_.retries += t.retries();
	}

	void count()
	{
		done_++;
		sofar_.time = the_machine().now();
		sofar_.sleeps = the_machine().sleeps();
		sofar_.stamps = the_machine().watched();
		if (done_ == warm_)
			begin_ = sofar_;
		if (over_)
			return;
		end_ = sofar_;
		counted_ = done_;
		over_ = done_ == point_.transactions || the_machine().transfers() > most_transfers;
	}

	/// Where each transaction is sent back again and again, fewer must do.
	static constexpr uint64_t most_transfers = 40000000;

	const point &point_;
	duration draw_;
	own_class class_;
	pool objects_;
	uint64_t warm_;
	uint64_t done_ = 0;
	uint64_t counted_ = 0; // of those, until it was over
	bool over_ = false;
	sums sofar_, begin_, end_;
	duration longest_wait_ = 0;
};

} // namespace

outcome play(const point &p, const calibration &c)
{
	return game(p, c).run();
}

uint64_t enough(const workload &w, unsigned tasks)
{
	constexpr uint64_t objects = 400000; // so many are reserved
	return std::max<uint64_t>(objects / w.k, 10 * uint64_t{tasks});
}

duration round_trip(const calibration &c)
{
	static constexpr unsigned trips = 1000;
	alignas(resv::vcpu::line_table::size) resv::atomic<unsigned> line{0};
	duration end = 0;

	the_machine().reset(c.machine, 2);
	for (unsigned me = 0; me < 2; me++)
		the_machine().spawn([&, me] {
			for (unsigned i = 0; i < trips; i++) {
				while (line.load(resv::order::acquire) != 2 * i + me)
					;
				line.store(2 * i + me + 1, resv::order::release);
			}
			end = std::max(end, the_machine().now());
		});
	the_machine().run();
	return end / trips;
}

} // namespace simulate
