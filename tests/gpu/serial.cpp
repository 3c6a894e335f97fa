// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "serial.hpp"

namespace gpu {

namespace {

// Who made and who saw one version of a buffer.
struct version_record {
	uint32_t writer = 0;       // the job's place in all logs laid end to end, plus 1; 0: none
	uint32_t readers_left = 0; // jobs that only read it and have not been replayed yet
};

struct buffer_state {
	size_t first = 0;    // of its version_records; version v is at first + v
	uint32_t writes = 0; // on record
	// Of the replay:
	uint32_t version = 0;
	uint64_t digest = 0;
};

// How far one actor's log has been replayed.
struct cursor {
	size_t start = 0;    // of its log, among all logs laid end to end
	size_t position = 0; // of the next job
	unsigned ready = 0;  // so many of that job's accesses could be replayed now
	uint32_t done = 0;   // jobs
};

class checker {
public:
	checker(const job_log *const *logs, unsigned actors, const page_store::snapshot *left,
		unsigned buffers)
		: logs_(logs), actors_(actors), left_(left), buffer_count_(buffers)
	{}

	verdict check()
	{
		if (index_writes() && index_reads() && replay())
			compare_contents();
		return verdict_;
	}

private:
	// All return false once the verdict is found.
	bool index_writes();
	bool index_reads();
	bool replay();
	bool compare_contents();

	bool ready(unsigned actor);
	void run(unsigned actor);
	void explain_stuck();
	uint32_t blocker(unsigned actor, uint32_t &over) const;
	uint32_t find_reader(uint32_t buffer, uint32_t version) const;
	unsigned actor_at(uint32_t place) const;
	job_id job_at(uint32_t place) const;

	uint32_t place_of(unsigned actor, size_t position) const
	{
		return static_cast<uint32_t>(cursors_[actor].start + position + 1);
	}

	bool fail(violation what, const access &at, uint32_t version, job_id first, job_id second)
	{
		verdict_.what = what;
		verdict_.buffer = at.buffer();
		verdict_.version = version;
		verdict_.jobs[0] = first;
		verdict_.jobs[1] = second;
		verdict_.job_count = second.number ? 2 : 1;
		return false;
	}

	bool fail(violation what)
	{
		verdict_.what = what;
		return false;
	}

	// Calls visit(actor, position, access) for each access on record, until that returns false.
	template <typename Visit>
	bool for_each_access(Visit &&visit) const
	{
		for (unsigned actor = 0; actor < actors_; actor++) {
			const job_log &log = *logs_[actor];
			for (size_t at = 0; at < log.used(); at += log.count_at(at) + 1)
				for (unsigned i = 0; i < log.count_at(at); i++)
					if (!visit(actor, at, log.at(at, i)))
						return false;
		}
		return true;
	}

