/*
 * SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The wound-wait, wait-die and adaptive protocol of ww_mutex, without its memory ordering: each step sees all steps before it.
 * Names are those of src/ww_mutex.cpp and src/wait_list.cpp.
 *
 *   CONTEXTS, MUTEXES         how many; each context takes all the mutexes, in any order, and drops them, in any order
 *   WOUND_WAIT, WAIT_DIE or ADAPTIVE    the algorithm; an adaptive class changes its mind before any look at a lock
 *   SPARE_ONE                 each context takes all mutexes but one, any one
 *   SIGNAL                    one signal comes, at any time, to any context that sleeps, or to none
 *   ONE_STEP                  all that is done under a spin bit is one step, for want of memory
 *   RENAME                    explores one of all runs that differ by names only, likewise
 *
 * What is one step: the hint; a compare-and-exchange; the look at the waiters after it; taking a spin bit; reading the
 * owner word under it, with what follows from it; reading it once more, and dropping the bit; an unlock's store to one
 * owner word; its look at the waiters of that lock; the exchange that consumes a token. Stores and looks of several
 * unlocks mix in any order, each store before its look: so one by one and all at once are both among them. A context
 * sleeps by waiting for its token; a park that returns for no reason changes nothing for whoever exchanges.
 *
 * Spin finds deadlocks and lost wake-ups by itself (invalid end states), and livelocks with -DNP (cycles without
 * progress); the rest is asserted. `check` says what is explored, and which option plants which bug.
 */
#define FREE   0 /* in owner[]; contexts are named by their _pid: 1, 2, ... */
#define NONE   MUTEXES
#define me     _pid
#define BIT(m) (1 << (m))
#define ALL    (BIT(MUTEXES) - 1)

typedef waiter {
	byte stamp;
	byte who
};

/* A mutex. */
byte owner[MUTEXES];
bit locked[MUTEXES]; /* the spin bit */
bit no_barging[MUTEXES];
chan line[MUTEXES] = [CONTEXTS] of { waiter };

/* A context. */
byte stamp[CONTEXTS + 1]; /* smaller is older; 0: none yet, or ended */
bit wounded[CONTEXTS + 1];
bit token[CONTEXTS + 1];
bit holds_any[CONTEXTS + 1];

#ifdef ADAPTIVE
bit hasty;
#endif

mtype = { taken, wait, again, dies, interrupted }; /* of one look at the lock */

byte last_stamp;
byte ended;
#ifdef SIGNAL
bit signal = 1; /* still to come */
#endif

/* Scratch, for use within one step. */
hidden waiter w;
hidden byte k;
hidden byte found;

/* Seniority that the assertion goes by: the first stamp, even if a planted bug renews stamps. */
#ifdef NEW_STAMP
byte first_stamp[CONTEXTS + 1];
#else
#define first_stamp stamp
#endif

inline ensure_stamp(c)
{
	if
	:: stamp[c] == 0 ->
		last_stamp++;
		stamp[c] = last_stamp;
		first_stamp[c] = (first_stamp[c] == 0 -> last_stamp : first_stamp[c])
	:: else
	fi
}

/*
 * RENAME: contexts differ by nothing but their names, nor do mutexes. So of all runs that differ by names only, one will
 * do: that in which context 1 gets the first stamp, 2 the second and so on, and in which context 1, which is never sent
 * back, begins with mutex 0. A step that would give a stamp out of this order is not taken. Where that is why nobody can
 * go on, somebody who has not ended has no stamp yet; whereas all who sleep have one.
 */
#ifdef RENAME
#define is_next(c, n)  (stamp[c] != 0 || c == last_stamp + n)
#define first_choice   (me == 1 && mine == 0)
#else
#define is_next(c, n)  true
#define first_choice   false
#endif
#define in_order(m) \
	(owner[m] == FREE -> !anybody_waits(m) || is_next(me, 1) \
			  : is_next(owner[m], 1) && is_next(me, (stamp[owner[m]] == 0 -> 2 : 1)))

inline assert_not_oldest()
{
	found = false;
	for (k : 1 .. CONTEXTS) {
		found = found || (first_stamp[k] != 0 && first_stamp[k] < first_stamp[me])
	}
#ifndef SIGNAL /* who made me give way may have been interrupted since */
	assert(found)
#endif
}

/* ---- The wait list, under its spin bit ------------------------------------------------------------------------- */

#define anybody_waits(m) (len(line[m]) != 0)
#define am_first(m)      (line[m]?[eval(stamp[me]), eval(me)])

inline insert(m)
{
#ifdef UNSORTED
	line[m]!stamp[me], me
#else
	line[m]!!stamp[me], me /* sorted by stamp */
#endif
}

inline remove(m)
{
	line[m]??eval(stamp[me]), eval(me)
}

inline tell_first(m)
{
	if
	:: anybody_waits(m) -> line[m]?<w>; token[w.who] = 1
	:: else
	fi
}

