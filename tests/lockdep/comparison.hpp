// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator beside its model: both are told the same script of locking.
#ifndef RESV_TESTS_LOCKDEP_COMPARISON_HPP
#define RESV_TESTS_LOCKDEP_COMPARISON_HPP

#include "model.hpp"
#include <tests/helpers.hpp>

#include <resv/lockdep.h>

#if RESV_PROVE_LOCKING

namespace resv::test::lockdep_model {

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
inline script playable(const script &wanted)
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

// ---- The annotator -----------------------------------------------------------------------------------------------

/// The locks of a script, and what the annotator says about them.
class annotated_locks {
public:
	~annotated_locks()
	{
		resv_lockdep_reset();
		resv_lockdep_set_report_handler(nullptr, nullptr);
		resv_host_set_report_sink(nullptr, nullptr);
	}

	/// Nothing has been seen yet, and reports come here.
	void reset()
	{
		static constexpr const char *names[keys] = {"a", "b", "c", "d", "ctx"};

		resv_lockdep_set_report_handler(
			[](resv_report_kind kind, const char *, void *found) {
				static_cast<reported *>(found)->add(kind);
			},
			&found_);
		resv_host_set_report_sink([](const char *, void *) {}, nullptr);
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

} // namespace resv::test::lockdep_model

#endif // RESV_PROVE_LOCKING

#endif // RESV_TESTS_LOCKDEP_COMPARISON_HPP
