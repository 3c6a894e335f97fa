// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator against a naive model of its rules: both are told the same random scripts of locking, and must report
// the same at every step.
//
// Script number n of a run is made from seed first + n. RESV_MODEL_SEED=seed plays the script of that seed alone, and
// prints it; RESV_MODEL_SCRIPTS=n plays n of them, from that seed or else from the usual one.

#include "comparison.hpp"

namespace resv::test {
namespace {

#if RESV_PROVE_LOCKING

using namespace lockdep_model;

// Clang tells of its sanitizers by features, GCC by macros.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif
#ifdef SANITIZED
constexpr uint64_t enough = 50'000;
#else
constexpr uint64_t enough = 1'000'000;
#endif

// ---- Random scripts ----------------------------------------------------------------------------------------------

// splitmix64: every seed makes a script that has nothing to do with its neighbour's.
class dice {
public:
	explicit dice(uint64_t seed) : state_(seed) {}

	unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) * n >> 32); }
	bool percent(unsigned n) { return below(100) < n; }
	template <size_t n>
	unsigned one_of(const unsigned (&values)[n])
	{
		return values[below(n)];
	}

private:
	uint64_t next()
	{
		uint64_t z = state_ += 0x9e3779b97f4a7c15;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		return z ^ z >> 31;
	}

	uint64_t state_;
};

/// Makes scripts that are alike in what they make use of, so that some have many steps of the same kind.
class author {
public:
	author(uint64_t seed, unsigned task_count) : dice_(seed), tasks_(task_count) {}

	script write()
	{
		for (task_ = 0; task_ < tasks_; task_++)
			begin();
		task_ = 0;
		for (unsigned n = 4 + dice_.below(11); n != 0; n--) {
			const bool holds_some = world_.held(task_).size() >= 2;
			if (!dice_.percent(holds_some ? 2 * task_switches_ : task_switches_ / 2))
				add(next());
			else if (tasks_ > 1)
				task_ = dice_.below(tasks_);
			else
				become_another();
		}
		return playable(text_);
	}

private:
	void add(const step &s)
	{
		if (!world_.can(s))
			return;
		world_.play(s);
		text_.push_back(s);
	}

	void begin()
	{
		if (dice_.percent(hardirqs_off_))
			add({.what = action::hardirqs_off, .task = static_cast<uint8_t>(task_)});
	}

	void become_another()
	{
		while (auto s = world_.leave(task_))
			add(*s);
		begin();
	}

	step next()
	{
		step s{.task = static_cast<uint8_t>(task_)};
		const std::vector<step> &held = world_.held(task_);

		if (dice_.percent(irqs_)) {
			static constexpr action actions[] = {
				action::enter_softirq, action::enter_hardirq, action::exit_irq,
				action::exit_irq,      action::hardirqs_off,  action::hardirqs_off,
				action::hardirqs_on,   action::softirqs_off,  action::softirqs_on};
			s.what = actions[dice_.below(std::size(actions))];
		} else if (!held.empty() && dice_.percent(held.size() > 1 ? releases_ : releases_ / 2)) {
			s.what = action::release;
			s.lock = dice_.percent(fifo_)
					 ? held[dice_.below(static_cast<unsigned>(held.size()))].lock
					 : held.back().lock;
		} else if (dice_.percent(unbalanced_)) {
			s.what = action::release;
			s.lock = some_lock();
		} else {
			s.what = dice_.percent(syncs_) ? action::sync : action::acquire;
			for (unsigned attempts = 0; attempts < 4; attempts++) {
				s.lock = some_lock();
				s.subclass = dice_.percent(subclasses_);
				if (!holds_class_of(s) || dice_.percent(recursions_))
					break;
			}
			s.read = static_cast<uint8_t>(dice_.percent(reads_) ? 1 + dice_.below(2) : 0);
			s.trylock = s.what == action::acquire && dice_.percent(trylocks_);
			s.check = !dice_.percent(unchecked_);
			if (!is_context(s.lock) && dice_.percent(nests_))
				s.nest = nest(s, held);
		}
		s.place = dice_.percent(30);
		return s;
	}

	uint8_t some_lock()
	{
		const unsigned key = dice_.percent(contexts_) ? keys - 1 : dice_.below(keys_);
		return static_cast<uint8_t>(key * instances + dice_.below(instances_));
	}

	bool holds_class_of(const step &s) const
	{
		const std::vector<step> &held = world_.held(task_);
		return std::any_of(held.begin(), held.end(), [&](const step &h) {
			return key_of(h.lock) == key_of(s.lock) && h.subclass == s.subclass;
		});
	}