/* w waits, and I have taken its lock or queue up for it. True: that is all, the waiters behind w need not know. */
inline meet(done)
{
#ifdef WAIT_DIE
	if
	:: stamp[me] < w.stamp && holds_any[w.who] -> token[w.who] = 1; done = true /* it looks again */
	:: else
	fi
#elif defined(ADAPTIVE)
	if
	:: stamp[me] < w.stamp && holds_any[w.who] && (wounded[w.who] || hasty) -> token[w.who] = 1; done = true
	:: stamp[me] > w.stamp && holds_any[w.who] && owner[m] == me -> wounded[me] = 1
	:: else
	fi
#else
	if
	:: stamp[me] < w.stamp -> done = true
	:: stamp[me] > w.stamp && holds_any[w.who] -> wounded[me] = 1; done = true
	:: else
	fi
#endif
}

inline meet_all(m)
{
	found = false;
	k = len(line[m]);
	do
	:: k == 0 -> break
	:: else ->
		line[m]?w;
		line[m]!w; /* once around: the order stays */
		k--;
		if
		:: !found -> meet(found)
		:: else
		fi
	od
}

/* I have just taken the lock. */
inline judge(m)
{
	if
	:: anybody_waits(m) ->
		ensure_stamp(me);
#ifdef JUDGE_HEAD
		line[m]?<w>;
		meet(found)
#else
		meet_all(m)
#endif
	:: else
	fi
}

/* ---- The contended path, under the spin bit ------------------------------------------------------------------------ */

#define may_take(m) (owner[m] == FREE && (!anybody_waits(m) || am_first(m) || (!queued && !no_barging[m])))

inline own(m)
{
	owner[m] = me;
	mine = mine | BIT(m);
	holds_any[me] = 1
}

inline take(m)
{
	own(m);
	if
	:: queued -> remove(m); queued = false; no_barging[m] = 0
	:: else
	fi;
	judge(m);
	outcome = taken
}

/* The lock is not to be had: must I give way, or the holder? */
inline contend(m)
{
	if
	:: owner[m] != FREE -> ensure_stamp(owner[m])
	:: else
	fi;
	ensure_stamp(me);
	outcome = wait;
	if
	:: mine == 0 /* who holds nothing waits for anybody */
	:: else ->
#ifdef WAIT_DIE
		if
		:: anybody_waits(m) -> line[m]?<w>; found = w.stamp < stamp[me]
		:: else -> found = false
		fi;
		if
		:: found || (owner[m] != FREE && stamp[owner[m]] < stamp[me]) -> outcome = dies
		:: else
		fi
#elif defined(ADAPTIVE)
		if
		:: anybody_waits(m) -> line[m]?<w>; found = w.stamp < stamp[me]
		:: else -> found = false
		fi;
		found = found || (owner[m] != FREE && stamp[owner[m]] < stamp[me]);
		if
#ifdef UNDAUNTED
		:: found && hasty -> outcome = dies
		:: !(found && hasty) &&
#else
		:: found && (wounded[me] || hasty) -> outcome = dies
		:: !(found && (wounded[me] || hasty)) &&
#endif
		   owner[m] != FREE && !wounded[owner[m]] && stamp[me] < stamp[owner[m]] ->
			wounded[owner[m]] = 1;
			token[owner[m]] = 1
		:: else
		fi
#else
		if
		:: wounded[me] -> outcome = dies
		:: !wounded[me] && owner[m] != FREE && !wounded[owner[m]] && stamp[me] < stamp[owner[m]] ->
			wounded[owner[m]] = 1;
			token[owner[m]] = 1
		:: else
		fi
#endif
	fi
}

inline queue_up(m)
{
	if
	:: queued
	:: else ->
		insert(m);
		queued = true;
#ifndef WOUND_WAIT
		meet_all(m)
#endif
	fi;
	if
	:: owner[m] == FREE && am_first(m) -> outcome = again
	:: else
	fi
}

inline leave(m)
{
	if
	:: queued -> remove(m); queued = false
	:: else
	fi;
#ifndef NO_PASS_ON
	if
	:: owner[m] == FREE -> tell_first(m)
	:: else
	fi
#endif
}

inline announce(m)
{
	d_step { !locked[m] -> locked[m] = 1 }
}

inline drop(m)
{
	no_barging[m] = no_barging[m] && anybody_waits(m);
	locked[m] = 0
}

/* ---- A context takes all its locks, drops them, and ends ---------------------------------------------------------- */

inline any_of(set)
{
	m = 0;
	do
	:: (set) & BIT(m) -> break
	:: ((set) >> m) > 1 && !first_choice -> m++
	od
}

