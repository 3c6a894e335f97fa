# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# For gdb: who holds what, and who waits for whom, in a host program that runs, hangs, or left a core file.
#
#     gdb -x resv-gdb.py program core
#     (gdb) resv-locks                all threads: contexts on their stacks, what these hold, who waits for it
#     (gdb) resv-locks EXPRESSION...  locks: a ww_mutex or reservation object of C or C++, an array of them, a pointer
#     (gdb) resv-graph                the order of all locks in the DOT language, from a program with PROVE_LOCKING
#
# It reads memory and calls nothing. The program needs debug information (-g), and may be optimised.

import gdb

NO_CONTEXT = 1  # in ww_mutex::owner_
SPIN, NO_BARGING, FIRST_SPINS = 1, 2, 4  # in ww_mutex::waiters_

LOCKS = {"resv::ww_mutex", "resv_ww_mutex", "resv::reservation_object", "resv_object"}
CONTEXTS = {"resv::ww_acquire_ctx", "resv_ww_acquire_ctx", "resv::transaction", "resv_exec"}


def value_of(atomic):
    return int(atomic["value_"])


def at(address, type_name):
    """What lies there, as one of the library's types. Each lock, context or object begins with the one below it."""
    return gdb.Value(address).cast(gdb.lookup_type(type_name).pointer()).dereference()


def named(address):
    """An address, and the variable that it lies in, if it is one."""
    text = gdb.execute("info symbol %#x" % address, to_string=True)
    return "%#x" % address if text.startswith("No symbol") else "%#x %s" % (address, text.split(" in section")[0])


def thread_name(thread):
    """A core file does not have the name."""
    return "thread %d%s (LWP %d)" % (thread.num, ' "%s"' % thread.name if thread.name else "", thread.ptid[1])


class Threads:
    """The program's threads, by what the library calls a task: the address of the host port's record."""

    def __init__(self):
        self.by_task = {}
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            task = self.variable("'(anonymous namespace)::self_record'")
            if task is not None and int(task) != 0:
                self.by_task[int(task)] = thread

    @staticmethod
    def variable(name):
        try:
            return gdb.parse_and_eval(name)
        except gdb.error:
            return None

    def name(self, task):
        thread = self.by_task.get(task)
        if thread is None:
            return "task %#x, which has ended" % task
        return thread_name(thread)


class Context:
    def __init__(self, address, threads):
        self.address = address
        self.threads = threads
        self.it = at(address, "resv::ww_acquire_ctx")

    def task(self):
        return int(self.it["parker_"]["task_"])

    def held(self):
        """The locks that it holds, in the order of taking."""
        lock, last = int(self.it["held_first_"]), int(self.it["held_last_"])
        while lock != 0:
            yield lock
            lock = 0 if lock == last else int(at(lock, "resv::ww_mutex")["held_next_"])

    def __str__(self):
        stamp = value_of(self.it["stamp_"])
        return "context %#x, %s%s" % (
            self.address,
            "stamp %d" % stamp if stamp else "no stamp yet",
            ", wounded" if value_of(self.it["wounded_"]) else "",
        )


def waiters_of(word, threads):
    """Who is in a lock's line, first to last."""
    first = word & ~(SPIN | NO_BARGING | FIRST_SPINS)
    waiter = first
    while waiter != 0:
        it = at(waiter, "resv::waiter")
        context = int(it["ctx"])
        task = int(it["mailbox"]["task_"])
        yield "%s %s, %s" % (
            "waits for its unlock:" if it["observer"] else "spins:" if it["spinning"] else "waits:",
            threads.name(task),
            Context(context, threads) if context else "without a context",
        )
        waiter = int(it["next"])
        if waiter == first:
            break


def show_lock(address, threads, holder=True):
    lock = at(address, "resv::ww_mutex")
    owner, waiters = value_of(lock["owner_"]), value_of(lock["waiters_"])
    print("lock %s" % named(address) + ("" if owner else ": free"))
    if owner and holder:
        if owner & NO_CONTEXT:
            print("  held: %s, without a context" % threads.name(owner & ~NO_CONTEXT))
        else:
            context = Context(owner, threads)
            print("  held: %s, %s" % (threads.name(context.task()), context))
    for line in waiters_of(waiters, threads):
        print("  " + line)