	// A lock of another class, which is held most of the time.
	lock_or_none nest(const step &s, const std::vector<step> &held)
	{
		uint8_t lock;
		if (dice_.percent(2))
			lock = some_lock();
		else if (!held.empty())
			lock = held[dice_.below(static_cast<unsigned>(held.size()))].lock;
		else
			return {};
		return key_of(lock) == key_of(s.lock) ? lock_or_none() : lock_or_none(lock);
	}

	dice dice_;
	unsigned tasks_;
	unsigned task_ = 0;
	world world_;
	script text_;

	// How often what is used, in percent.
	unsigned keys_ = 2 + dice_.below(keys - 2);
	unsigned instances_ = 1 + dice_.below(instances);
	unsigned task_switches_ = dice_.one_of({8, 16, 24});
	unsigned releases_ = dice_.one_of({10, 25, 40});
	unsigned fifo_ = dice_.one_of({0, 50});
	unsigned reads_ = dice_.one_of({0, 0, 30, 60});
	unsigned trylocks_ = dice_.one_of({0, 0, 10, 30});
	unsigned syncs_ = dice_.one_of({0, 0, 15});
	unsigned subclasses_ = dice_.one_of({0, 0, 30});
	unsigned unchecked_ = dice_.one_of({0, 0, 0, 15});
	unsigned irqs_ = dice_.one_of({0, 0, 15, 30});
	unsigned hardirqs_off_ = irqs_ == 0 ? dice_.one_of({0, 100, 100}) : dice_.one_of({0, 50});
	unsigned contexts_ = dice_.one_of({0, 0, 20, 35});
	unsigned recursions_ = dice_.one_of({0, 5, 15});
	unsigned nests_ = contexts_ != 0 ? dice_.one_of({30, 70}) : dice_.one_of({0, 0, 0, 40});
	unsigned unbalanced_ = dice_.one_of({0, 0, 0, 5});
};

// ---- The two side by side ------------------------------------------------------------------------------------------

std::optional<uint64_t> from_environment(const char *name)
{
	const char *value = getenv(name);
	return value ? std::optional(strtoull(value, nullptr, 0)) : std::nullopt;
}

/// Plays random scripts, until three disagree. Every kind of report must come up.
void compare(unsigned task_count, uint64_t count, uint64_t usual_first = 1)
{
	const auto seed = from_environment("RESV_MODEL_SEED");
	const auto wanted = from_environment("RESV_MODEL_SCRIPTS");
	const uint64_t first = seed.value_or(usual_first);
	comparison both(task_count);
	std::array<uint64_t, RESV_REPORT_BAD_KEY + 1> reports{};
	uint64_t silent = 0;
	unsigned disagreements = 0;

	if (seed && !wanted)
		count = 1;
	else
		count = wanted.value_or(count);
	for (uint64_t n = 0; n < count && disagreements < 3; n++) {
		const script text = author(first + n, task_count).write();
		const outcome &o = both.play(text);
		bool any = false;

		for (const reported &found : o.annotator) {
			any = any || !found.empty();
			for (resv_report_kind kind : found)
				reports[kind]++;
		}
		silent += !any;
		if (o.agrees()) {
			if (seed && !wanted)
				printf("seed %#llx, %u tasks:\n%s", 0ull + first, task_count,
				       both.describe(text).c_str());
			continue;
		}
		disagreements++;
		ADD_FAILURE() << "seed 0x" << std::hex << first + n << std::dec << " of scripts with "
			      << task_count << " tasks:\n"
			      << both.describe(text) << "as few steps as do it:\n"
			      << both.describe(both.smallest(text));
	}
	if (count < 1000)
		return;
	EXPECT_GT(silent, count / 10);
	EXPECT_LT(silent, count - count / 10);
	for (resv_report_kind kind :
	     {RESV_REPORT_CIRCULAR, RESV_REPORT_RECURSION, RESV_REPORT_IRQ_ORDER, RESV_REPORT_IRQ_INVERSION,
	      RESV_REPORT_IRQ_STATE, RESV_REPORT_UNLOCK_BALANCE, RESV_REPORT_NEST_NOT_HELD})
		EXPECT_GT(reports[kind], count / 10000) << kind;
}

// In two halves, so that two CPUs can have one each.
TEST(lockdep_model, agrees_in_one_thread)
{
	compare(1, enough / 2);
}

TEST(lockdep_model, agrees_in_one_thread_again)
{
	compare(1, enough / 2, 1 + enough / 2);
}

TEST(lockdep_model, agrees_in_threads)
{
	compare(tasks, enough / 100);
}

#endif

} // namespace
} // namespace resv::test
