# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# For gdb: who holds what, and who waits for whom, in a host program that runs, hangs, or left a core file.
#
#     gdb -x resv-gdb.py program core
#     (gdb) resv-locks                all threads: contexts on their stacks, what these hold, who waits for it; which
#                                     fence a thread waits for
#     (gdb) resv-locks EXPRESSION...  a ww_mutex, a reservation object with its fences, a fence, or an LRU with all of its
#                                     objects, of C or C++; an array of them; a pointer
#     (gdb) resv-graph                the order of all locks in the DOT language, from a program with PROVE_LOCKING
#
# It reads memory and calls nothing: so a fence's ops stand for the names that they would return. The program needs
# debug information (-g), and may be optimised. Times are seconds of resv_port_clock(), to be compared with each other.

import gdb

NO_CONTEXT = 1  # in ww_mutex::owner_
SPIN, NO_BARGING, FIRST_SPINS = 1, 2, 4  # in ww_mutex::waiters_

SIGNALED, AWAITED = 1, 2  # in fence::flags_
USAGE = 3  # the bits of a slot in which the usage is
USAGES = ("kernel", "write", "read", "bookkeep")
MOST_PARTS = 16  # of a fence that is made of fences

LOCKS = {"resv::ww_mutex", "resv_ww_mutex"}
OBJECTS = {"resv::reservation_object", "resv_object"}
FENCES = {"resv::fence", "resv_fence"}
LRUS = {"resv::lru", "resv_lru"}
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


def seconds(ns):
    return "%d.%06d s" % (ns // 1000000000, ns % 1000000000 // 1000)


def address_of(name):
    """Of a global that is not in every program; 0 if this one does not have it."""
    try:
        return int(gdb.parse_and_eval("&'%s'" % name))
    except gdb.error:
        return 0


def thread_name(thread):
    """A core file does not have the name."""
    return "thread %d%s (LWP %d)" % (thread.num, ' "%s"' % thread.name if thread.name else "", thread.ptid[1])


class Threads:
    """The program's threads, by what the library calls a task: the address of the host port's record."""

    def __init__(self):
        self.by_task = {}
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            task = self.variable("'resv::host::self_record'")
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

    def of_objects(self):
        """Are its locks those of reservation objects? Others may be of another class, without anything to tell by."""
        return int(self.it["class_"]) == address_of("resv_reservation_ww_class")

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


class Fence:
    """What a fence's memory says; it may be gone, and then that is nonsense."""

    def __init__(self, address):
        self.address = address
        self.it = at(address, "resv::fence")
        self.flags = value_of(self.it["flags_"])
        self.ops = value_of(self.it["ops_"])

    def kind(self):
        """The name of the C++ class, if it is one of those that are made of fences."""
        for kind in ("resv::fence_array", "resv::fence_chain"):
            if self.ops != 0 and self.ops == address_of(kind + "::ops"):
                return kind
        return None

    def made_by(self):
        kind = self.kind()
        if kind == "resv::fence_array":
            array = at(self.address, kind)
            return "array for %s of %d" % ("any" if array["any_"] else "all", int(array["count_"]))
        if kind == "resv::fence_chain":
            return "chain"
        return "ops " + named(self.ops) if self.ops else "ops detached"

    def state(self):
        if self.flags & SIGNALED:
            text = "signaled at " + seconds(int(self.it["pending"]["timestamp"]))
        else:
            text = "not signaled" + (", awaited" if self.flags & AWAITED else "")
        error = int(self.it["error_"])
        return text + (", error %d" % error if error else "")

    def __str__(self):
        name = "at %s: %d:%d" % (named(self.address), int(self.it["context"]), int(self.it["seqno"]))
        if value_of(self.it["references_"]) == 0:
            return name + ", gone"
        return "%s, %s, %s" % (name, self.state(), self.made_by())

    def callbacks(self):
        """In the order of calling: the name of the function, and the address of the resv_fence_cb."""
        if self.flags & SIGNALED or value_of(self.it["references_"]) == 0:
            return
        first = cb = int(self.it["pending"]["callbacks"])
        while cb != 0:
            it = at(cb, "resv_fence_cb")
            yield named(int(it["func"])).split(" ", 1)[-1], cb
            cb = int(it["next"])
            if cb == first:
                break

    def parts(self):
        """The fences that it is made of, with what each is there; the rest, beyond MOST_PARTS, in words."""
        kind = self.kind()
        if kind == "resv::fence_array":
            array = at(self.address, kind)
            count = int(array["count_"])
            for i in range(min(count, MOST_PARTS)):
                yield "member %d" % i, int(array["fences_"][i])
            if count > MOST_PARTS:
                yield "and %d more" % (count - MOST_PARTS), 0
            return
        link = self.address if kind else 0
        for _ in range(MOST_PARTS):
            if link == 0:
                return
            fence = Fence(link)
            if fence.kind() != "resv::fence_chain":
                yield "before it", link
                return
            it = at(link, "resv::fence_chain")
            yield "link %d" % int(fence.it["seqno"]), int(it["contained_"])
            link = value_of(it["prev_"])
        if link != 0:
            yield "and more links", 0


def show_fence(what, address, threads, indent):
    try:
        fence = Fence(address)
        print("%s%s %s" % (indent, what, fence))
        for function, cb in fence.callbacks():
            if function.startswith("resv::fence_waiter::wake("):
                waiter = at(cb, "resv::fence_waiter")
                print("%s  waits: %s" % (indent, threads.name(int(waiter["task"]))))
            else:
                print("%s  calls: %s" % (indent, function))
        for part, its_address in fence.parts():
            if its_address:
                show_fence(part, its_address, threads, indent + "  ")
            else:
                print("%s  %s" % (indent, part))
    except gdb.MemoryError:
        print("%s%s at %#x, which is no memory" % (indent, what, address))


def slots_of(address):
    """The words of a reservation object's fences, first those in the object, then those in its table."""
    it = at(address, "resv::reservation_object")
    slots = it["slots_"]
    first, last = slots.type.range()
    for i in range(first, last + 1):
        yield value_of(slots[i])
    table = value_of(it["table_"])
    if table != 0:
        table = at(table, "resv::fence_table")
        more = (table.address + 1).cast(slots[first].type.pointer())
        for i in range(int(table["count"])):
            yield value_of(more[i])


def unsignaled(address):
    """Has the object a fence that has not been signaled? None is known of one that is no memory."""
    for word in slots_of(address):
        try:
            if word and not Fence(word & ~USAGE).flags & SIGNALED:
                return True
        except gdb.MemoryError:
            pass
    return False


def show_object(address, threads, holder=True):
    show_lock(address, threads, holder)
    if value_of(at(address, "resv::reservation_object")["version_"]) & 1:
        print("  its fences are being changed")
    for word in slots_of(address):
        if word:
            show_fence(USAGES[word & USAGE] + " fence", word & ~USAGE, threads, "  ")


def show_lru(address, threads):
    lru = at(address, "resv::lru")
    print("LRU at %s, the oldest first:" % named(address))
    head = lru["head_"].address
    entry, seen, held, busy, count = head["next_"], {int(head)}, 0, 0, 0
    while int(entry) not in seen:
        seen.add(int(entry))
        lock = int(entry["object_"])
        if lock != 0:  # otherwise it is a cursor
            show_object(lock, threads)
            count += 1
            held += value_of(at(lock, "resv::ww_mutex")["owner_"]) != 0
            busy += unsignaled(lock)
        entry = entry["next_"]
    print("%d on the LRU, %d reserved, %d with fences to come" % (count, held, busy))


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
    if owner:
        show_taking(lock)
    for line in waiters_of(waiters, threads):
        print("  " + line)


def show_taking(lock):
    """Where and when it was taken, which only a program with PROVE_LOCKING knows."""
    names = [field.name for field in lock["debug_"].type.strip_typedefs().fields()]
    if "since" in names and value_of(lock["debug_"]["since"]) != 0:
        where = named(value_of(lock["debug_"]["where"]))
        print("  taken at %s, at %s" % (where, seconds(value_of(lock["debug_"]["since"]))))


def class_of(kind):
    """What to show: the type itself, or the first class that it is derived from and that is known."""
    while kind.name not in LOCKS | OBJECTS | FENCES | LRUS:
        fields = kind.fields() if kind.code == gdb.TYPE_CODE_STRUCT else []
        if not fields or not fields[0].is_base_class:
            return None
        kind = fields[0].type.strip_typedefs()
    return kind.name


def things_in(value):
    """What an expression stands for: functions that show something, each with its address."""
    kind = value.type.strip_typedefs()
    if kind.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF):
        yield from things_in(value.dereference() if kind.code == gdb.TYPE_CODE_PTR else value.referenced_value())
        return
    if kind.code == gdb.TYPE_CODE_ARRAY:
        first, last = kind.range()
        for i in range(first, last + 1):
            yield from things_in(value[i])
        return
    name = class_of(kind)
    if name in LOCKS:
        yield show_lock, int(value.address)
    elif name in OBJECTS:
        yield show_object, int(value.address)
    elif name in FENCES:
        yield (lambda address, threads: show_fence("fence", address, threads, "")), int(value.address)
    elif name in LRUS:
        yield show_lru, int(value.address)
    else:
        raise gdb.GdbError("%s is no ww_mutex, reservation object, fence or LRU" % kind)


