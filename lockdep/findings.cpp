// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the annotator finds, in the words and the layout of the kernel's reports.
#include <resv/config.h>

#if RESV_PROVE_LOCKING

#include "annotator.hpp"
#include "line_writer.hpp"
#include "report.hpp"

namespace resv::lockdep {

namespace {

constexpr unsigned second_column = 31;

// ---- Once each ----------------------------------------------------------------------------------------------------

uint32_t hash_of(resv_report_kind kind, uint64_t a, uint64_t b)
{
	uint64_t h = (a * 0x9e3779b97f4a7c15u ^ b ^ uint64_t{kind} << 56) * 0xff51afd7ed558ccdu;
	return static_cast<uint32_t>(h >> 32) | 1;
}

bool may_report()
{
	if (the.reports == RESV_LOCKDEP_REPORTS) {
		the.lost_reports++;
		say_limit(limit::reports);
		return false;
	}
	the.reports++;
	return true;
}

// The table is open-addressed, and never more than half full; what finds no room is new each time.
bool is_new(resv_report_kind kind, uint64_t a, uint64_t b)
{
	uint32_t hash = hash_of(kind, a, b);
	unsigned slot = hash % annotator::max_found;
	for (; the.found[slot] != 0; slot = (slot + 1) % annotator::max_found)
		if (the.found[slot] == hash)
			return false;
	if (the.found_count < annotator::max_found / 2) {
		the.found[slot] = hash;
		the.found_count++;
	}
	return may_report();
}

bool is_new(resv_report_kind kind, const attempt &a)
{
	return is_new(kind, a.cls, a.where);
}

// ---- Words ----------------------------------------------------------------------------------------------------------

// name, name#2 for the second class of that name, name/1 for subclass 1
template <typename Out>
Out &put_name(Out &out, class_id cls)
{
	const lock_class &c = classes[cls];
	if (is_irq(cls))
		out << (cls == hardirq_class ? "<hard interrupt>" : "<soft interrupt>");
	else if (cls == 0)
		out << "?";
	else
		out << c.name;
	if (c.version != 0)
		out << "#" << static_cast<unsigned long>(c.version + 1);
	if (c.subclass != 0)
		out << "/" << static_cast<unsigned long>(c.subclass);
	return out;
}

// '.' neither, '-' taken in interrupts, '+' held with interrupts on, '?' both.
char usage_char(uint32_t usage, uint32_t in, uint32_t on)
{
	return usage & in ? usage & on ? '?' : '-' : usage & on ? '+' : '.';
}

template <typename Out>
Out &put_class(Out &out, class_id cls)
{
	const lock_class &c = classes[cls];
	uint32_t usage = c.usage.load(order::relaxed);
	char text[] = "{....}-{";
	for (unsigned level = 0; level < 2; level++, usage >>= soft) {
		text[1 + 2 * level] = usage_char(usage, in_exclusive, on_exclusive);
		text[2 + 2 * level] = usage_char(usage, in_shared | in_recursive, on_shared);
	}
	put_name(out << "(", cls) << ")" << text
				  << static_cast<unsigned long>(c.outer ? c.outer : c.kind.inner) << ":"
				  << static_cast<unsigned long>(c.kind.inner) << "}";
	return out;
}

template <typename Out>
void put_lock(Out &out, const lockdep_map *map, class_id cls, uintptr_t where)
{
	put_class(out << static_cast<const void *>(map) << " ", cls) << ", at: " << place{where} << "\n";
}

template <typename Out>
void put_lock(Out &out, const attempt &a)
{
	put_lock(out, a.map, a.cls, a.where);
}

template <typename Out>
void put_lock(Out &out, const held &h)
{
	put_lock(out, h.map, h.kind.cls, h.where);
}

template <typename Out>
void put_held(Out &out, held_stack &stack)
{
	unsigned long n = 0;
	for (const held *h = stack.bottom(); h != stack.end(); h = h->above)
		n++;
	char name[32];
	resv_port_task_name(resv_port_current(), name, sizeof(name));
	out << n << (n == 1 ? " lock" : " locks") << " held by " << name << (n != 0 ? ":\n" : ".\n");
	n = 0;
	for (const held *h = stack.bottom(); h != stack.end(); h = h->above) {
		out << " #" << n++ << ": ";
		if (h->count != 1)
			out << static_cast<unsigned long>(h->count) << " of this class, the first: ";
		put_lock(out, *h);
	}
}

void put_trace(report &r, const frames &trace, const char *indent)
{
	for (unsigned i = 0; i < trace.count; i++)
		r << indent << place{trace.pcs[i]} << "\n";
}

// [HC0[0]:SC0[0]:HE1:SE1]: in a hard, a soft interrupt? are they on?
void put_context(report &r, unsigned irq_state)
{
	auto digit = [&](unsigned bit) { return irq_state & bit ? "1" : "0"; };
	r << " [HC" << digit(RESV_IN_HARDIRQ) << "[" << digit(RESV_IN_HARDIRQ) << "]:SC"
	  << digit(RESV_IN_SOFTIRQ) << "[" << digit(RESV_IN_SOFTIRQ) << "]:HE"
	  << (irq_state & RESV_HARDIRQS_OFF ? "0" : "1") << ":SE"
	  << (irq_state & RESV_SOFTIRQS_OFF ? "0" : "1") << "] ";
}

void put_more(report &r, held_stack &stack)
{
	r << "\nother info that might help us debug this:\n";
	put_held(r, stack);
}

// One line of a scenario.
report &put_step(report &r, unsigned column, const char *verb, class_id cls)
{
	put_name(r.column(column) << verb << "(", cls) << ");\n";
	return r;
}

const char *verb_of(const attempt &a)
{
	return a.is_sync ? "sync" : a.read == lock_read::exclusive ? "lock" : "rlock";
}

void put_two_cpus(report &r, const char *title)
{
	r << "\n " << title << "\n\n       CPU0";
	r.column(second_column) << "CPU1\n       ----";
	r.column(second_column) << "----\n";
}

constexpr const char *deadlock = "\n *** DEADLOCK ***\n\n";

// ---- Cycles -----------------------------------------------------------------------------------------------------------

class_id class_of(node n)
{
	return static_cast<class_id>(n >> 1);
}

// The way from the end of the new order back to its beginning.
struct cycle_path {
	static constexpr unsigned max = 64;

