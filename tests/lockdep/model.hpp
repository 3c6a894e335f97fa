// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator's rules again, written down as plainly as possible and with no regard to cost, and scripts of locking
// to compare the two with. Nothing here is shared with lockdep/.
//
// The model keeps every order that was ever seen as one item of a list, and looks for cycles by walking that list. It
// keeps two such lists. One has the orders that the annotator is said to record: from what is held, downwards, until a
// lock whose own orders speak for all that lies below it. The other one has the orders from everything that is held. A
// report must be due by both: else the first one misses something.
#ifndef RESV_TESTS_LOCKDEP_MODEL_HPP
#define RESV_TESTS_LOCKDEP_MODEL_HPP

#include <resv/report.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

namespace resv::test::lockdep_model {

// ---- Scripts -------------------------------------------------------------------------------------------------------

// Two instances of each key. The last key is that of acquire contexts.
inline constexpr unsigned keys = 5;
inline constexpr unsigned instances = 2;
inline constexpr unsigned locks = keys * instances;
inline constexpr unsigned subclasses = 2;
inline constexpr unsigned places = 2;
inline constexpr unsigned tasks = 3;
inline constexpr unsigned levels = 3; // of each task: its own, soft interrupt, hard interrupt

constexpr unsigned key_of(unsigned lock)
{
	return lock / instances;
}
constexpr bool is_context(unsigned lock)
{
	return key_of(lock) == keys - 1;
}

inline std::string name_of_lock(unsigned lock)
{
	const std::string number = std::to_string(lock % instances);
	return is_context(lock) ? "ctx" + number : static_cast<char>('a' + key_of(lock)) + number;
}

enum class action : uint8_t {
	acquire,
	release,
	sync,
	enter_softirq,
	enter_hardirq,
	exit_irq,
	hardirqs_off,
	hardirqs_on,
	softirqs_off,
	softirqs_on,
};

/// A lock, or none. (GCC 12 takes a std::optional in here for uninitialized.)
class lock_or_none {
public:
	constexpr lock_or_none() = default;
	constexpr lock_or_none(uint8_t lock) : lock_(lock), is_one_(true) {}
	constexpr explicit operator bool() const { return is_one_; }
	constexpr uint8_t operator*() const { return lock_; }
	bool operator==(const lock_or_none &) const = default;

private:
	uint8_t lock_ = 0;
	bool is_one_ = false;
};

struct step {
	action what = action::acquire;
	uint8_t task = 0;
	uint8_t lock = 0;
	uint8_t subclass = 0;
	uint8_t read = 0; // as for resv_lockdep_acquire()
	bool trylock = false;
	bool check = true;
	lock_or_none nest{}; // in it
	uint8_t place = 0;   // in the code
};

using script = std::vector<step>;

inline std::string to_string(const step &s)
{
	static constexpr const char *names[] = {"lock ",        "unlock ",    "sync ",        "softirq {",
						"hardirq {",    "}",          "hardirqs off", "hardirqs on",
						"softirqs off", "softirqs on"};
	static constexpr const char *reads[] = {"", " read", " read-recursive"};

	std::string text = "task " + std::to_string(s.task) + ": " + names[static_cast<unsigned>(s.what)];
	if (s.what > action::sync)
		return text;
	text += name_of_lock(s.lock);
	if (s.what == action::release)
		return text;
	if (s.subclass)
		text += "/" + std::to_string(s.subclass);
	text += reads[s.read];
	if (s.trylock)
		text += " trylock";
	if (!s.check)
		text += " unchecked";
	if (s.nest)
		text += " nest " + name_of_lock(*s.nest);
	if (s.place)
		text += " at place " + std::to_string(s.place);
	return text;
}

inline std::string to_string(resv_report_kind kind)
{
	switch (kind) {
	case RESV_REPORT_CIRCULAR:
		return "circular";
	case RESV_REPORT_RECURSION:
		return "recursion";
	case RESV_REPORT_IRQ_ORDER:
		return "irq order";
	case RESV_REPORT_IRQ_INVERSION:
		return "irq inversion";
	case RESV_REPORT_IRQ_STATE:
		return "irq state";
	case RESV_REPORT_UNLOCK_BALANCE:
		return "unlock balance";
	case RESV_REPORT_NEST_NOT_HELD:
		return "nest not held";
	default:
		return "report " + std::to_string(kind);
	}
}

/// The reports that one step of a script brings about, in their order.
template <typename Report, size_t most>
class report_list {
public:
	void add(const Report &r)
	{
		if (size_ == most)
			abort();
		all_[size_++] = r;
	}
	const Report *begin() const { return all_.data(); }
	const Report *end() const { return begin() + size_; }
	bool empty() const { return size_ == 0; }

private:
	std::array<Report, most> all_;
	unsigned size_ = 0;
};

using reported = report_list<resv_report_kind, 64>;

/// A report that is due, as a set of kinds: if an order closes several cycles, it depends on which one is told of.
class due_report {
public:
	due_report(std::initializer_list<resv_report_kind> kinds = {})
	{
		for (resv_report_kind kind : kinds)
			allow(kind);
	}
	void allow(resv_report_kind kind) { kinds_ |= uint64_t{1} << kind; }
	bool allows(resv_report_kind kind) const { return kinds_ >> kind & 1; }

private:
	uint64_t kinds_ = 0;
};

using due = report_list<due_report, 64>;

inline bool agree(const due &wanted, const reported &found)
{
	return std::equal(wanted.begin(), wanted.end(), found.begin(), found.end(),
			  [](const due_report &w, resv_report_kind kind) { return w.allows(kind); });
}

inline std::string to_string(const reported &found)
{
	std::string text;
	for (resv_report_kind kind : found)
		text += (text.empty() ? "" : ", ") + to_string(kind);
	return text.empty() ? "silent" : text;
}

inline std::string to_string(const due &wanted)
{
	std::string text;
	for (const due_report &report : wanted) {
		std::string kinds;
		for (unsigned kind = 0; kind <= RESV_REPORT_BAD_KEY; kind++)
			if (report.allows(static_cast<resv_report_kind>(kind)))
				kinds += (kinds.empty() ? "" : " or ") +
					 to_string(static_cast<resv_report_kind>(kind));
		text += (text.empty() ? "" : ", ") + kinds;
	}
	return text.empty() ? "silent" : text;
}

// ---- Orders --------------------------------------------------------------------------------------------------------

// What is ordered: the classes, and the two kinds of interrupts.
inline constexpr unsigned classes = keys * subclasses;
inline constexpr unsigned hardirq = classes;
inline constexpr unsigned softirq = classes + 1;
inline constexpr unsigned nodes = classes + 2;

constexpr unsigned class_of(unsigned lock, unsigned subclass)
{
	return key_of(lock) * subclasses + subclass;
}
constexpr bool is_irq(unsigned node)
{
	return node >= classes;
}

/// Somebody waited for `to` while `from` was held.
struct order {
	uint8_t from;
	uint8_t to;
	bool held_shared;      // `from` was
	bool wanted_recursive; // `to` was wanted by a recursive reader, who waits for writers alone
};

constexpr order make_order(unsigned from, unsigned to, bool held_shared, bool wanted_recursive)
{
	return {static_cast<uint8_t>(from), static_cast<uint8_t>(to), held_shared, wanted_recursive};
}

inline constexpr unsigned all_orders = nodes * nodes * 4;

constexpr unsigned number_of(const order &o)
{
	return (o.from * nodes + o.to) * 4 + o.held_shared * 2 + o.wanted_recursive;
}

/// Can the one who waits as `first` says wait for one who waits as `next` says? A recursive reader does not wait for
/// other readers.
constexpr bool waits_for(const order &first, const order &next)
{
	return first.to == next.from && !(first.wanted_recursive && next.held_shared);
}

/// A set of orders in which nobody can wait for himself.
class order_list {
public:
	bool has(const order &o) const { return has_[number_of(o)]; }

