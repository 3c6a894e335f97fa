# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# resv as a part of a kernel module. The module's Kbuild file includes this, and lists $(resv-y) among its objects:
#
#	obj-m := driver.o
#	include $(src)/resv/src/port/linux/resv.mk
#	driver-y := main.o $(resv-y)
#
# The options of Kconfig are make variables of the same names, set before the include or on make's command line; only
# PROVE_LOCKING is CONFIG_RESV_PROVE_LOCKING. Objects go to resv/ below the module's directory.

resv-dir := $(patsubst %/src/port/linux/resv.mk,%,$(lastword $(MAKEFILE_LIST)))

# ---- Configuration: the same for both compilers ----

resv-options := $(sort $(filter CONFIG_RESV_%,$(.VARIABLES)))
resv-defines := $(foreach option,$(resv-options),$(if $(filter y,$($(option))),-D$(option)=1,$(if \
	$(filter-out n,$($(option))),-D$(option)=$($(option)))))

# What the kernel offers to modules is asked for, not which version it is.
resv-exported = $(shell grep -qw '$1' $(objtree)/Module.symvers 2>/dev/null && echo y)
resv-defines += $(if $(call resv-exported,stack_trace_save),-DRESV_LINUX_HAS_STACK_TRACE_SAVE)
resv-defines += $(if $(call resv-exported,lock_sync),-DRESV_LINUX_HAS_LOCK_SYNC)
resv-defines += $(shell grep -qsw LD_LOCK_WAIT_OVERRIDE $(srctree)/include/linux/lockdep_types.h && \
	echo -DRESV_LINUX_HAS_WAIT_OVERRIDE)
resv-forward := $(filter y,$(CONFIG_RESV_LOCKDEP_FORWARD))
ifneq ($(if $(resv-forward),$(CONFIG_RESV_PROVE_LOCKING)$(CONFIG_LOCKDEP),yy),yy)
ifneq ($(CONFIG_GCC_VERSION),)
$(error resv: CONFIG_RESV_LOCKDEP_FORWARD needs CONFIG_RESV_PROVE_LOCKING, and a kernel that has CONFIG_LOCKDEP)
endif
endif

# ---- The C++ compiler: the kernel's compiler's other half ----

resv-cc := $(lastword $(CC))
CXX ?= $(if $(CONFIG_CC_IS_CLANG),$(subst clang,clang++,$(resv-cc)),$(subst gcc,g++,$(resv-cc)))
resv-kind := $(if $(findstring clang,$(shell $(CXX) --version 2>/dev/null)),clang,gcc)
resv-major := $(firstword $(subst ., ,$(shell $(CXX) -dumpversion 2>/dev/null)))
resv-kernels := $(if $(CONFIG_CC_IS_CLANG),clang $(CONFIG_CLANG_VERSION),gcc $(CONFIG_GCC_VERSION))
resv-built-by := $(shell echo '$(resv-kernels)' | sed 's/....$$//')
# `make clean` has no configuration.
ifneq ($(CONFIG_GCC_VERSION),)
ifneq ($(resv-built-by),$(resv-kind) $(resv-major))
$(error resv: this kernel was built by $(resv-built-by), but CXX=$(CXX) is \
	$(if $(resv-major),$(resv-kind) $(resv-major),not there). Name the compiler of the same version: make CXX=...)
endif
endif

# ---- Its flags: kbuild's own, without warnings and what is for C alone ----

resv-inherited = $(filter-out -std=%,$(filter-out -W%,$1) $(filter -Wa$(comma)% -Wp$(comma)%,$1))
resv-cxxflags = -Wp,-MMD,$(depfile) -nostdinc -isystem $(shell $(CXX) -print-file-name=include) \
	$(CLANG_FLAGS) $(call resv-inherited,$(KBUILD_CFLAGS)) $(call resv-inherited,$(KBUILD_CFLAGS_MODULE)) \
	-std=c++20 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics \
	$(if $(filter gcc,$(resv-kind)),-fno-gnu-unique) -g0 -Wall \
	$(filter -I%/uapi,$(LINUXINCLUDE)) -I$(resv-dir)/src/port/linux -I$(resv-dir)/include $(resv-defines) \
	$(if $(filter $(resv-rare),$(notdir $@)),-Os)
# The fast paths are inline in their callers. What runs when they end, and what runs rarely, is to be small.
resv-rare := $(addsuffix .o,ww_mutex wait_list ww_traffic ww_checks parker transaction release describe c_api_describe fence_array \
	fence_chain fence_merge fence_wait fence_wait_any reservation_gather report traces classes line_writer)
ccflags-y += -I$(resv-dir)/include $(resv-defines)

# ---- Its objects ----

resv-core := $(patsubst $(resv-dir)/%.cpp,$(obj)/resv/%.o,$(wildcard $(resv-dir)/src/*.cpp $(resv-dir)/lockdep/*.cpp))
resv-port := port memory $(if $(filter y,$(CONFIG_RESV_PROVE_LOCKING)),held) $(if $(resv-forward),forward)
resv-y := $(patsubst %,resv/src/port/linux/%.o,$(resv-port)) resv/resv.a
$(shell mkdir -p $(sort $(dir $(resv-core))) $(obj)/resv/src/port/linux)
targets += $(patsubst $(obj)/%,%,$(resv-core)) # kbuild looks up how those were made

# Of the core a module gets what it needs.
quiet_cmd_resv_ar = AR [M]  $@
      cmd_resv_ar = rm -f $@; $(AR) rcsTP $@ $(resv-core)

$(obj)/resv/resv.a: $(resv-core) FORCE
	$(call if_changed,resv_ar)

# Of inline functions each object keeps a copy. What kbuild and objtool note of a function, section by section, would
# stay where a linker drops a copy; so the sections are made ordinary ones, and the symbols, which are weak, find one
# of them.
quiet_cmd_resv_cxx_o_cpp = CXX [M]  $@
      cmd_resv_cxx_o_cpp = $(CXX) $(resv-cxxflags) -c -o $@ $<; \
	$(OBJCOPY) --remove-section=.group $@ $(cmd_objtool)

$(obj)/resv/%.o: $(resv-dir)/%.c FORCE
	$(call if_changed_rule,cc_o_c)

$(obj)/resv/%.o: $(resv-dir)/%.cpp FORCE
	$(call if_changed_dep,resv_cxx_o_cpp)