	explicit cycle_path(const order_pair &o)
	{
		node tails[2];
		for (unsigned i = o.tails(tails); i-- != 0;) {
			unsigned n = orders.path(o.head(), tails[i], nullptr, 0);
			if (n != 0 && (length == 0 || n < length))
				length = orders.path(o.head(), tails[i], nodes, max);
		}
		if (length > max) // the rest is not shown
			length = max;
	}

	class_id cls(unsigned i) const { return class_of(nodes[i]); }
	frames trace_into(unsigned i) const
	{
		return traces.get(orders.edge_payload(nodes[i - 1], nodes[i]));
	}
	/// The place of an interrupt in it, or `length`.
	unsigned irq() const
	{
		unsigned i = 0;
		while (i < length && !is_irq(cls(i)))
			i++;
		return i;
	}

	node nodes[max]{};
	unsigned length = 0;
};

// 2 or more locks, each of which is taken while the one before is held; the new order is from the last to the first.
void put_chain(report &r, const attempt &a, const cycle_path &path)
{
	r << "\nthe existing dependency chain (in reverse order) is:\n";
	for (unsigned i = path.length; i-- != 0;) {
		put_class(r << "\n-> #" << static_cast<unsigned long>(i) << " ", path.cls(i)) << ":\n";
		if (i != 0)
			put_trace(r, path.trace_into(i), "       ");
		else
			put_trace(r, current_frames(a.where).get(), "       ");
	}
}

// The uppermost held lock of the class; there is none if the order was declared.
void put_holding(report &r, held_stack &stack, class_id cls)
{
	for (const held *h = stack.top(); h != stack.end(); h = h->below)
		if (h->kind.cls == cls)
			return put_lock(r, *h);
	put_class(r, cls) << ", as declared\n";
}

void circular(const attempt &a, const order_pair &o, const cycle_path &path)
{
	report r(RESV_REPORT_CIRCULAR, a.where);
	r.task() << " is trying to acquire lock:\n";
	put_lock(r, a);
	r << "\nbut task is already holding lock:\n";
	put_holding(r, a.stack, o.prev);
	r << "\nwhich lock already depends on the new lock.\n";
	put_chain(r, a, path);

	r << "\nother info that might help us debug this:\n";
	class_id before = path.cls(path.length - 2);
	if (path.length > 2) {
		put_name(put_name(put_name(r << "\nChain exists of:\n  ", o.next) << " --> ", before)
				 << " --> ",
			 o.prev)
			<< "\n";
	}
	put_two_cpus(r, "Possible unsafe locking scenario:");
	put_step(r, 2, o.exclusive ? "lock" : "rlock", o.prev);
	put_step(r, second_column, "lock", before);
	put_step(r, second_column, "lock", o.prev);
	put_step(r, 2, verb_of(a), o.next);
	r << deadlock;
	put_held(r, a.stack);
}

// The lock that interrupts take, and the one that is held while they are on.
struct inversion {
	class_id irq, safe, unsafe;