	void add(const order &o)
	{
		has_[number_of(o)] = true;
		out_[o.from][size_[o.from]++] = o;
	}

	/// Would a closed walk lead over `o`?
	bool closes_cycle(const order &o) const { return leads(o, o, false); }
	/// One that leads over no interrupt?
	bool closes_cycle_of_locks(const order &o) const { return leads(o, o, true); }
	/// One that leads over an interrupt?
	bool closes_cycle_over_irq(const order &o) const
	{
		for (unsigned irq : {hardirq, softirq})
			for (unsigned i = 0; i < size_[irq]; i++)
				if (leads(o, out_[irq][i], false) && leads(out_[irq][i], o, false))
					return true;
		return false;
	}

	/// Would `o` and one order back be a cycle?
	bool closes_pair(const order &o) const
	{
		for (unsigned i = 0; i < size_[o.to]; i++) {
			const order &back = out_[o.to][i];
			if (waits_for(o, back) && waits_for(back, o))
				return true;
		}
		return false;
	}

private:
	/// Is there a walk that begins with `first`, and that `last` continues?
	bool leads(const order &first, const order &last, bool locks_only) const
	{
		std::array<bool, all_orders> walked{};
		std::array<order, all_orders + 1> ahead;
		unsigned n = 0;

		for (ahead[n++] = first; n != 0;) {
			const order at = ahead[--n];
			if (waits_for(at, last))
				return true;
			for (unsigned i = 0; i < size_[at.to]; i++) {
				const order &next = out_[at.to][i];
				if (walked[number_of(next)] || !waits_for(at, next) ||
				    (locks_only && is_irq(next.to)))
					continue;
				walked[number_of(next)] = true;
				ahead[n++] = next;
			}
		}
		return false;
	}