	const job_log *const *logs_;
	unsigned actors_;
	const page_store::snapshot *left_; // of each buffer
	unsigned buffer_count_;
	array<cursor> cursors_;
	array<buffer_state> buffers_;
	array<version_record> versions_;
	verdict verdict_;
};

// Gives each version its writer. Two writers of one version are a lost update.
bool checker::index_writes()
{
	if (!cursors_.create(actors_) || !buffers_.create(buffer_count_))
		return fail(violation::no_memory);
	size_t start = 0;
	for (unsigned actor = 0; actor < actors_; actor++) {
		cursors_[actor].start = start;
		start += logs_[actor]->used();
		verdict_.jobs_checked += logs_[actor]->jobs();
	}
	for_each_access([&](unsigned, size_t, access a) {
		buffers_[a.buffer()].writes += a.write();
		verdict_.accesses_checked++;
		return true;
	});
	size_t total = 0;
	for (buffer_state &b : buffers_) {
		b.first = total;
		total += b.writes + size_t{1};
	}
	if (!versions_.create(total))
		return fail(violation::no_memory);

	// Versions beyond the writes on record are index_reads()'s; a lost update explains more, so it is looked for
	// first.
	return for_each_access([&](unsigned actor, size_t at, access a) {
		const buffer_state &b = buffers_[a.buffer()];
		uint32_t made = a.version() + 1;
		if (!a.write() || a.version() >= b.writes)
			return true;
		version_record &v = versions_[b.first + made];
		uint32_t self = place_of(actor, at);
		if (v.writer)
			return fail(violation::lost_update, a, made, job_at(v.writer), job_at(self));
		v.writer = self;
		return true;
	});
}

// Counts each version's readers. All contents must have been whole, and all versions within the writes on record: since
// none was written twice, each has then been written once.
bool checker::index_reads()
{
	return for_each_access([&](unsigned actor, size_t at, access a) {
		const buffer_state &b = buffers_[a.buffer()];
		bool known = a.version() <= b.writes;
		if (a.torn()) {
			uint32_t writer = known ? versions_[b.first + a.version()].writer : 0;
			return fail(violation::torn_read, a, a.version(), job_at(place_of(actor, at)),
				    writer ? job_at(writer) : job_id{});
		}
		if (uint64_t{a.version()} + a.write() > b.writes)
			return fail(violation::unwritten_version, a, a.version() + a.write(),
				    job_at(place_of(actor, at)), {});
		versions_[b.first + a.version()].readers_left += !a.write();
		return true;
	});
}

// May the actor's next job run now? Each access that may stays so until that job runs: a later version cannot be
// written before it. So the answer goes on from where it was no.
bool checker::ready(unsigned actor)
{
	cursor &c = cursors_[actor];
	const job_log &log = *logs_[actor];
	for (; c.ready < log.count_at(c.position); c.ready++) {
		access a = log.at(c.position, c.ready);
		const buffer_state &b = buffers_[a.buffer()];
		if (b.version != a.version() ||
		    (a.write() && versions_[b.first + b.version].readers_left != 0))
			return false;
	}
	return true;
}

// Runs it, on the replay's contents.
void checker::run(unsigned actor)
{
	cursor &c = cursors_[actor];
	const job_log &log = *logs_[actor];
	unsigned count = log.count_at(c.position);
	uint64_t state = job_function::begin({actor, c.done + 1});
	for (unsigned i = 0; i < count; i++)
		state = job_function::read(state, buffers_[log.at(c.position, i).buffer()].digest);
	for (unsigned i = 0; i < count; i++) {
		access a = log.at(c.position, i);
		buffer_state &b = buffers_[a.buffer()];
		if (a.write()) {
			b.version++;
			b.digest = job_function::write(state, a.buffer(), b.version);
		} else {
			versions_[b.first + b.version].readers_left--;
		}
	}
	c.position += count + size_t{1};
	c.ready = 0;
	c.done++;
}

bool checker::replay()
{
	for (uint32_t i = 0; i < buffers_.size(); i++)
		buffers_[i].digest = job_function::initial(i);
	for (uint64_t left = verdict_.jobs_checked; left != 0;) {
		uint64_t before = left;
		for (unsigned actor = 0; actor < actors_; actor++) {
			while (cursors_[actor].position < logs_[actor]->used() && ready(actor)) {
				run(actor);
				left--;
			}
		}
		if (left == before) {
			explain_stuck();
			return fail(violation::cycle);
		}
	}
	return true;
}

// Every actor that is left waits for a job of another one. Follow that from any of them until one comes up again.
void checker::explain_stuck()
{
	unsigned actor = 0;
	while (cursors_[actor].position >= logs_[actor]->used())
		actor++;
	uint32_t over;
	for (unsigned i = 0; i < actors_; i++) // now it is on the cycle, wherever it began
		actor = actor_at(blocker(actor, over));
	unsigned first = actor;
	do {
		uint32_t place = blocker(actor, over);
		unsigned n = verdict_.job_count;
		// Found backwards: the blocker comes before what was found so far.
		if (n < verdict::max_jobs) {
			verdict_.jobs[verdict::max_jobs - 1 - n] = job_at(place);
			verdict_.over[verdict::max_jobs - 1 - n] = over;
			verdict_.job_count++;
		}
		actor = actor_at(place);
	} while (actor != first);
	for (unsigned i = 0, skip = verdict::max_jobs - verdict_.job_count; i < verdict_.job_count; i++) {
		verdict_.jobs[i] = verdict_.jobs[i + skip];
		verdict_.over[i] = verdict_.over[i + skip];
	}
	verdict_.buffer = verdict_.over[0];
}

// A job that must run before the actor's next one, and the buffer because of which it must.
uint32_t checker::blocker(unsigned actor, uint32_t &over) const
{
	const cursor &c = cursors_[actor];
	access a = logs_[actor]->at(c.position, c.ready);
	const buffer_state &b = buffers_[a.buffer()];
	over = a.buffer();
	if (b.version != a.version())
		return versions_[b.first + a.version()].writer;
	return find_reader(a.buffer(), a.version());
}

// One that has not been replayed yet.
uint32_t checker::find_reader(uint32_t buffer, uint32_t version) const
{
	uint32_t found = 0;
	for_each_access([&](unsigned actor, size_t at, access a) {
		if (at >= cursors_[actor].position && a.buffer() == buffer && a.version() == version &&
		    !a.write())
			found = place_of(actor, at);
		return found == 0;
	});
	return found;
}

unsigned checker::actor_at(uint32_t place) const
{
	unsigned actor = actors_ - 1;
	while (cursors_[actor].start > place - 1 || logs_[actor]->used() == 0)
		actor--;
	return actor;
}

// Counts, so it is for reports.
job_id checker::job_at(uint32_t place) const
{
	unsigned actor = actor_at(place);
	uint32_t number = 1;
	for (size_t at = 0; cursors_[actor].start + at < place - 1; at += logs_[actor]->count_at(at) + 1)
		number++;
	return {actor, number};
}

bool checker::compare_contents()
{
	for (uint32_t i = 0; i < buffers_.size(); i++) {
		const buffer_state &b = buffers_[i];
		const page_store::snapshot &left = left_[i];
		if (left.intact && left.version == b.version && left.digest == b.digest)
			continue;
		uint32_t writer = versions_[b.first + b.version].writer;
		return fail(violation::wrong_contents, access(i, left.version, false, false), left.version,
			    writer ? job_at(writer) : job_id{}, {});
	}
	return true;
}

} // namespace

verdict check_serial(const job_log *const *logs, unsigned actors, const page_store &pages)
{
	array<page_store::snapshot> left;
	if (!left.create_zeroed(pages.size()))
		return {.what = violation::no_memory};
	for (uint32_t i = 0; i < pages.size(); i++)
		left[i] = pages.read(i);
	return check_serial(logs, actors, left.begin(), pages.size());
}

verdict check_serial(const job_log *const *logs, unsigned actors, const page_store::snapshot *left,
		     unsigned buffers)
{
	return checker(logs, actors, left, buffers).check();
}

} // namespace gpu