	const char *name() const { return irq == hardirq_class ? "HARDIRQ" : "SOFTIRQ"; }
	uint32_t usage(class_id cls) const
	{
		uint32_t bits = classes[cls].usage.load(order::relaxed);
		return irq == softirq_class ? bits >> soft : bits;
	}
};

void put_inversion_scenario(report &r, const inversion &i, class_id middle)
{
	put_two_cpus(r, "Possible interrupt unsafe locking scenario:");
	put_step(r, 2, "lock", i.unsafe);
	r.column(second_column) << (i.irq == hardirq_class ? "local_irq_disable();\n"
							   : "local_bh_disable();\n");
	put_step(r, second_column, "lock", i.safe);
	put_step(r, second_column, "lock", middle);
	r << "  <Interrupt>\n";
	put_step(r, 4, "lock", i.safe);
	r << deadlock;
}

// Where the order was seen.
frames trace_of(const order_pair &o)
{
	return traces.get(orders.edge_payload(o.tail(), o.head()));
}

// Where the lock was taken in an interrupt, or held with interrupts on.
void put_usage_trace(report &r, const inversion &i, bool in_irq)
{
	for (bool strong = true;; strong = false) {
		frames trace = in_irq ? trace_of({i.irq, i.safe, true, !strong})
				      : trace_of({i.unsafe, i.irq, strong, false});
		if (trace.count != 0 || !strong)
			return put_trace(r, trace, "  ");
	}
}

void irq_order(const attempt &a, const order_pair &o, const cycle_path &path)
{
	unsigned at = path.irq();
	inversion i{path.cls(at), path.cls(at + 1), path.cls(at - 1)};
	report r(RESV_REPORT_IRQ_ORDER, a.where,
		 i.irq == hardirq_class ? nullptr : "SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected");
	put_context(r.task(), a.stack.irq_state());
	r << "is trying to acquire:\n";
	put_lock(r, a);
	r << "\nand this task is already holding:\n";
	put_holding(r, a.stack, o.prev);
	put_class(put_class(r << "which would create a new lock dependency:\n ", o.prev) << " -> ", o.next);
	put_class(r << "\n\nbut this new dependency connects a " << i.name() << "-irq-safe lock:\n ", i.safe);
	r << "\n\n... which became " << i.name() << "-irq-safe at:\n";
	put_usage_trace(r, i, true);
	put_class(r << "\nto a " << i.name() << "-irq-unsafe lock:\n ", i.unsafe);
	r << "\n\n... which became " << i.name() << "-irq-unsafe at:\n";
	put_usage_trace(r, i, false);
	put_more(r, a.stack);
	put_inversion_scenario(r, i, o.next);
}

// The state of a lock has changed: it is taken in an interrupt, or held with interrupts on.
void irq_usage(const attempt &a, const order_pair &o, const cycle_path &path)
{
	bool in_irq = is_irq(o.prev);
	inversion i = in_irq ? inversion{o.prev, path.cls(0), path.cls(path.length - 2)}
			     : inversion{o.next, path.cls(1), path.cls(path.length - 1)};
	bool same = i.safe == i.unsafe;
	report r(same ? RESV_REPORT_IRQ_STATE : RESV_REPORT_IRQ_INVERSION, a.where);

	if (!same) {
		put_context(r.task(), a.stack.irq_state());
		r << "just changed the state of lock:\n";
		put_lock(r, a);
		put_class(r << (in_irq ? "but this lock took another, "
				       : "but this lock was taken by another, ")
			    << i.name()
			    << (in_irq ? "-unsafe lock in the past:\n " : "-safe lock in the past:\n "),
			  in_irq ? i.unsafe : i.safe);
		r << "\n\nand interrupts could create inverse lock ordering between them.\n\n";
		put_more(r, a.stack);
		put_inversion_scenario(r, i, i.unsafe);
		return put_chain(r, a, path);
	}
	const char *mode = a.read == lock_read::exclusive ? "-W}" : "-R}";
	auto put_state = [&](bool in, const char *how) {
		r << "{" << (in ? "IN-" : "") << i.name() << (in ? "" : "-ON") << how;
	};
	// The other state's mode: as a writer, if it ever was.
	uint32_t other_bit = in_irq ? on_exclusive : in_exclusive;
	const char *other = i.usage(i.safe) & other_bit ? "-W}" : "-R}";
	r << "inconsistent ";
	put_state(!in_irq, other);
	r << " -> ";
	put_state(in_irq, mode);
	r << " usage.\n";
	put_context(r.task(), a.stack.irq_state());
	r << "takes:\n";
	put_lock(r, a);
	put_state(!in_irq, other);
	r << " state was registered at:\n";
	put_usage_trace(r, i, !in_irq);
	put_more(r, a.stack);
	r << "\n Possible unsafe locking scenario:\n\n       CPU0\n       ----\n";
	put_step(r, 2, "lock", i.safe);
	r << "  <Interrupt>\n";
	put_step(r, 4, "lock", i.safe);
	r << deadlock;
}

} // namespace

void findings::cycle(const attempt &a, const order_pair &o)
{
	cycle_path path(o);
	bool by_usage = is_irq(o.prev) || is_irq(o.next);
	bool irq = path.irq() != path.length;
	resv_report_kind kind = by_usage ? RESV_REPORT_IRQ_INVERSION
				: irq    ? RESV_REPORT_IRQ_ORDER
					 : RESV_REPORT_CIRCULAR;
	// The graph remembers it; unless that is full.
	if (!(orders.refused() + orders.ordered() == 2 * RESV_LOCKDEP_EDGES
		      ? is_new(kind, uint64_t{o.tail()} << 16 | o.head(), 0)
		      : may_report()))
		return;
	if (by_usage)
		irq_usage(a, o, path);
	else if (irq)
		irq_order(a, o, path);
	else
		circular(a, o, path);
}

void findings::recursion(const attempt &a, const held &h)
{
	if (!is_new(RESV_REPORT_RECURSION, uint64_t{a.cls} << 16 | h.exclusive(),
		    a.read == lock_read::recursive))
		return;
	report r(RESV_REPORT_RECURSION, a.where);
	r.task() << " is trying to acquire lock:\n";
	put_lock(r, a);
	r << "\nbut task is already holding lock:\n";
	put_lock(r, h);
	r << "\nother info that might help us debug this:\n Possible unsafe locking scenario:\n\n"
	     "       CPU0\n       ----\n";
	put_step(r, 2, h.exclusive() ? "lock" : "rlock", h.kind.cls);
	put_step(r, 2, verb_of(a), a.cls);
	r << deadlock << " May be due to missing lock nesting notation\n\n";
	put_held(r, a.stack);
}

void findings::wait_context(const attempt &a, unsigned limit)
{
	if (!is_new(RESV_REPORT_WAIT_CONTEXT, a))
		return;
	report r(RESV_REPORT_WAIT_CONTEXT, a.where);
	r.task() << " is trying to lock:\n";
	put_lock(r, a);
	put_more(r, a.stack);
	r << "context-{" << static_cast<unsigned long>(limit) << ":" << static_cast<unsigned long>(limit)
	  << "}\n";
}

void findings::nest_not_held(const attempt &a, const lockdep_map *nest)
{
	if (!is_new(RESV_REPORT_NEST_NOT_HELD, a))
		return;
	report r(RESV_REPORT_NEST_NOT_HELD, a.where);
	r.task() << " is trying to lock:\n";
	put_lock(r, a);
	r << "\nbut this task is not holding:\n" << static_cast<const void *>(nest) << "\n";
	put_more(r, a.stack);
}

void findings::nest_released(const attempt &a, const held &h)
{
	if (!is_new(RESV_REPORT_NEST_NOT_HELD, a))
		return;
	report r(RESV_REPORT_NEST_NOT_HELD, a.where);
	r.task() << " is trying to release lock:\n";
	put_lock(r, a);
	r << "\nbut this lock, which nests in it, is still held:\n";
	put_lock(r, h);
	put_more(r, a.stack);
}

void findings::not_held(const attempt &a)
{
	if (!is_new(RESV_REPORT_UNLOCK_BALANCE, a))
		return;
	report r(RESV_REPORT_UNLOCK_BALANCE, a.where);
	put_name(r.task() << " is trying to release lock (", a.cls) << ") at:\n" << place{a.where} << "\n";
	r << (a.stack.empty() ? "but there are no more locks to release!\n"
			      : "but this task does not hold it!\n");
	put_more(r, a.stack);
}

void findings::assertion(const attempt &a)
{
	if (!is_new(RESV_REPORT_NOT_HELD, a))
		return;
	report r(RESV_REPORT_NOT_HELD, a.where);
	r.task() << " should hold:\n";
	put_lock(r, a);
	put_more(r, a.stack);
}

void findings::pinned(const attempt &a, const char *what)
{
	if (!is_new(RESV_REPORT_PIN, a))
		return;
	report r(RESV_REPORT_PIN, a.where);
	r.task() << " " << what << ":\n";
	put_lock(r, a);
	put_more(r, a.stack);
}

void findings::freed(const attempt &a, const held &h, const void *memory, size_t size)
{
	if (!is_new(RESV_REPORT_HELD_FREED, a))
		return;
	report r(RESV_REPORT_HELD_FREED, a.where);
	r.task() << " is freeing memory " << memory << "-"
		 << static_cast<const void *>(static_cast<const char *>(memory) + size - 1)
		 << ", with a lock still held there!\n";
	put_lock(r, h);
	put_more(r, a.stack);
}

void findings::blocking(const attempt &a)
{
	if (!is_new(RESV_REPORT_BLOCKING, a))
		return;
	report r(RESV_REPORT_BLOCKING, a.where);
	r.task() << " might wait for:\n";
	put_lock(r, a);
	r << "\nbut eviction, swapout and destruction only ever try to reserve.\n";
	put_more(r, a.stack);
}

void findings::no_section(const attempt &a)
{
	if (!is_new(RESV_REPORT_UNLOCK_BALANCE, a))
		return;
	report r(RESV_REPORT_UNLOCK_BALANCE, a.where);
	r.task() << " ends a section without blocking at:\n"
		 << place{a.where} << "\nbut it has begun none!\n";
	put_more(r, a.stack);
}

void findings::bad_key(const attempt &a, unsigned subclass)
{
	if (!is_new(RESV_REPORT_BAD_KEY, subclass, a.where))
		return;
	report r(RESV_REPORT_BAD_KEY, a.where);
	r.task() << " uses a lock that was not initialised, or subclass "
		 << static_cast<unsigned long>(subclass) << " of at most 7:\n"
		 << static_cast<const void *>(a.map) << ", at: " << place{a.where} << "\n";
}

void findings::list_held(held_stack &stack, void (*emit)(const char *line, void *data), void *data)
{
	line_writer out(emit, data);
	put_held(out, stack);
}

} // namespace resv::lockdep

#endif
