// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the annotator knows, for those who ask: counters, the graph as a picture, what a task holds. And how to make it
// forget.
#include <resv/config.h>

#if RESV_PROVE_LOCKING

#include "forward.hpp"

using namespace resv;
using namespace resv::lockdep;

namespace resv::lockdep {

namespace {

// Under the annotator's lock, too: the orders that are to be drawn red, as far as there is room for them.
constexpr unsigned max_red = 256;
constinit uint32_t red[max_red]{};
constinit unsigned red_count = 0;

class dot_writer {
public:
	dot_writer(void (*emit)(const char *line, void *data), void *data) : emit_(emit), data_(data) {}

	void write()
	{
		emit_("digraph locks {", data_);
		emit_("\tnode [shape=box, style=rounded, fontname=\"monospace\"];", data_);
		emit_("\tedge [fontname=\"monospace\", fontsize=10];", data_);
		for (class_id cls = 1; cls < classes.end(); cls++)
			if (is_irq(cls) ? is_used(cls) : classes[cls].key.load(order::relaxed) != 0)
				write_class(cls);
		find_red();
		for (unsigned i = 0; i < orders.edges(); i++)
			write_edge(orders.at(i));
		emit_("}", data_);
	}

private:
	static class_id class_of(node n) { return static_cast<class_id>(n >> 1); }

	// Every lock is held with interrupts on, sooner or later: that is of interest only where they take locks.
	static bool is_used(class_id irq)
	{
		for (unsigned i = 0; i < orders.edges(); i++)
			if (orders.at(i).kind != edge_kind::unused && class_of(orders.at(i).from) == irq)
				return true;
		return false;
	}

	void write_class(class_id cls)
	{
		const lock_class &c = classes[cls];
		start();
		put("\tc").put(cls).put(" [label=\"");
		put(cls == hardirq_class   ? "<hard interrupt>"
		    : cls == softirq_class ? "<soft interrupt>"
					   : c.name,
		    true);
		if (c.version != 0)
			put("#").put(c.version + 1u);
		if (c.subclass != 0)
			put("/").put(c.subclass);
		put("\"").put(is_irq(cls) ? ", style=\"rounded,dashed\"" : "").put("];");
		flush();
	}

	// Of the two edges of an order one is enough. Dashed: `from` is held shared. A refused order, and the way back from
	// its end to its beginning, are red.
	void write_edge(const edge &e)
	{
		if (e.kind == edge_kind::unused)
			return;
		class_id from = class_of(e.from);
		if (is_irq(class_of(e.to)) && !is_used(class_of(e.to)))
			return;
		bool shared = (e.from & 1) == 0;
		if (shared && !is_irq(from) && orders.seen(static_cast<node>(e.from | 1), e.to))
			return;
		start();
		put("\tc").put(from).put(" -> c").put(class_of(e.to));
		if (e.kind == edge_kind::refused)
			put(" [color=red, penwidth=2, label=\"refused\"]");
		else if (is_red(e))
			put(" [color=red]");
		else if (shared && !is_irq(from))
			put(" [style=dashed]");
		put(";");
		flush();
	}

	static uint32_t pair_of(node from, node to) { return uint32_t{class_of(from)} << 16 | class_of(to); }

	// Finds the orders on a shortest way from a refused one's end to its beginning.
	static void find_red()
	{
		red_count = 0;
		for (unsigned i = 0; i < orders.edges(); i++) {
			const edge &refused = orders.at(i);
			if (refused.kind != edge_kind::refused)
				continue;
			node way[64];
			unsigned n = orders.path(refused.to, refused.from, way, 64);
			if (n == 0) // an exclusive holder's order begins at both nodes of its class
				n = orders.path(refused.to, static_cast<node>(refused.from & ~1), way, 64);
			for (unsigned at = 1; at < n && at < 64 && red_count < max_red; at++)
				red[red_count++] = pair_of(way[at - 1], way[at]);
		}
	}
	static bool is_red(const edge &e)
	{
		for (unsigned i = 0; i < red_count; i++)
			if (red[i] == pair_of(e.from, e.to))
				return true;
		return false;
	}

	void start() { length_ = 0; }
	dot_writer &put(const char *s, bool quoted = false)
	{
		for (; *s; s++) {
			if (quoted && (*s == '"' || *s == '\\'))
				put_char('\\');
			put_char(*s);
		}
		return *this;
	}
	dot_writer &put(unsigned n)
	{
		if (n >= 10)
			put(n / 10);
		put_char(static_cast<char>('0' + n % 10));
		return *this;
	}
	void put_char(char c)
	{
		if (length_ + 1 < sizeof(line_))
			line_[length_++] = c;
	}
	void flush()
	{
		line_[length_] = '\0';
		emit_(line_, data_);
	}

	void (*emit_)(const char *line, void *data);
	void *data_;
	char line_[256];
	unsigned length_ = 0;
};

} // namespace

} // namespace resv::lockdep

extern "C" {

void resv_lockdep_dump_dot(void (*emit)(const char *line, void *data), void *data)
{
	if (held_stack *stack = current_stack()) {
		working now(*stack);
		dot_writer(emit, data).write();
	}
}

void resv_lockdep_dump_held(void (*emit)(const char *line, void *data), void *data)
{
	if (held_stack *stack = current_stack())
		findings::list_held(*stack, emit, data);
}

void resv_lockdep_reset()
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	working now(*stack);
	classes.reset();
	orders.reset();
	traces.reset();
	__builtin_memset(the.found, 0, sizeof(the.found));
	the.found_count = the.dependencies = the.refused = the.reports = 0;
	the.lost_reports = the.lost_edges = 0;
	the.lost_classes.store(0, order::relaxed);
	the.lost_held.store(0, order::relaxed);
	the.lost_tasks.store(0, order::relaxed);
	the.limits_told.store(0, order::relaxed);
	forward::clear(*stack);
	stack->clear();
	stack->lost = stack->no_blocking = 0;
}

void resv_lockdep_stats(struct resv_lockdep_stats *stats)
{
	struct resv_lockdep_stats &s = *stats;
	held_stack *stack = current_stack();
	s = {};
	if (!stack)
		return;
	working now(*stack);
	s.classes = classes.count();
	s.classes_max = class_table::capacity - first_class;
	s.dependencies = the.dependencies;
	s.refused = the.refused;
	s.edges = orders.ordered() + orders.refused();
	s.edges_max = 2 * RESV_LOCKDEP_EDGES;
	s.trace_words = traces.used();
	s.trace_words_max = trace_store::capacity;
	s.reports = the.reports;
	s.lost_classes = the.lost_classes.load(order::relaxed);
	s.lost_edges = the.lost_edges;
	s.lost_traces = traces.lost();
	s.lost_held = the.lost_held.load(order::relaxed);
	s.lost_tasks = the.lost_tasks.load(order::relaxed);
	s.lost_reports = the.lost_reports;
}

bool resv_lockdep_class_stats(unsigned index, struct resv_lockdep_class_stats *stats)
{
	struct resv_lockdep_class_stats &s = *stats;
	held_stack *stack = current_stack();
	if (!stack)
		return false;
	working now(*stack);
	for (class_id cls = first_class; cls < classes.end(); cls++) {
		const lock_class &c = classes[cls];
		if (!c.key.load(order::relaxed) || index-- != 0)
			continue;
		s = {};
		s.name = c.name;
		c.times.read(s);
		return true;
	}
	return false;
}

} // extern "C"

#endif