proctype context(byte set)
{
	byte m;           /* the lock in question */
	byte owed = NONE; /* the one that the last -EDEADLK was about */
	byte mine;        /* the locks that I hold; while I drop them, those that I have yet to look at */
	byte left;        /* while I drop them: those whose owner word I have yet to clear */
	bool queued, tried;
	mtype outcome;

next:
	atomic {
		tried = false;
		outcome = 0;
#ifdef NO_SLOW_LOCK
		owed = NONE;
#endif
		if
		:: mine == set -> m = 0; goto commit
		:: owed != NONE -> m = owed; owed = NONE
		:: mine != set && owed == NONE ->
			any_of(set & ~mine)
		fi
	}

	/* The fast path. */
	if
	:: owner[m] != FREE || locked[m] || anybody_waits(m) -> goto look
	:: else
	fi;
	if
	:: d_step { owner[m] == FREE -> own(m) }
	:: else -> goto look
	fi;
#ifndef NO_REREAD
	d_step { !locked[m] && (!anybody_waits(m) || is_next(me, 1)) -> judge(m) };
#endif
	goto next;

look:
	do
	:: outcome != interrupted ->
#ifdef ADAPTIVE
	   if
	   :: hasty = 1 - hasty
	   :: true
	   fi;
#endif
#ifdef ONE_STEP
	   d_step {
		!locked[m] && in_order(m) ->
#else
#ifndef WOUND_FIRST
	   announce(m);
#endif
	   d_step {
		in_order(m) ->
#endif
		if
		:: may_take(m) -> take(m)
		:: else ->
			if
			:: tried && am_first(m) -> no_barging[m] = 1
			:: else
			fi;
			contend(m);
			if
			:: outcome == dies -> assert(mine != 0); assert_not_oldest()
			:: else
			fi
		fi;
#if !defined(ONE_STEP) || defined(WOUND_FIRST)
	   };
	   d_step {
#endif
		if
		:: outcome == wait -> queue_up(m)
		:: outcome == dies -> leave(m)
		:: else
		fi;
		drop(m)
	   }
	   if
	   :: outcome == taken -> goto next
	   :: outcome == dies ->
		d_step {
#ifdef NEW_STAMP
			stamp[me] = 0;
#endif
			owed = m;
			left = mine;
			m = 0; /* forget what does not matter any more, here and elsewhere: fewer states */
			outcome = 0;
			tried = false
		}
		goto release
	   :: outcome == again
	   :: outcome == wait ->
#ifdef TOKEN_LOST
		if /* awake for no reason: loads the token, and then stores that there is none */
		:: token[me] == 0 -> token[me] = 0
		:: true
		fi;
#endif
		if
		:: d_step { token[me] == 1 -> token[me] = 0; tried = true }
#ifdef SIGNAL
		:: d_step { signal == 1 -> signal = 0; token[me] = 0; outcome = interrupted }
#endif
		fi
	   fi
#ifdef SIGNAL
	:: d_step {
		outcome == interrupted && !locked[m] ->
		leave(m);
		drop(m);
		set = mine;
		left = mine
	   }
	   goto release
#endif
	od;

commit:
progress:
	left = mine;

release:
	do
	:: atomic {
		left != 0 ->
		any_of(left);
		assert(owner[m] == me); /* nobody has had it beside me */
		owner[m] = FREE;
		left = left & ~BIT(m);
		m = 0
	}
	:: atomic {
		(mine & ~left) != 0 ->
		any_of(mine & ~left);
		d_step {
			!locked[m] ->
			if
			:: owner[m] == FREE -> tell_first(m)
			:: else
			fi;
			mine = mine & ~BIT(m);
			holds_any[me] = (mine != 0);
			wounded[me] = wounded[me] && mine != 0; /* heal */
			m = 0
		}
	}
	:: mine == 0 && owed != NONE -> goto next
	:: d_step {
		mine == 0 && owed == NONE ->
		ended++;
		stamp[me] = 0;
		first_stamp[me] = 0;
		token[me] = 0
	} -> break
	od
}

init {
	byte c;
	byte spared = MUTEXES - 1;
	byte asleep;

	atomic {
		for (c : 1 .. CONTEXTS) {
#ifdef SPARE_ONE
			do /* the mutexes have no names, nor have the contexts: in one order is in any */
			:: c > 1 && spared > 0 -> spared--
			:: break
			od;
			run context(ALL & ~BIT(spared))
#else
			run context(ALL)
#endif
		}
	}

#ifdef SIGNAL
	signal = 0; /* it may be that nobody waits when it comes */
#endif
	if
	:: _nr_pr == 1
#ifdef RENAME
	:: timeout -> /* nobody can go on: not only because all who are left sleep? */
		d_step {
			for (c : 1 .. CONTEXTS) {
				asleep = asleep + (stamp[c] != 0)
			}
			assert(ended + asleep < CONTEXTS)
		}
		goto done
#endif
	fi;
	d_step {
		for (c : 0 .. MUTEXES - 1) {
			assert(owner[c] == FREE && !anybody_waits(c) && !no_barging[c])
		}
	}
#ifdef RENAME
done:	skip
#endif
}