	std::array<bool, all_orders> has_{};
	std::array<unsigned, nodes> size_{};
	std::array<std::array<order, nodes * 4>, nodes> out_;
};

// ---- The model -----------------------------------------------------------------------------------------------------

class model {
public:
	/// Does what the step says; what must be reported.
	const due &play(const step &s)
	{
		task_ = &tasks_[s.task];
		due_ = {};
		switch (s.what) {
		case action::acquire:
			acquire(s);
			break;
		case action::sync:
			sync(s);
			break;
		case action::release:
			release(s);
			break;
		case action::enter_softirq:
			task_->enter(1, {task_->now().irqs.hard, false});
			break;
		case action::enter_hardirq:
			task_->enter(2, {false, false});
			break;
		case action::exit_irq:
			task_->level = task_->now().interrupted;
			break;
		case action::hardirqs_off:
		case action::hardirqs_on:
			task_->now().irqs.hard = s.what == action::hardirqs_on;
			break;
		case action::softirqs_off:
		case action::softirqs_on:
			task_->now().irqs.soft = s.what == action::softirqs_on;
			break;
		}
		return due_;
	}

	/// Why the two lists of orders do not come to the same; null if they do.
	const char *contradiction() const { return contradiction_; }

private:
	struct held {
		unsigned lock;
		unsigned cls;
		unsigned read;
		bool check;
		lock_or_none nest;
		bool speaks_for_those_below; // an order from them leads to it, and from there to what lies above
	};

	struct irqs_on {
		bool hard = true, soft = true;
	};

	struct context {
		std::array<held, 64> at;
		unsigned depth = 0;
		irqs_on irqs;
		unsigned interrupted = 0; // the level that goes on after this one

		/// Where the lock lies; `depth` if it is not held.
		unsigned lowest(unsigned lock) const
		{
			unsigned i = 0;
			while (i < depth && at[i].lock != lock)
				i++;
			return i;
		}
		bool holds(unsigned lock) const { return lowest(lock) < depth; }
	};

	struct task_state {
		std::array<context, levels> contexts;
		unsigned level = 0;

		context &now() { return contexts[level]; }
		void enter(unsigned handler, irqs_on in_it)
		{
			contexts[handler].depth = 0;
			contexts[handler].irqs = in_it;
			contexts[handler].interrupted = level;
			level = handler;
		}
	};

	void acquire(const step &s)
	{
		context &now = task_->now();
		const bool nested = s.nest && s.check && is_nest_held(s);
		const bool complete = s.check && !s.trylock && wait(s);

		held h;
		h.lock = s.lock;
		h.cls = class_of(s.lock, s.subclass);
		h.read = s.read;
		h.check = s.check;
		h.nest = nested ? s.nest : lock_or_none();
		h.speaks_for_those_below = complete && s.read != 2;
		// With nothing between them, what leads to one of a class leads to the other.
		for (unsigned i = now.depth; i-- != 0 && alike(now.at[i], h);)
			h.speaks_for_those_below |= now.at[i].speaks_for_those_below;
		for (unsigned i = now.depth; i-- != 0 && alike(now.at[i], h);)
			now.at[i].speaks_for_those_below = h.speaks_for_those_below;
		now.at[now.depth++] = h;
		note_irqs_on();
	}

	void sync(const step &s)
	{
		if (!s.check)
			return;
		if (s.nest)
			is_nest_held(s);
		wait(s);
	}

	/// Locks of one class that nest in the same lock.
	static bool alike(const held &a, const held &b)
	{
		return a.cls == b.cls && a.nest && a.nest == b.nest && a.read == 0 && b.read == 0;
	}

	void release(const step &s)
	{
		context &now = task_->now();
		unsigned i = now.depth;

		note_irqs_on();
		while (i != 0 && now.at[i - 1].lock != s.lock)
			i--;
		if (i == 0) {
			report_at(RESV_REPORT_UNLOCK_BALANCE, class_of(s.lock, 0), s.place);
			return;
		}
		const unsigned cls = now.at[i - 1].cls;
		std::copy(now.at.begin() + i, now.at.begin() + now.depth, now.at.begin() + (i - 1));
		now.depth--;
		for (i--; i < now.depth; i++)
			if (now.at[i].nest == s.lock && !now.holds(s.lock))
				report_at(RESV_REPORT_NEST_NOT_HELD, cls, s.place);
	}

	bool is_nest_held(const step &s)
	{
		if (task_->now().holds(*s.nest))
			return true;
		report_at(RESV_REPORT_NEST_NOT_HELD, class_of(s.lock, s.subclass), s.place);
		return false;
	}