def locks_in(value):
    """The addresses of the locks that an expression stands for."""
    kind = value.type.strip_typedefs()
    if kind.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF):
        yield from locks_in(value.dereference() if kind.code == gdb.TYPE_CODE_PTR else value.referenced_value())
    elif kind.code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        for i in range(first, last + 1):
            yield from locks_in(value[i])
    elif kind.name in LOCKS:
        yield int(value.address)
    else:
        raise gdb.GdbError("%s is no ww_mutex and no reservation object" % kind)


def contexts_on(frame):
    """The contexts and transactions that are variables of the selected thread's functions."""
    while frame is not None:
        try:
            block = frame.block()
        except RuntimeError:  # no debug information
            block = None
        while block is not None and not block.is_global and not block.is_static:
            for symbol in block:
                if symbol.is_variable and symbol.type.strip_typedefs().name in CONTEXTS:
                    value = symbol.value(frame)
                    if not value.is_optimized_out and value.address is not None:
                        yield int(value.address), frame
            block = None if block.function else block.superblock
        frame = frame.older()


def annotated_on():
    """What the selected thread holds by the annotator's account: name, address, place."""
    contexts = Threads.variable("resv_port_host_contexts_of_thread")
    if contexts is None:
        return
    try:
        stack_type = gdb.lookup_type("resv::lockdep::held_stack").pointer()
    except gdb.error:
        return
    for level in range(3):
        stack = contexts["held"][level].address.cast(stack_type).dereference()
        end = stack["ends_"].address
        held = stack["ends_"]["above"]
        while held != 0 and held != end:
            count = int(held["count"])
            name = held["map"]["name_"]["value_"]
            print(
                "  holds (%s)%s at %#x, taken at %s"
                % (
                    name.string() if int(name) else "?",
                    " and %d more" % (count - 1) if count > 1 else "",
                    int(held["map"]),
                    named(int(held["where"])),
                )
            )
            held = held["above"]


class Locks(gdb.Command):
    """resv-locks [EXPRESSION...]: who holds what, and who waits for it."""

    def __init__(self):
        super().__init__("resv-locks", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        selected = gdb.selected_thread()
        if selected is None:
            raise gdb.GdbError("no program and no core file")
        addresses = [a for e in gdb.string_to_argv(argument) for a in locks_in(gdb.parse_and_eval(e))]
        try:
            threads = Threads()
            if argument:
                for address in addresses:
                    show_lock(address, threads)
            else:
                self.show_threads(threads)
        finally:
            selected.switch()

    @staticmethod
    def show_threads(threads):
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            print(thread_name(thread))
            seen = set()
            for address, frame in contexts_on(gdb.newest_frame()):
                if address in seen:
                    continue
                seen.add(address)
                context = Context(address, threads)
                print("  %s, in %s" % (context, frame.name()))
                for lock in context.held():
                    show_lock(lock, threads, holder=False)
            annotated_on()


class Graph(gdb.Command):
    """resv-graph: the order of all locks that the program has taken, in the DOT language."""

    def __init__(self):
        super().__init__("resv-graph", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        orders = Threads.variable("resv::lockdep::orders")
        classes = Threads.variable("resv::lockdep::classes")
        if orders is None or classes is None:
            raise gdb.GdbError("the program has no annotator: link -lresv-prove")
        names, used = {}, set()
        edges = []
        for i in range(int(orders["used_edges_"])):
            edge = orders["edges_"][i]
            kind = int(edge["kind"])
            if kind:
                edges.append((int(edge["from"]) >> 1, int(edge["to"]) >> 1, kind == 2))
        for source, target, _ in edges:
            used.update((source, target))
        for number in sorted(used):
            it = classes["classes_"][number]
            name = it["name"].string() if int(it["name"]) else "<interrupt>"
            if int(it["version"]):
                name += "#%d" % (int(it["version"]) + 1)
            if int(it["subclass"]):
                name += "/%d" % int(it["subclass"])
            names[number] = name
        print("digraph locks {")
        for number, name in names.items():
            print('\tc%d [label="%s"];' % (number, name.replace('"', '\\"')))
        for source, target, refused in dict.fromkeys(edges):
            print("\tc%d -> c%d%s;" % (source, target, " [color=red, label=refused]" if refused else ""))
        print("}")


Locks()
Graph()