def variable_of(frame, name):
    try:
        value = frame.read_var(name)
    except (ValueError, RuntimeError, gdb.error):
        return None
    return None if value.is_optimized_out else value


def fences_awaited_on(frame):
    """The addresses of the fences that the selected thread waits for; 0 alone if the compiler has hidden them."""
    waits, known = False, []
    while frame is not None:
        if frame.name() == "resv_fence_wait_timeout":
            waits = True
            fence = variable_of(frame, "f")
            known += [] if fence is None else [int(fence)]
        elif frame.name() == "resv_fence_wait_any_timeout":
            waits = True
            fences, count = variable_of(frame, "fences"), variable_of(frame, "count")
            if fences is not None and count is not None:
                known += [int(fences[i]) for i in range(int(count))]
        frame = frame.older()
    return list(dict.fromkeys(known)) or ([0] if waits else [])


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
    """resv-locks [EXPRESSION...]: who holds what, and who waits for it and for which fences."""

    def __init__(self):
        super().__init__("resv-locks", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        selected = gdb.selected_thread()
        if selected is None:
            raise gdb.GdbError("no program and no core file")
        things = [t for e in gdb.string_to_argv(argument) for t in things_in(gdb.parse_and_eval(e))]
        try:
            threads = Threads()
            if argument:
                for show, address in things:
                    show(address, threads)
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
                show = show_object if context.of_objects() else show_lock
                for lock in context.held():
                    show(lock, threads, holder=False)
            for fence in fences_awaited_on(gdb.newest_frame()):
                print("  waits for %s" % ("fence %s" % Fence(fence) if fence else "a fence"))
            annotated_on()


class Graph(gdb.Command):
    """resv-graph: the order of all locks that the program has taken, in the DOT language."""

    def __init__(self):
        super().__init__("resv-graph", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        orders = Threads.variable("'resv::lockdep::orders'")
        classes = Threads.variable("'resv::lockdep::classes'")
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
