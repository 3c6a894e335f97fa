# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# Everything is made under build/, and each part by the same rules once for every flavour: a compiler, its flags, and
# a set of Kconfig options. `make help` lists the targets.

version  := 0.1
prefix   ?= /usr/local
CXXFLAGS ?= -O2 -g
CFLAGS   ?= -O2 -g
CLANG    ?= clang
CLANGXX  ?= clang++
WORKLOAD ?= desktop

comma := ,

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Says in one word what makes a file, or shows the command itself if V=1.
say = $(if $(V),,@printf '  %-7s %s\n' $1 $@;)

all: ## build/release/libresv.a, build/prove/libresv.a; and build/custom/libresv.a if there is a build/.config
all: build/release/libresv.a build/prove/libresv.a $(if $(wildcard build/.config),build/custom/libresv.a)

# ---- Flavours ---------------------------------------------------------------------------------------------------

tested   := plain prove asan tsan
explored := sim sim-debug sim-prove relacy fuzz-sim vcpu
ported   := x86-32 arm64 riscv64
flavours := release $(tested) clang clang-prove panic coverage $(explored) $(ported) fuzz custom

# What is counted is no state of the locks; and whoever waits before it announces itself might as well come later.
steady := RESV_SPIN_TURNS=2 RESV_STEADY

options.prove       := PROVE_LOCKING
options.asan        := PROVE_LOCKING RESV_DEBUG_WW_SLOWPATH RESV_LOCK_STAT
options.tsan        := $(options.asan)
options.coverage    := $(options.asan)
options.clang-prove := PROVE_LOCKING
options.panic       := PROVE_LOCKING RESV_PANIC_ON_REPORT
options.sim         := $(steady)
options.sim-debug   := $(steady) RESV_DEBUG_WW_MUTEXES RESV_DEBUG_WW_SLOWPATH
options.vcpu        := RESV_STEADY
options.sim-prove   := $(steady) PROVE_LOCKING RESV_LOCKDEP_CLASSES=64 RESV_LOCKDEP_EDGES=256 \
	RESV_LOCKDEP_HELD=8 RESV_LOCKDEP_TRACES=1024
options.relacy      := $(steady)
options.x86-32      := PROVE_LOCKING
options.arm64       := PROVE_LOCKING
options.riscv64     := PROVE_LOCKING
options.fuzz        := PROVE_LOCKING
options.fuzz-sim    := $(steady) RESV_DEBUG_WW_MUTEXES

flags.asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags.tsan := -O1 -fsanitize=thread

# The simulated machine checks the lives of words and memory itself, and tasks leave its stacks by jumps that ASan does not
# follow.
flags.fuzz     := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags.fuzz-sim := -O1 -fsanitize=fuzzer-no-link,undefined -fno-sanitize-recover=all -Isrc/port/sim

# Threads count the same lines.
flags.coverage := -O0 --coverage -fprofile-update=atomic

# Tests are compiled once and run for a moment; unoptimised they are done sooner.
tests_flags = -I. -g1 $(if $(filter plain tsan,$1),-O1,-O0)

# The same sources over the simulated machine, or over Relacy: atomics come from there.
flags.sim       := -Isrc/port/sim
flags.sim-debug := $(flags.sim)
flags.sim-prove := $(flags.sim)
flags.relacy    := -Itests/sim/relacy
flags.vcpu      := -Isrc/port/vcpu

# Clang follows who holds what; tests hold and release through ASSERT_EQ(), where it cannot.
analysis.clang       := -Wthread-safety
analysis.clang-prove := -Wthread-safety

# With sanitizers, Clang takes less than half the time of GCC.
clang := clang clang-prove asan fuzz fuzz-sim
need = $(if $(filter $(explored),$1),sim) $(if $(filter $(clang),$1),test) $(if $(filter $(ported),$1),ports) build
cc  = $(or $(and $(filter $(clang),$1),$(CLANG)),$(and $(filter $(ported),$1),$(cpu.$1)-linux-gnu-gcc),$(CC))
cxx = $(or $(and $(filter $(clang),$1),$(CLANGXX)),$(and $(filter $(ported),$1),$(cpu.$1)-linux-gnu-g++),$(CXX))