	/// Waits for the lock. False if there is something held from which no order leads to it.
	bool wait(const step &s)
	{
		const context &now = task_->now();
		const unsigned cls = class_of(s.lock, s.subclass);
		const bool recursive = s.read == 2;

		if (task_->level != 0)
			see(make_order(task_->level == 2 ? hardirq : softirq, cls, false, recursive));
		if (is_exempt(s))
			return false;

		bool complete = true;
		bool implied = false; // the annotator leaves the order out, since others say the same
		bool quiet = false;   // a cycle that the order closes has been reported already
		for (unsigned i = now.depth; i-- != 0;) {
			const held &h = now.at[i];
			bool seen = true;
			if (h.check && h.cls != cls) {
				const order o = make_order(h.cls, cls, h.read != 0, recursive);
				if (implied)
					see_too(o);
				else
					seen = see(o, quiet);
			}
			if (!implied && h.check && h.cls == cls && h.read == 0 && s.read != 0)
				complete = false; // from a shared one no order leads on for the exclusive one
			complete = complete && seen;
			if (h.speaks_for_those_below) {
				implied = implied || seen;
				quiet = !seen;
			}
		}
		return complete;
	}

	/// Is it no order that the lock is taken in, because others of its class are held? Either a real lock serializes
	/// them, or it is a bug.
	bool is_exempt(const step &s)
	{
		const context &now = task_->now();
		const unsigned cls = class_of(s.lock, s.subclass);
		const bool recursive = s.read == 2;
		const unsigned nest = s.nest ? now.lowest(*s.nest) : now.depth;

		for (unsigned i = now.depth; i-- != 0;) {
			const held &h = now.at[i];
			if (h.cls != cls || (recursive && h.read != 0))
				continue;
			if (nest >= i) {
				bool &seen =
					recursions_[number_of(make_order(cls, cls, h.read != 0, recursive))];
				if (!seen)
					due_.add({RESV_REPORT_RECURSION});
				seen = true;
				return true;
			}
			if (!is_context(*s.nest) && now.at[nest].read == 0)
				return true;
		}
		return false;
	}

	void note_irqs_on()
	{
		const context &now = task_->now();

		for (unsigned irq : {hardirq, softirq}) {
			if (!now.irqs.hard || (irq == softirq && !now.irqs.soft))
				continue;
			for (unsigned i = 0; i < now.depth; i++)
				if (now.at[i].check)
					see(make_order(now.at[i].cls, irq, now.at[i].read != 0, false));
		}
	}

	/// What is no order is reported once for each class and place.
	void report_at(resv_report_kind kind, unsigned cls, unsigned place)
	{
		bool &seen = reported_at_[kind][cls][place];
		if (!seen)
			due_.add({kind});
		seen = true;
	}

	/// Adds an order. False if it must not be. `quiet`: then nothing is reported, and thus it may be another time.
	bool see(const order &o, bool quiet = false)
	{
		if (recorded_.has(o))
			return true;
		if (refused_[number_of(o)])
			return false;
		const bool cycle = recorded_.closes_cycle(o);
		if (cycle != (!full_.has(o) && full_.closes_cycle(o)))
			contradiction_ =
				"an order closes a cycle only with, or only without, what is not recorded";
		if (cycle) {
			if (!quiet) {
				refused_[number_of(o)] = true;
				due_.add(cycles(o));
			}
			return false;
		}
		recorded_.add(o);
		if (!full_.has(o))
			full_.add(o);
		return true;
	}

	/// Adds an order that the annotator does not record, because others say the same.
	void see_too(const order &o)
	{
		if (full_.has(o))
			return;
		if (!full_.closes_cycle(o))
			full_.add(o);
		else
			contradiction_ = "an order that is not recorded closes a cycle";
	}

	due_report cycles(const order &o) const
	{
		if (is_irq(o.from) || is_irq(o.to)) // the shortest is told of
			return {recorded_.closes_pair(o) ? RESV_REPORT_IRQ_STATE : RESV_REPORT_IRQ_INVERSION};
		due_report kinds;
		if (recorded_.closes_cycle_of_locks(o))
			kinds.allow(RESV_REPORT_CIRCULAR);
		if (recorded_.closes_cycle_over_irq(o))
			kinds.allow(RESV_REPORT_IRQ_ORDER);
		return kinds;
	}

	order_list recorded_, full_;
	std::array<bool, all_orders> refused_{};
	std::array<bool, all_orders> recursions_{};
	std::array<std::array<std::array<bool, places>, classes>, RESV_REPORT_BAD_KEY + 1> reported_at_{};
	std::array<task_state, tasks> tasks_;
	task_state *task_ = nullptr;
	due due_;
	const char *contradiction_ = nullptr;
};

} // namespace resv::test::lockdep_model

#endif // RESV_TESTS_LOCKDEP_MODEL_HPP
