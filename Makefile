# SPDX-License-Identifier: Apache-2.0
#
# make            build build/imagepull-exporter        make V=1     show commands
# make check      everything CI runs                    make SAN=1   with ASan and UBSan
# make demo       the whole path on this machine        KEEP=1       leave it running
# make bench      measure against the budgets           make install DESTDIR= PREFIX=
#
# Missing Debian packages are installed first (scripts/packages.txt); DEPS=no turns that off.

CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN       ?=
BUILD     ?= build$(if $(SAN),-san$(if $(filter-out 1,$(SAN)),-$(SAN)))
PREFIX    ?= /usr/local
PYTHON    := /usr/bin/python3
VERSION   := $(shell cat VERSION)
REVISION  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
Q         := $(if $(V),,@)

# --- what there is -----------------------------------------------------------------------------
base      := $(wildcard agent/base/*.c)
core      := $(wildcard agent/core/*.c)
sources   := $(wildcard agent/kube/*.c cri/*.c)
exporter  := $(wildcard exporter/*.c)
agent     := $(filter-out agent/main.c,$(wildcard agent/*.c))
protos    := $(wildcard proto/*.proto)
library   := $(base) $(core) $(sources) $(exporter) $(agent)
unit      := $(wildcard tests/unit/test_*.c tests/scenarios/test_*.c)
helpers   := $(filter-out $(unit),$(wildcard tests/unit/*.c tests/scenarios/*.c))
fuzzers   := $(wildcard tests/fuzz/fuzz_*.c)
benches   := $(wildcard tests/bench/bench_*.c)
all_c     := $(library) agent/main.c $(unit) $(helpers) $(fuzzers) $(benches) $(wildcard tests/corpus/*.c tests/lab/*.c)
headers   := $(wildcard include/*.h agent/*/*.h agent/*.h cri/*.h exporter/*.h tests/*/*.h)

# --- how it is compiled ------------------------------------------------------------------------
warnings  := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
             -Wformat=2 -Wundef -Wwrite-strings
harden    := -fstack-protector-strong -fPIE $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
sanitize  := $(if $(SAN),-fsanitize=$(if $(filter thread,$(SAN)),thread,address$(comma)undefined \
             -fno-sanitize-recover=undefined) -fno-omit-frame-pointer)
comma     := ,
packages  := grpc_unsecure libprotobuf-c libcurl libmicrohttpd jansson zlib
cflags     = -std=gnu17 -D_GNU_SOURCE -O2 -g -ffunction-sections -fdata-sections $(harden) $(sanitize) \
             -iquote . -iquote include -I$(BUILD)/gen \
             -DIMAGEPULL_VERSION='"$(VERSION)"' -DIMAGEPULL_REVISION='"$(REVISION)"' $(CFLAGS)
ldflags    = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections $(sanitize) $(LDFLAGS)
libs       = $(shell pkg-config --libs $(packages)) -lpthread
test_libs  = -lcmocka $(libs)

binary    := $(BUILD)/imagepull-exporter
archive   := $(BUILD)/libimagepull.a
testlib   := $(BUILD)/libtest.a
gen_c     := $(protos:%.proto=$(BUILD)/gen/%.pb-c.c)
gen_h     := $(gen_c:.c=.h)
object     = $(1:%.c=$(BUILD)/%.o)
program    = $(1:%.c=$(BUILD)/%)

.PHONY: all
all: $(binary)

$(binary): $(call object,agent/main.c) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(libs)

$(archive): $(call object,$(library)) $(gen_c:.c=.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(testlib): $(call object,$(helpers))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c | $(gen_h)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(cflags) $(warnings) -MMD -MP -c -o $@ $<

# Not ours to mend: protobuf-c's output is compiled without our warnings.
$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c
	$(Q)$(CC) $(cflags) -w -c -o $@ $<

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: %.proto | packages-build
	@mkdir -p $(BUILD)/gen
	@echo "  PROTO $<"
	$(Q)protoc-c --c_out=$(BUILD)/gen $<

# --- tests -------------------------------------------------------------------------------------
# One cmocka program a file, linked against the archive: it takes only the objects it needs.
$(call program,$(unit)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(testlib) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(test_libs)

$(call program,$(benches) $(wildcard tests/corpus/*.c)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(libs)

-include Makefile.check

.PHONY: install
install: $(binary)
	install -D -m 0755 $(binary) $(DESTDIR)$(PREFIX)/bin/imagepull-exporter

.PHONY: clean
clean:
	rm -rf build build-*

# --- packages ----------------------------------------------------------------------------------
.PHONY: packages-build packages-check packages-demo
packages-build packages-check packages-demo: packages-%:
	$(Q)$(if $(filter no,$(DEPS)),:,scripts/install-packages $*)

-include $(patsubst %.c,$(BUILD)/%.d,$(all_c))