# For other CPUs there is no GoogleTest but its source; and their shared libraries are where no other program looks.
cpu.x86-32  := i686
ld.x86-32   := ld-linux.so.2
cpu.arm64   := aarch64
ld.arm64    := ld-linux-aarch64.so.1
cpu.riscv64 := riscv64
ld.riscv64  := ld-linux-riscv64-lp64d.so.1
libs = /usr/$(cpu.$1)-linux-gnu/lib
googletest  := /usr/src/googletest/googletest
gtest = $(if $(filter $(ported),$1),build/$1/googletest.o -Wl$(comma)--dynamic-linker=$(libs)/$(ld.$1) \
	-Wl$(comma)-rpath=$(libs),-lgtest_main -lgtest) -lpthread
$(ported:%=build/%/googletest.o): build/%/googletest.o: | build/need/ports
	@mkdir -p $(@D)
	$(call say,CXX)$(call cxx,$*) -I$(googletest) -I$(googletest)/include -O1 -r \
		$(googletest)/src/gtest-all.cc $(googletest)/src/gtest_main.cc -o $@

# ---- Sources ----------------------------------------------------------------------------------------------------

core     := $(wildcard src/*.cpp lockdep/*.cpp)
port     := $(wildcard src/port/host/*.cpp)
tests    := $(wildcard tests/*.cpp tests/*.c tests/lockdep/*.cpp tests/lockdep/*.c tests/misuse/*.cpp \
	tests/misuse/*.c tests/gpu/*_test.cpp tests/gpu/host/*_test.cpp)
gpu      := $(filter-out %_test.cpp,$(wildcard tests/gpu/*.cpp))
gpu_host := $(filter-out %_test.cpp %/main.cpp,$(wildcard tests/gpu/host/*.cpp))
gpu_client := $(wildcard tests/gpu/kernel/client/*.cpp)
bench    := $(filter-out tests/bench/lockdep% tests/bench/contention%,$(wildcard tests/bench/*.cpp))
bench_common     := tests/bench/main.cpp tests/bench/machine.cpp
bench_lockdep    := $(bench_common) $(wildcard tests/bench/lockdep*.cpp)
bench_contention := $(bench_common) $(wildcard tests/bench/contention*.cpp)
sim_port := $(wildcard src/port/sim/*.cpp)
sim      := $(wildcard tests/sim/*.cpp)
sim_lockdep := tests/sim/main.cpp tests/sim/scenario.cpp $(wildcard tests/sim/lockdep/*.cpp)
relacy   := $(wildcard tests/sim/relacy/*.cpp)
vcpu_port := $(wildcard src/port/vcpu/*.cpp)
simulate := $(addprefix tests/simulate/,main.cpp costs.cpp play.cpp starvation.cpp)
calibrate := $(addprefix tests/simulate/,calibrate.cpp costs.cpp) tests/bench/machine.cpp
simulate_tests := $(addprefix tests/simulate/,machine_test.cpp costs.cpp play.cpp)
# The annotator, with the locks that reports know of; and what Relacy explores.
lockdep_explored := $(wildcard lockdep/*.cpp) src/ww_mutex.cpp src/ww_checks.cpp src/ww_traffic.cpp \
	src/wait_list.cpp src/parker.cpp
relacy_explored  := src/ww_mutex.cpp src/ww_traffic.cpp src/wait_list.cpp src/parker.cpp
fuzz     := $(wildcard tests/fuzz/*.cpp)
headers  := $(wildcard include/*/* src/*.hpp src/port/sim/*.hpp src/port/sim/*/*.hpp src/port/vcpu/*.hpp \
	src/port/vcpu/*/*.hpp lockdep/*.hpp tests/gpu/*.hpp \
	tests/gpu/host/*.hpp tests/gpu/kernel/*.h tests/gpu/kernel/client/*.hpp)
scripts  := .ci/run $(wildcard tests/tools/* tests/bench/count/*.sh) tests/gpu/kernel/run tests/sim/check \
	tests/sim/searches tests/sim/bugs/check tests/sim/spin/check tests/simulate/run tests/simulate/check \
	tests/mutants/run \
	$(addprefix tests/kernel/,boot build check compare complaints fetch minimal one readme run)
formatted := $(wildcard $(foreach dir,include/resv include/resv_port src src/port/host src/port/sim \
	src/port/sim/resv_port src/port/vcpu src/port/vcpu/resv_port src/port/host/resv_port src/port/linux \
	lockdep tests tests/lockdep tests/misuse tests/simulate tests/gpu \
	tests/gpu/host tests/gpu/kernel tests/gpu/kernel/client tests/gpu/minimal tests/bench tests/bench/count \
	tests/compile_fail tests/fastpath tests/fuzz tests/gdb tests/install tests/panic tests/sim tests/sim/lockdep \
	tests/sim/relacy tests/sim/relacy/resv_port tests/kernel/bench tests/kernel/module tests/kernel/module/include \
	tests/kernel/module/include/resv_port, \
	$(addprefix $(dir)/*.,c h cpp hpp)))

# Stack traces go through unwind tables, which some compilers leave out where nothing is thrown.
unwinding    := -fasynchronous-unwind-tables
# The core and the GPU driver are freestanding, except where Relacy's headers are; ports, front and tests are hosted.
freestanding := -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics $(unwinding)
warnings     := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror

# ---- Rules, once for each flavour -------------------------------------------------------------------------------

# What the locks tell the annotator, tests hear as well: see tests/lockdep/recorder.hpp.
wrapped := $(patsubst %,-Wl$(comma)--wrap=resv_%,$(addprefix lockdep_,on_acquire on_release on_sync acquire release sync))
# And they can do what others would while a walk of an LRU pauses: see tests/lru_test.cpp.
wrapped += -Wl$(comma)--wrap=resv_port_relax

objects = $(patsubst %,build/$1/%.o,$2)

define flavour_rules
build/$1/%.cpp.o: %.cpp build/$1/include/resv/autoconf.h
	@mkdir -p $$(@D)
	$$(call say,CXX)$(call cxx,$1) -std=c++20 $$(CXXFLAGS) $(flags.$1) $(warnings) $$(kind_flags) \
		-Ibuild/$1/include $(if $(filter $1,$(explored)),,-Isrc/port/host) -Iinclude -MMD -MP -c $$< -o $$@

build/$1/%.c.o: %.c build/$1/include/resv/autoconf.h
	@mkdir -p $$(@D)
	$$(call say,CC)$(call cc,$1) -std=c11 $$(CFLAGS) $(flags.$1) $(unwinding) $(warnings) \
		-Ibuild/$1/include -Iinclude -MMD -MP -c $$< -o $$@

$(call objects,$1,$(core) $(gpu)): private kind_flags = $(if $(filter relacy,$1),,$(freestanding)) $(analysis.$1)
$(call objects,$1,$(port) $(gpu_host) $(gpu_client)): private kind_flags = $(analysis.$1)
$(call objects,$1,$(tests)): private kind_flags = $(call tests_flags,$1) -Winvalid-pch \
	-include build/$1/tests/precompiled.hpp
$(call objects,$1,$(sim_port) $(sim) $(sim_lockdep) $(relacy) $(fuzz)): private kind_flags = -I.
$(call objects,$1,$(vcpu_port) $(sort $(simulate) $(simulate_tests) $(calibrate))): private kind_flags = -I.
$(call objects,$1,$(tests)): | build/need/test
$(call objects,$1,$(filter %.cpp,$(tests))): build/$1/tests/precompiled.hpp.gch

# What is included stands for its compiled form, which lies beside it; there is nothing else there.
build/$1/tests/precompiled.hpp.gch: tests/precompiled.hpp build/$1/include/resv/autoconf.h | build/need/test
	@mkdir -p $$(@D)
	$$(call say,CXX)$(call cxx,$1) -std=c++20 $$(CXXFLAGS) $(flags.$1) $(warnings) $(call tests_flags,$1) \
		-Ibuild/$1/include $(if $(filter $1,$(explored)),,-Isrc/port/host) -Iinclude -x c++-header $$< -o $$@

build/$1/libresv.a: $(call objects,$1,$(core) $(port))
	@rm -f $$@
	$$(call say,AR)$$(AR) rcs $$@ $$^

build/$1/tests/resv_tests: $(call objects,$1,$(tests) $(gpu) $(gpu_host)) build/$1/libresv.a
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$(filter-out build/$1/googletest.o,$$^) $(wrapped) $(call gtest,$1) -o $$@

$(if $(filter $1,$(ported)),build/$1/tests/resv_tests: build/$1/googletest.o)

build/$1/gpu/resv-gpu: $(call objects,$1,tests/gpu/host/main.cpp $(gpu_host) $(gpu)) build/$1/libresv.a
	@mkdir -p $$(@D)
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -lpthread -o $$@

build/$1/gpu/resv-gpu-client: $(call objects,$1,$(gpu_client) $(gpu_host) $(gpu)) build/$1/libresv.a
	@mkdir -p $$(@D)
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) -static $$^ -lpthread -o $$@

build/$1/resv-sim: $(call objects,$1,$(core) $(sim_port) $(sim))
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -lboost_context -o $$@

build/$1/resv-sim-lockdep: $(call objects,$1,$(lockdep_explored) $(sim_port) $(sim_lockdep))
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -lboost_context -o $$@

build/$1/resv-simulate: $(call objects,$1,$(core) $(vcpu_port) $(simulate))
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -lboost_context -o $$@

build/$1/simulate_tests: $(call objects,$1,$(core) $(vcpu_port) $(simulate_tests))
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -lboost_context -lgtest_main -lgtest -lpthread -o $$@

build/$1/resv-calibrate: $(call objects,$1,$(calibrate)) build/$1/libresv.a
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -lpthread -o $$@

build/$1/resv-relacy: $(call objects,$1,$(relacy_explored) $(relacy))
	$$(call say,LINK)$(call cxx,$1) $(flags.$1) $$^ -o $$@

# Depends on this file, so that a changed flag compiles everything anew.
build/$1/include/resv/autoconf.h: build/$1/.config Kconfig src/Kconfig | $(addprefix build/need/,$(call need,$1))
	@mkdir -p $$(@D) build/$1/kconfig/include/config
	@cp $$< build/$1/kconfig/.config
	$$(call say,KCONFIG)cd build/$1/kconfig && export KCONFIG_AUTOHEADER=../include/resv/autoconf.h srctree=../../.. && \
		kconfig-conf --olddefconfig ../../../Kconfig >/dev/null && \
		kconfig-conf --silentoldconfig ../../../Kconfig
endef
$(foreach flavour,$(flavours),$(eval $(call flavour_rules,$(flavour))))

build/custom/.config: build/.config Makefile
	@mkdir -p $(@D)
	@cp $< $@

build/%/.config: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' $(foreach option,$(options.$*),CONFIG_$(option)$(if $(findstring =,$(option)),,=y)) >$@

-include $(shell find build \( -path build/bugs -o -path build/kernel \) -prune -o -name '*.d' -print 2>/dev/null)

# What has to be installed, by group: says so, or does so where it may.
build/need/%: tests/tools/need
	@tests/tools/need $*
	@mkdir -p $(@D)
	@touch $@

build/need/test build/need/bench build/need/coverage build/need/lint build/need/sim build/need/gdb: | build/need/build

# ---- Programs ---------------------------------------------------------------------------------------------------

# What draws the lock order is built with PROVE_LOCKING. A demo is played with it, and then without.
played  := $(if $(DEMO),prove plain,$(if $(LOCKGRAPH),prove,plain))
picture := $(or $(LOCKGRAPH),$(DEMO:%=build/%.svg))

run: ## the software GPU (WORKLOAD=name or file, or CAPTURE=file; TRACE=, LOCKGRAPH=file to write, ARGS=more; or DEMO=)
run: $(played:%=build/%/gpu/resv-gpu) | $(if $(filter-out %.dot,$(picture)),build/need/graph)
ifdef DEMO
	@build/prove/gpu/resv-gpu --demo=$(DEMO) --lockgraph=$(picture)
	@echo
	@build/plain/gpu/resv-gpu --demo=$(DEMO)
else
	@$< $(if $(CAPTURE),--capture=$(CAPTURE),--workload=$(WORKLOAD)) $(if $(TRACE),--trace=$(TRACE)) $(if $(picture),--lockgraph=$(picture)) $(ARGS)
endif

run-kernel: ## the same on the driver resv_gpu.ko, in a stock KERNEL (6.1, 6.12, 6.1-rt, 6.12-rt) in QEMU
run-kernel: build/prove/gpu/resv-gpu-client | build/need/kernel
	@tests/gpu/kernel/run $(or $(KERNEL),6.12) build/kernel/run.log play $(WORKLOAD) $(ARGS)

bench: ## time the locks beside their peers, then the annotator (about three minutes); build/bench/{results,ratios}.json
bench: build/bench/resv-bench build/bench/lockdep/resv-bench
	@build/bench/resv-bench --out=build/bench $(ARGS)
	@build/bench/lockdep/resv-bench --out=build/bench/lockdep $(ARGS)
	@$(merge_ratios)

bench-contention: ## time many that want the same locks, beside their peers (about five minutes); build/bench/contention/{rows.csv,*.svg}
bench-contention: build/bench/contention/resv-bench
	@$< --out=$(<D) $(ARGS)
	@cd $(<D) && gnuplot $(CURDIR)/tests/bench/contention.gnuplot
	@$(merge_ratios)

# What each program measured last; of two ratios with one name the latter.
merge_ratios = cd build/bench && cat ratios.json lockdep/ratios.json contention/ratios.json 2>/dev/null | awk ' \
	/"/ { sub(/,$$/, ""); if (!($$1 in line)) names[n++] = $$1; line[$$1] = $$0 } \
	END { print "{"; for (i = 0; i < n; i++) print line[names[i]] (i < n - 1 ? "," : ""); print "}" }' >all.json && \
	mv all.json ratios.json

# The annotator is only in the library that has it.
build/bench/resv-bench: $(call objects,release,$(bench)) build/release/libresv.a
build/bench/lockdep/resv-bench: $(call objects,prove,$(bench_lockdep)) build/prove/libresv.a
build/bench/contention/resv-bench: $(call objects,release,$(bench_contention)) build/release/libresv.a
build/bench/resv-bench build/bench/lockdep/resv-bench build/bench/contention/resv-bench:
	@mkdir -p $(@D)
	$(call say,LINK)$(CXX) $^ -lbenchmark $$(pkg-config --libs absl_synchronization) -lpthread -o $@

$(filter-out %/machine.cpp.o,$(call objects,release,$(bench) $(bench_contention)) $(call objects,prove,$(bench_lockdep))): | \
	build/need/bench

bench-kernel: | build/need/kernel ## time the locks beside the kernel's own, in QEMU (KERNEL=); build/kernel/*/ratios.json
	@tests/kernel/compare $(KERNEL)

explore: build/sim/resv-sim ## a SCENARIO, or their list (BOUND, SEED, SEARCH, MEMORY, RUNS, VARIANT, LIMIT, REPLAY, TRACE)
	@build/sim/resv-sim $(if $(SCENARIO),$(foreach option,bound seed search memory runs variant limit replay trace, \
		$(addprefix --$(option)=,$(value $(shell echo $(option) | tr a-z A-Z)))) $(SCENARIO),--list)

simulate: build/vcpu/resv-simulate | build/need/plot ## the locks on up to 1024 virtual CPUs (ARGS=more); build/simulate/*.svg
	@tests/simulate/run $< build/simulate $(ARGS)

calibrate: build/release/resv-calibrate build/vcpu/resv-simulate ## measure this machine, and the model of it beside it
	@mkdir -p build/simulate
	@build/release/resv-calibrate >build/simulate/costs
	@cat build/simulate/costs
	@build/vcpu/resv-simulate --costs=build/simulate/costs --compare

# ---- Fuzzing ----------------------------------------------------------------------------------------------------

# How often each target is run in a check.
fuzz_runs := calls=8000 annotator=6000 workload=20000 capture=20000 submit=1500
fuzzers   := $(foreach target,$(fuzz_runs),build/fuzz/$(firstword $(subst =, ,$(target))))

fuzz: ## the fuzzers, for about 12 seconds; or one TARGET for SECONDS, or on one INPUT (a file)
fuzz: $(or $(TARGET:%=build/fuzz/%),$(fuzzers))
ifdef INPUT
	@tests/tools/fuzz replay $(TARGET) $(INPUT)
else
	@tests/tools/fuzz $(if $(TARGET),search $(TARGET) $(or $(SECONDS),60),$(fuzz_runs))
endif

link_fuzzer = $(call say,LINK)$(CLANGXX) $(flags.$1) -fsanitize=fuzzer $^

build/fuzz/calls: $(call objects,fuzz-sim,tests/fuzz/calls.cpp $(core) $(sim_port))
	@mkdir -p $(@D)
	$(call link_fuzzer,fuzz-sim) -Wl,--wrap=resv_port_alloc -lboost_context -o $@

build/fuzz/annotator: $(call objects,fuzz,tests/fuzz/annotator.cpp) build/fuzz/libresv.a
	$(call link_fuzzer,fuzz) -lgtest -lpthread -o $@

build/fuzz/workload build/fuzz/capture: build/fuzz/%: build/fuzz/tests/fuzz/%.cpp.o \
		$(call objects,fuzz,$(gpu_host) $(gpu)) build/fuzz/libresv.a
	$(call link_fuzzer,fuzz) -lpthread -o $@

build/fuzz/submit: $(call objects,fuzz,tests/fuzz/submit.c tests/gpu/kernel/ioctl.c tests/gpu/kernel/core.cpp \
		tests/gpu/host/os.cpp $(gpu)) build/fuzz/libresv.a
	$(call link_fuzzer,fuzz) -lpthread -o $@

# The driver's own file, and what drives it, with a kernel of a few lines around them.
from_kernel := drm/drm_device drm/drm_file drm/drm_gem drm/drm_ioctl linux/mutex linux/slab linux/uaccess linux/workqueue

$(call objects,fuzz,tests/fuzz/submit.c tests/gpu/kernel/ioctl.c): build/fuzz/%.o: % tests/fuzz/kernel.h \
		build/fuzz/include/resv/autoconf.h
	@mkdir -p $(@D) build/fuzz/kernel/drm build/fuzz/kernel/linux
	@for header in $(from_kernel); do echo '#include "tests/fuzz/kernel.h"' >build/fuzz/kernel/$$header.h; done
	$(call say,CC)$(CLANG) -std=gnu11 $(CFLAGS) $(flags.fuzz) -Wall -Wextra -Wno-unused-parameter -Werror -I. \
		-Ibuild/fuzz/kernel -Ibuild/fuzz/include -Iinclude -MMD -MP -c $< -o $@

# ---- Checks: each is a step of `make check`, and a target of its own ------------------------------------------------

kernels    := 6.12-lockdep 6.1 6.12 6.1-rt 6.12-rt
host_steps := test-plain test-prove symbols compile-fail
steps      := builds $(tested:%=test-%) symbols fastpath panic gdb compile-fail install-check examples workloads \
	lockgraph bench-count fuzz check-sim check-simulate check-kernel lint

# What the steps need is made side by side, before they run one after the other. A part that cannot be made does not
# stop the rest: its step will fail.
test_program = $(patsubst test-%,build/%/tests/resv_tests,$(filter test-%,$1))
sims = build/sim/resv-sim build/sim-debug/resv-sim build/sim-prove/resv-sim-lockdep build/relacy/resv-relacy \
	build/vcpu/resv-simulate
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

check: ## everything, one summary at the end (about 25 minutes on two cores)
check: build/need/test build/need/bench build/need/lint build/need/sim build/need/graph build/need/gdb build/need/kernel
	-@$(MAKE) --keep-going $(jobs) builds stage lint $(patsubst %,build/%/gpu/resv-gpu,plain prove clang) \
		$(call test_program,$(steps)) $(sims) build/vcpu/simulate_tests $(fuzzers)
	@tests/tools/check $(steps)

check-host: build/need/test ## the tests without sanitizers, and what is as quick
	-@$(MAKE) --keep-going $(jobs) all $(call test_program,$(host_steps))
	@tests/tools/check $(host_steps)

builds: ## what is built and run by no other step
builds: all build/clang-prove/libresv.a build/bench/resv-bench \
	build/bench/lockdep/resv-bench build/bench/contention/resv-bench build/release/resv-calibrate

test-%: build/%/tests/resv_tests ## the test suites in one flavour: plain, prove, asan, tsan, or clang (no step of `make check`)
	@tests/tools/gtest $<

check-ports: $(ported:%=test-%) ## the test suites on other CPUs: x86 of 32 bits, and arm64 and riscv64 in an emulator

symbols: ## that the core and the GPU driver need nothing but their ports
symbols: $(call objects,release,$(core) $(gpu)) $(call objects,prove,$(core) $(gpu))
	@tests/tools/symbols 'the core' include/resv/port.h $(call objects,release,$(core))
	@tests/tools/symbols 'the core with PROVE_LOCKING' 'include/resv/port.h src/port/host/resv_port/held.hpp' \
		$(call objects,prove,$(core))
	@tests/tools/symbols 'the GPU driver' 'include/resv/port.h tests/gpu/os.hpp' \
		$(call objects,release,$(core) $(gpu))
	@tests/tools/symbols 'the GPU driver with PROVE_LOCKING' \
		'include/resv/port.h src/port/host/resv_port/held.hpp tests/gpu/os.hpp' $(call objects,prove,$(core) $(gpu))

panic: build/prove/panic build/panic/panic ## that a report ends a program where it should, and only there
	@tests/tools/panic $^

build/%/panic: build/%/tests/panic/main.c.o build/%/libresv.a
	$(call say,LINK)$(CXX) $^ -lpthread -o $@

gdb: build/plain/gdb-target build/prove/gdb-target | build/need/gdb ## that the debugger's commands tell who holds what
	@tests/tools/gdb $^

build/%/gdb-target: build/%/tests/gdb/main.cpp.o build/%/libresv.a
	$(call say,LINK)$(CXX) $^ -lpthread -o $@

fastpath: | build/need/test ## that PROVE_LOCKING costs nothing where it is off
	@tests/tools/fastpath '$(CXX) -std=c++20 $(CXXFLAGS) $(freestanding)' build/fastpath

compile-fail: | build/need/test ## that mistakes do not compile
	@tests/tools/compile-fail '$(CLANGXX) -std=c++20 -Wall -Wextra -Wthread-safety -Werror -Iinclude'

stage: all
	@rm -rf build/stage
	@$(MAKE) install DESTDIR=build/stage

install-check: stage | build/need/test ## programs that use an installed tree
	@tests/tools/install build/stage $(prefix)

examples: stage | build/need/test ## the programs in README.md
	@tests/tools/examples build/stage $(prefix) README.md

workloads: build/clang/gpu/resv-gpu ## each workload of the software GPU, for a second, and each capture
	@tests/tools/workloads $< tests/gpu/workloads/*.conf tests/gpu/captures/*.txt

lockgraph: build/prove/gpu/resv-gpu build/plain/gpu/resv-gpu | build/need/graph ## that the annotator sees what the GPU does
	@tests/tools/lockgraph $^ tests/gpu/workloads/*.conf

check-sim: $(sims) ## that no interleaving breaks the locks, and that planted bugs do (about three minutes on two cores)
	@tests/sim/check

$(call objects,vcpu,tests/simulate/machine_test.cpp): | build/need/test

check-simulate: build/vcpu/simulate_tests build/vcpu/resv-simulate ## that the virtual CPUs count right, and that nobody starves
	@tests/simulate/check $^

check-kernel: ## that it works in stock kernels, and one with lockdep, in QEMU (KERNEL=; about eight minutes on two cores)
check-kernel: build/prove/gpu/resv-gpu-client | build/need/build build/need/kernel
	@tests/kernel/check $(or $(KERNEL),$(kernels))

coverage: build/coverage/tests/resv_tests | build/need/coverage ## which lines and branches the tests pass; build/coverage/html
	@tests/tools/coverage $< tests/coverage.txt

mutants: build/prove/tests/resv_tests $(sims) ## that tests notice small changes of FILES (ARGS=--sample=N)
	@tests='$(call objects,prove,$(tests) $(gpu) $(gpu_host)) build/prove/libresv.a $(wrapped)' \
		sim='$(call objects,sim,$(core) $(sim_port) $(sim))' \
		sim_debug='$(call objects,sim-debug,$(core) $(sim_port) $(sim))' \
		sim_prove='$(call objects,sim-prove,$(lockdep_explored) $(sim_port) $(sim_lockdep))' \
		relacy='$(call objects,relacy,$(relacy_explored) $(relacy))' \
		vcpu='$(call objects,vcpu,$(core) $(vcpu_port) $(simulate))' \
		tests/mutants/run '$(CXX) -std=c++20 $(freestanding) -w' \
		$(or $(FILES),$(wildcard src/*.[ch]pp lockdep/*.[ch]pp)) $(ARGS)

bench-count: all | build/need/test ## that no operation takes more instructions than it did
	@tests/bench/count/run.sh build/bench-count

# ---- Style --------------------------------------------------------------------------------------------------------

tidied := $(patsubst %,build/lint/%,$(core) $(port) $(sim_port) $(vcpu_port) $(gpu) $(gpu_host) tests/gpu/kernel/core.cpp \
	$(gpu_client))
$(patsubst %,build/lint/%,$(sim_port)): private tidy_flags = -Isrc/port/sim
$(patsubst %,build/lint/%,$(vcpu_port)): private tidy_flags = -Isrc/port/vcpu

# Through what users do not link, the analyzer takes four times as long as all else: it walks the standard library.
$(patsubst %,build/lint/%,$(filter-out $(core) $(port),$(tidied:build/lint/%=%))): private tidy_checks = \
	--checks=-clang-analyzer-*

# What cppcheck says of buffers that nobody reads before they are written, and of `requires`, is left out.
lint: $(tidied) | build/need/lint ## clang-tidy, cppcheck, clang-format and shellcheck
	@cppcheck --quiet -j $$(nproc) --error-exitcode=1 --std=c++20 --language=c++ --enable=warning,performance,portability \
		--suppress=uninitMemberVar --suppress=identicalConditionAfterEarlyExit -Iinclude -Isrc/port/host \
		-Ibuild/prove/include $(core) $(port) $(sim_port) $(vcpu_port)
	@clang-format --dry-run -Werror $(formatted)
	@shellcheck $(scripts)

build/lint/%: % .clang-tidy build/prove/include/resv/autoconf.h $(headers) | build/need/lint
	@mkdir -p $(@D)
	$(call say,TIDY)clang-tidy --quiet $(tidy_checks) $< -- -std=c++20 $(tidy_flags) -Ibuild/prove/include -Iinclude 2>/dev/null
	@touch $@

format: | build/need/lint ## lay out the sources as .clang-format says
	@clang-format -i $(formatted)

# ---- Configuration and installation -----------------------------------------------------------------------------

menuconfig: | build/need/build ## choose options for a library of your own, build/custom/libresv.a
	@cd build && srctree=.. kconfig-mconf ../Kconfig

# Both configurations may be installed; a program names its own to pkg-config.
install: all ## headers, both libraries, resv.pc, resv-prove.pc, and resv-gdb.py (DESTDIR, prefix)
	@for dir in resv resv_port; do \
		install -d $(DESTDIR)$(prefix)/include/$$dir && \
		install -m 644 include/$$dir/* $(DESTDIR)$(prefix)/include/$$dir || exit; \
	done
	@install -d $(DESTDIR)$(prefix)/share/resv
	@install -m 644 src/port/host/resv-gdb.py $(DESTDIR)$(prefix)/share/resv
	@$(call install_library,release,resv,)
	@$(call install_library,prove,resv-prove, with PROVE_LOCKING)

define install_library
install -d $(DESTDIR)$(prefix)/lib/$2/include/resv $(DESTDIR)$(prefix)/lib/pkgconfig && \
install -m 644 build/$1/libresv.a $(DESTDIR)$(prefix)/lib/$2 && \
install -m 644 build/$1/include/resv/autoconf.h $(DESTDIR)$(prefix)/lib/$2/include/resv && \
printf '%s\n' 'prefix=$(prefix)' '' \
	'Name: $2' \
	'Description: reservation objects and wound/wait mutexes$3' \
	'Version: $(version)' \
	'Cflags: -I$${prefix}/lib/$2/include -I$${prefix}/include' \
	'Libs: -L$${prefix}/lib/$2 -lresv -lstdc++ -lpthread' \
	>$(DESTDIR)$(prefix)/lib/pkgconfig/$2.pc
endef

clean: ## remove build/, your configuration included
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: all run run-kernel bench bench-contention bench-kernel check check-host builds symbols fastpath panic gdb \
	compile-fail stage install-check examples workloads lockgraph bench-count coverage mutants fuzz check-sim \
	check-simulate check-kernel check-ports explore simulate calibrate lint format menuconfig install clean help
