// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator against a naive model of its rules: both are told the same random scripts of locking, and must report
// the same at every step.
//
// Script number n of a run is made from seed first + n. RESV_MODEL_SEED=seed plays the script of that seed alone, and
// prints it; RESV_MODEL_SCRIPTS=n plays n of them, from that seed or else from the usual one.

#include "model.hpp"
#include <tests/helpers.hpp>

#include <resv/lockdep.h>

namespace resv::test {
namespace {

#if RESV_PROVE_LOCKING

using namespace lockdep_model;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t enough = 50'000;
#else
constexpr uint64_t enough = 1'000'000;
#endif

// ---- What can happen --------------------------------------------------------------------------------------------

/// Keeps scripts to what locks and interrupts can do: nobody gets a lock that somebody else has.
class world {
public:
	bool can(const step &s) const
	{
		const task_state &task = tasks_[s.task];
		switch (s.what) {
		case action::acquire:
			return can_get(s);
		case action::enter_softirq:
			return task.level == 0;
		case action::enter_hardirq:
			return task.level < 2;
		case action::exit_irq:
			return task.level != 0 && task.held[task.level].empty();
		default:
			return true;
		}
	}

	void play(const step &s)
	{
		task_state &task = tasks_[s.task];
		std::vector<step> &held = task.held[task.level];
		switch (s.what) {
		case action::acquire:
			held.push_back(s);
			break;
		case action::release:
			for (size_t i = held.size(); i-- != 0;) {
				if (held[i].lock == s.lock) {
					held.erase(held.begin() + static_cast<ptrdiff_t>(i));
					break;
				}
			}
			break;
		case action::enter_softirq:
		case action::enter_hardirq:
			task.interrupted.push_back(task.level);
			task.level = s.what == action::enter_softirq ? 1 : 2;
			break;
		case action::exit_irq:
			task.level = task.interrupted.back();
			task.interrupted.pop_back();
			break;
		case action::hardirqs_off:
		case action::hardirqs_on:
			if (task.level == 0)
				task.hardirqs_off = s.what == action::hardirqs_off;
			break;
		case action::softirqs_off:
		case action::softirqs_on:
			if (task.level == 0)
				task.softirqs_off = s.what == action::softirqs_off;
			break;
		case action::sync:
			break;
		}
	}

	/// What the task holds where it is.
	const std::vector<step> &held(unsigned task) const { return tasks_[task].held[tasks_[task].level]; }

	/// The next step of a task that goes back to where it began, if there is one.
	std::optional<step> leave(unsigned task) const
	{
		const task_state &t = tasks_[task];
		step s{.task = static_cast<uint8_t>(task)};
		if (!held(task).empty()) {
			s.what = action::release;
			s.lock = held(task).back().lock;
		} else if (t.level != 0) {
			s.what = action::exit_irq;
		} else if (t.hardirqs_off) {
			s.what = action::hardirqs_on;
		} else if (t.softirqs_off) {
			s.what = action::softirqs_on;
		} else {
			return std::nullopt;
		}
		return s;
	}

private:
	struct task_state {
		std::array<std::vector<step>, levels> held;
		std::vector<unsigned> interrupted;
		unsigned level = 0;
		bool hardirqs_off = false;
		bool softirqs_off = false;
	};

	bool can_get(const step &s) const
	{
		for (unsigned task = 0; task < tasks; task++) {
			for (unsigned level = 0; level < levels; level++) {
				for (const step &h : tasks_[task].held[level]) {
					if (h.lock != s.lock || (h.read != 0 && s.read != 0))
						continue;
					// It would wait for itself, which is a bug that must be seen.
					const bool itself = task == s.task && level == tasks_[task].level;
					if (!itself || s.trylock || s.nest || h.nest || !s.check ||
					    s.subclass != h.subclass)
						return false;
				}
			}
		}
		return tasks_[s.task].held[tasks_[s.task].level].size() < 16;
	}

	std::array<task_state, tasks> tasks_;
};

/// What of a script can happen, and then all tasks drop what they hold.
script playable(const script &wanted)
{
	world w;
	script result;
	auto play = [&](const step &s) {
		w.play(s);
		result.push_back(s);
	};

	for (const step &s : wanted)
		if (w.can(s))
			play(s);
	for (unsigned task = 0; task < tasks; task++)
		while (auto s = w.leave(task))
			play(*s);
	return result;
}

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

// ---- The annotator -----------------------------------------------------------------------------------------------

/// The locks of a script, and what the annotator says about them.
class annotated_locks {
public:
	annotated_locks()
	{
		resv_lockdep_set_report_handler(
			[](resv_report_kind kind, const char *, void *found) {
				static_cast<reported *>(found)->add(kind);
			},
			&found_);
		resv_host_set_report_sink([](const char *, void *) {}, nullptr);
	}
	~annotated_locks()
	{
		resv_lockdep_reset();
		resv_lockdep_set_report_handler(nullptr, nullptr);
		resv_host_set_report_sink(nullptr, nullptr);
	}

	/// Nothing has been seen yet.
	void reset()
	{
		static constexpr const char *names[keys] = {"a", "b", "c", "d", "ctx"};

		resv_lockdep_reset();
		for (unsigned lock = 0; lock < locks; lock++)
			resv_lockdep_init_map_type(
				&maps_[lock], names[key_of(lock)], &class_keys[key_of(lock)], 0,
				RESV_LD_WAIT_INV, RESV_LD_WAIT_INV,
				is_context(lock) ? RESV_LD_LOCK_CONTEXT : RESV_LD_LOCK_NORMAL);
	}

	[[gnu::noinline]] const reported &play(const step &s)
	{
#ifdef __x86_64__
		asm volatile(".cfi_undefined rip"); // stack traces end here: most of the time is theirs
#endif
		const unsigned long here =
			1 + s.place; // no symbol has such an address: that is cheap to find out
		resv_lockdep_map *map = &maps_[s.lock];
		resv_lockdep_map *nest = s.nest ? &maps_[*s.nest] : nullptr;

		found_ = {};
		switch (s.what) {
		case action::acquire:
			resv_lockdep_acquire(map, s.subclass, s.trylock, s.read, s.check, nest, here);
			break;
		case action::release:
			resv_lockdep_release(map, here);
			break;
		case action::sync:
			resv_lockdep_sync(map, s.subclass, s.read, s.check, nest, here);
			break;
		case action::enter_softirq:
			resv_host_irq_enter(RESV_HOST_SOFTIRQ);
			break;
		case action::enter_hardirq:
			resv_host_irq_enter(RESV_HOST_HARDIRQ);
			break;
		case action::exit_irq:
			resv_host_irq_exit();
			break;
		case action::hardirqs_off:
		case action::hardirqs_on:
			resv_host_hardirqs(s.what == action::hardirqs_on);
			break;
		case action::softirqs_off:
		case action::softirqs_on:
			resv_host_softirqs(s.what == action::softirqs_on);
			break;
		}
		return found_;
	}

private:
	static inline resv_lock_class_key class_keys[keys];

	std::array<resv_lockdep_map, locks> maps_{};
	reported found_; // during a step, written by whoever plays it
};

// ---- The two side by side ------------------------------------------------------------------------------------------

struct outcome {
	std::vector<reported> annotator;
	std::vector<due> model;
	const char *contradiction = nullptr; // within the model

	bool agrees() const
	{
		return !contradiction &&
		       std::equal(model.begin(), model.end(), annotator.begin(), annotator.end(), agree);
	}
};

class comparison {
public:
	/// With one task: on the caller's thread. Otherwise each task has its own.
	explicit comparison(unsigned task_count) : task_count_(task_count)
	{
		if (task_count_ > 1)
			actors_.resize(task_count_);
	}

	const outcome &play(const script &text)
	{
		model expected;

		result_.annotator.clear();
		result_.model.clear();
		locks_.reset();
		for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
			while (end < text.size() && text[end].task == text[begin].task)
				end++;
			auto run = [&] { play_steps(text, begin, end); };
			if (task_count_ > 1)
				actors_[text[begin].task].run(run);
			else
				run();
			for (size_t i = begin; i < end; i++)
				result_.model.push_back(expected.play(text[i]));
		}
		result_.contradiction = expected.contradiction();
		return result_;
	}

	/// Leaves out and makes simpler whatever does not matter for the disagreement.
	script smallest(script text)
	{
		auto replace_by = [&](const script &wanted) {
			script candidate = playable(wanted);
			if (candidate.size() > text.size() || play(candidate).agrees())
				return false;
			text = std::move(candidate);
			return true;
		};
		auto try_all = [&] {
			for (size_t i = 0; i < text.size(); i++) {
				script without = text;
				without.erase(without.begin() + static_cast<ptrdiff_t>(i));
				if (playable(without).size() < text.size() && replace_by(without))
					return true;
			}
			for (size_t i = 0; i < text.size(); i++) {
				const auto simpler = [&](auto change) {
					script changed = text;
					change(changed[i]);
					return to_string(changed[i]) != to_string(text[i]) &&
					       replace_by(changed);
				};
				if (simpler([](step &s) { s.read = 0; }) ||
				    simpler([](step &s) { s.trylock = false; }) ||
				    simpler([](step &s) { s.check = true; }) ||
				    simpler([](step &s) { s.subclass = 0; }) ||
				    simpler([](step &s) { s.nest = {}; }) ||
				    simpler([](step &s) { s.place = 0; }))
					return true;
			}
			return false;
		};
		while (try_all())
			;
		return text;
	}

	std::string describe(const script &text)
	{
		const outcome o = play(text);
		std::string lines;
		for (size_t i = 0; i < text.size(); i++) {
			lines += "  " + to_string(text[i]);
			if (!agree(o.model[i], o.annotator[i]))
				lines += "    <-- annotator: " + to_string(o.annotator[i]) +
					 "; model: " + to_string(o.model[i]);
			else if (!o.annotator[i].empty())
				lines += "    (" + to_string(o.annotator[i]) + ")";
			lines += "\n";
		}
		if (o.contradiction)
			lines += std::string("  the model: ") + o.contradiction + "\n";
		return lines;
	}

private:
	void play_steps(const script &text, size_t begin, size_t end)
	{
		for (size_t i = begin; i < end; i++)
			result_.annotator.push_back(locks_.play(text[i]));
	}

	unsigned task_count_;
	std::deque<actor> actors_;
	annotated_locks locks_;
	outcome result_;
};

std::optional<uint64_t> from_environment(const char *name)
{
	const char *value = getenv(name);
	return value ? std::optional(strtoull(value, nullptr, 0)) : std::nullopt;
}

/// Plays random scripts, until three disagree. Every kind of report must come up.
void compare(unsigned task_count, uint64_t count)
{
	const auto seed = from_environment("RESV_MODEL_SEED");
	const auto wanted = from_environment("RESV_MODEL_SCRIPTS");
	const uint64_t first = seed.value_or(1);
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

TEST(lockdep_model, agrees_in_one_thread)
{
	compare(1, enough);
}

TEST(lockdep_model, agrees_in_threads)
{
	compare(tasks, enough / 100);
}

#endif

} // namespace
} // namespace resv::test
